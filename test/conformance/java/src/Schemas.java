package conformance;

import com.google.cloud.bigquery.Clustering;
import com.google.cloud.bigquery.Field;
import com.google.cloud.bigquery.PrimaryKey;
import com.google.cloud.bigquery.Schema;
import com.google.cloud.bigquery.StandardSQLTypeName;
import com.google.cloud.bigquery.StandardTableDefinition;
import com.google.cloud.bigquery.TableConstraints;
import com.google.cloud.bigquery.TableInfo;
import com.google.cloud.bigquery.storage.v1.AppendRowsResponse;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.TableFieldSchema;
import com.google.cloud.bigquery.storage.v1.TableSchema;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Cases 55–59: tables that change under a writer, and CDC. */
final class Schemas {
  private static final Schema WIDER =
      Schema.of(
          Field.of("id", StandardSQLTypeName.INT64),
          Field.of("text", StandardSQLTypeName.STRING),
          Field.of("größe-neu", StandardSQLTypeName.STRING));
  private static final Duration PROPAGATION_MAX = Duration.ofSeconds(15);

  private static void widen(Google google, Google.Table on) {
    google.bigquery.update(TableInfo.of(on.id(), StandardTableDefinition.of(WIDER)));
  }

  /** Appends until a response brings the new schema; the writer takes it up by itself. */
  private static void evolve(Google google, Google.Table on, JsonStreamWriter writer) throws Exception {
    Check.equal("updated before", Check.soon(writer.append(Google.rows(0, 1))).hasUpdatedSchema(), false);
    widen(google, on);
    long deadline = System.nanoTime() + PROPAGATION_MAX.toNanos();
    int rows = 1;
    AppendRowsResponse response;
    do {
      Check.isTrue("no updated_schema in time", System.nanoTime() < deadline);
      response = Check.soon(writer.append(Google.rows(rows++, 1)));
    } while (!response.hasUpdatedSchema());
    Check.equal("columns told", response.getUpdatedSchema().getFieldsCount(), 3);
    // The writer renews its descriptor in an append after the one that brought the schema.
    Check.soon(writer.append(Google.json("{\"id\": -1, \"größe-neu\": \"new\"}")));
    google.rowsAre(on, rows + 1);
    Check.equal(
        "new value",
        google.query("SELECT id, `größe-neu` FROM " + on.sql() + " WHERE `größe-neu` IS NOT NULL"),
        List.of(List.of("-1", "new")));
  }

  private static Google.Table keyed(Google google, String id) {
    return google.table(
        StandardTableDefinition.newBuilder()
            .setSchema(Google.PLAIN)
            .setClustering(Clustering.newBuilder().setFields(List.of("id")).build())
            .setTableConstraints(
                TableConstraints.newBuilder().setPrimaryKey(PrimaryKey.newBuilder().setColumns(List.of("id")).build()).build())
            .build(),
        id);
  }

  private static final TableSchema CHANGES =
      TableSchema.newBuilder()
          .addFields(Rows.field("id", TableFieldSchema.Type.INT64))
          .addFields(Rows.field("text", TableFieldSchema.Type.STRING))
          .addFields(Rows.field("_CHANGE_TYPE", TableFieldSchema.Type.STRING))
          .addFields(Rows.field("_CHANGE_SEQUENCE_NUMBER", TableFieldSchema.Type.STRING))
          .build();

  static List<Case> cases(Google google) {
    List<Case> cases = new ArrayList<>();
    cases.add(
        new Case(
            "case 55: a JsonStreamWriter on a COMMITTED stream takes up a wider table by itself",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                evolve(google, on, writer);
              }
            }));
    cases.add(
        new Case(
            "case 55: so does one on the default stream that shares connections",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer =
                  JsonStreamWriter.newBuilder(on.defaultStream(), google.writes)
                      .setEnableConnectionPool(true)
                      .setLocation("us")
                      .build()) {
                evolve(google, on, writer);
              }
            }));
    cases.add(
        new Case(
            "case 56: a writer on a dropped table fails, and what replaces the table has none of its rows",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", Appends.offset(writer.append(Google.rows(0, 2))), 0L);
                google.bigquery.delete(on.id());
                Check.fails(Throwable.class, writer.append(Google.rows(2, 1)));
              }
              google.bigquery.create(TableInfo.of(on.id(), StandardTableDefinition.of(Google.PLAIN)));
              google.rowsAre(on, 0);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", Appends.offset(writer.append(Google.rows(0, 1))), 0L);
              }
              google.rowsAre(on, 1);
            }));
    cases.add(
        new Case(
            "case 58: UPSERT and DELETE with sequence numbers: the highest wins, whatever the order of arrival",
            () -> {
              Google.Table on = keyed(google, "java_keyed_");
              try (JsonStreamWriter writer = JsonStreamWriter.newBuilder(on.defaultStream(), CHANGES, google.writes).build()) {
                Check.soon(
                    writer.append(
                        Google.json(
                            change(1, "first", "UPSERT", "77"),
                            change(1, "late but older", "UPSERT", "1A"),
                            change(2, "kept", "UPSERT", "1"),
                            change(3, "gone", "UPSERT", "1"))));
                Check.soon(writer.append(Google.json(change(1, "second", "UPSERT", "7B"), change(3, null, "DELETE", "2"))));
                Check.soon(writer.append(Google.json(change(3, "older than its deletion", "UPSERT", "1/FF"))));
              }
              Check.equal(
                  "rows",
                  google.query("SELECT id, text FROM " + on.sql() + " ORDER BY id"),
                  List.of(List.of("1", "second"), Arrays.asList("2", "kept")));
            }));
    return cases;
  }

  private static String change(int id, String text, String type, String sequence) {
    String column = text == null ? "" : "\"text\": \"" + text + "\", ";
    return "{\"id\": " + id + ", " + column + "\"_CHANGE_TYPE\": \"" + type + "\", \"_CHANGE_SEQUENCE_NUMBER\": \"" + sequence + "\"}";
  }
}
