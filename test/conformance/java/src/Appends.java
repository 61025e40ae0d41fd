package conformance;

import com.google.api.core.ApiFuture;
import com.google.cloud.bigquery.Field;
import com.google.cloud.bigquery.Schema;
import com.google.cloud.bigquery.StandardSQLTypeName;
import com.google.cloud.bigquery.storage.v1.AppendRowsResponse;
import com.google.cloud.bigquery.storage.v1.Exceptions.OffsetAlreadyExists;
import com.google.cloud.bigquery.storage.v1.Exceptions.OffsetOutOfRange;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;

/** Cases 9–27: appends and offsets, the typed errors Java makes of them, and writers that share connections. */
final class Appends {
  private static final int MIB = 1024 * 1024;

  static long offset(ApiFuture<AppendRowsResponse> append) throws Exception {
    AppendRowsResponse response = Check.soon(append);
    Check.isTrue("an offset in " + response, response.getAppendResult().hasOffset());
    return response.getAppendResult().getOffset().getValue();
  }

  static List<Case> cases(Google google, Google strict) {
    return List.of(
        new Case(
            "case 10: pipelined appends at offsets 0, 1, 3 land there",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                var first = writer.append(Google.rows(0, 1), 0);
                var second = writer.append(Google.rows(1, 2), 1);
                var third = writer.append(Google.rows(3, 1), 3);
                Check.equal("offsets", List.of(offset(first), offset(second), offset(third)), List.of(0L, 1L, 3L));
              }
              google.rowsAre(on, 4);
            }),
        new Case(
            "case 11: without offsets the same rows get the same ones, and are listed in their order",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                var first = writer.append(Google.rows(0, 1));
                var second = writer.append(Google.rows(1, 2));
                var third = writer.append(Google.rows(3, 1));
                Check.equal("offsets", List.of(offset(first), offset(second), offset(third)), List.of(0L, 1L, 3L));
              }
              List<String> ids = new ArrayList<>();
              google.bigquery.listTableData(on.id(), Google.PLAIN).iterateAll().forEach(row -> ids.add(row.get(0).getStringValue()));
              Check.equal("ids", ids, List.of("0", "1", "2", "3"));
            }),
        new Case(
            "case 12: an offset beyond the end is an OffsetOutOfRange that knows both offsets, and the writer goes on",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", offset(writer.append(Google.rows(0, 1), 0)), 0L);
                OffsetOutOfRange error = Check.fails(OffsetOutOfRange.class, writer.append(Google.rows(1, 1), 100));
                Check.code(error, Status.Code.OUT_OF_RANGE);
                Check.equal("expected", error.getExpectedOffset(), 1L);
                Check.equal("actual", error.getActualOffset(), 100L);
                Check.equal("stream", error.getStreamName(), writer.getStreamName());
                Check.equal("offset", offset(writer.append(Google.rows(1, 1), 1)), 1L);
              }
              google.rowsAre(on, 2);
            }),
        new Case(
            "case 13: an offset that is taken is an OffsetAlreadyExists that knows both offsets, and nothing is written",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", offset(writer.append(Google.rows(0, 1), 0)), 0L);
                OffsetAlreadyExists error = Check.fails(OffsetAlreadyExists.class, writer.append(Google.rows(0, 1), 0));
                Check.code(error, Status.Code.ALREADY_EXISTS);
                Check.equal("expected", error.getExpectedOffset(), 1L);
                Check.equal("actual", error.getActualOffset(), 0L);
                Check.equal("stream", error.getStreamName(), writer.getStreamName());
              }
              google.rowsAre(on, 1);
            }),
        new Case(
            "case 14: a batch that only overlaps the end is refused whole",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", offset(writer.append(Google.rows(0, 3), 0)), 0L);
                Check.fails(OffsetAlreadyExists.class, writer.append(Google.rows(2, 3), 2));
                google.rowsAre(on, 3);
                Check.equal("offset", offset(writer.append(Google.rows(3, 1), 3)), 3L);
              }
            }),
        new Case(
            "case 15: the default stream answers without offsets, under its full name",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on.parent())) {
                for (int i = 0; i < 2; i++) {
                  AppendRowsResponse response = Check.soon(writer.append(Google.rows(i, 1)));
                  Check.isTrue("append_result", response.hasAppendResult());
                  Check.equal("offset", response.getAppendResult().hasOffset(), false);
                  Check.equal("stream", response.getWriteStream(), on.defaultStream());
                }
              }
              google.rowsAre(on, 2);
            }),
        new Case(
            "case 17: 50 pipelined appends of 1,200 rows are answered in order",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                JSONArray batch = Google.rows(0, 1200);
                List<ApiFuture<AppendRowsResponse>> appends = new ArrayList<>();
                for (int i = 0; i < 50; i++) appends.add(writer.append(batch, i * 1200));
                for (int i = 0; i < 50; i++) Check.equal("offset", offset(appends.get(i)), i * 1200L);
              }
              google.rowsAre(on, 60_000);
            }),
        new Case(
            "case 18: a stream goes on at its end over a new connection; what was written is known",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              String stream = google.create(on, WriteStream.Type.COMMITTED).getName();
              try (JsonStreamWriter writer = google.open(stream)) {
                Check.equal("offset", offset(writer.append(Google.rows(0, 2), 0)), 0L);
              }
              try (JsonStreamWriter writer = google.open(stream)) {
                Check.equal("offset", offset(writer.append(Google.rows(2, 1), 2)), 2L);
                Check.fails(OffsetAlreadyExists.class, writer.append(Google.rows(0, 2), 0));
              }
              google.rowsAre(on, 3);
            }),
        new Case(
            "case 24: writers of three tables share connections, and each answer names its stream",
            () -> {
              Schema word = Schema.of(Field.of("word", StandardSQLTypeName.STRING));
              List<Google.Table> tables = List.of(google.table(Google.PLAIN), google.table(word), google.table(Google.PLAIN));
              List<JsonStreamWriter> writers = new ArrayList<>();
              for (Google.Table on : tables)
                writers.add(
                    JsonStreamWriter.newBuilder(on.defaultStream(), google.writes)
                        .setEnableConnectionPool(true)
                        .setLocation("us")
                        .build());
              List<ApiFuture<AppendRowsResponse>> appends = new ArrayList<>();
              for (int i = 0; i < 30; i++)
                appends.add(writers.get(i % 3).append(i % 3 == 1 ? Google.json("{\"word\": \"a\"}") : Google.rows(i, 1)));
              for (int i = 0; i < 30; i++)
                Check.equal("stream", Check.soon(appends.get(i)).getWriteStream(), tables.get(i % 3).defaultStream());
              for (JsonStreamWriter writer : writers) writer.close();
              for (Google.Table on : tables) google.rowsAre(on, 10);
            }),
        new Case(
            "case 26: a request over the limit is refused by its size, and the writer goes on",
            () -> {
              // An emulator with the limit that was enforced for years: over 20 MB the client does not send at all.
              Google.Table on = strict.table(Google.PLAIN);
              try (JsonStreamWriter writer = strict.open(on, WriteStream.Type.COMMITTED)) {
                Throwable error =
                    Check.fails(Throwable.class, writer.append(Google.json("{\"text\": \"" + "a".repeat(11 * MIB) + "\"}"), 0));
                Check.code(error, Status.Code.INVALID_ARGUMENT);
                Check.contains(error.getMessage(), "AppendRows request too large: ");
                Check.contains(error.getMessage(), "limit 10485760");
                Check.equal("offset", offset(writer.append(Google.rows(0, 1), 0)), 0L);
              }
              strict.rowsAre(on, 1);
            }),
        new Case(
            "case 27: a row of 15 MiB is accepted",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on.parent() + "/_default")) {
                Check.soon(writer.append(Google.json("{\"text\": \"" + "b".repeat(15 * MIB) + "\"}")));
              }
              Check.equal("length", google.row("LENGTH(text)", on).get(0), String.valueOf(15 * MIB));
            }));
  }
}
