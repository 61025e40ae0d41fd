package conformance;

import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import java.util.List;

/** Cases that act on the emulator itself, and so run by themselves on the second one, when all others are done. */
final class Knobs {
  static List<Case> cases(Google strict) {
    return List.of(
        new Case(
            "case 61: a connection closed for a restart is opened again by the writer, unnoticed",
            () -> {
              Google.Table on = strict.table(Google.PLAIN);
              try (JsonStreamWriter writer = strict.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", Appends.offset(writer.append(Google.rows(0, 1), 0)), 0L);
                strict.control("POST", "/emulator/connections/restart", "{\"stream\": \"" + on.id().getTable() + "\"}");
                Check.equal("offset", Appends.offset(writer.append(Google.rows(1, 1), 1)), 1L);
              }
              strict.rowsAre(on, 2);
            }));
  }
}
