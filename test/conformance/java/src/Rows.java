package conformance;

import com.google.cloud.bigquery.Field;
import com.google.cloud.bigquery.Schema;
import com.google.cloud.bigquery.StandardSQLTypeName;
import com.google.cloud.bigquery.storage.v1.AppendRowsRequest.MissingValueInterpretation;
import com.google.cloud.bigquery.storage.v1.Exceptions.AppendSerializationError;
import com.google.cloud.bigquery.storage.v1.Exceptions.SchemaMismatchedException;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.TableFieldSchema;
import com.google.cloud.bigquery.storage.v1.TableSchema;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import io.grpc.Status;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/** Cases 29–35: rows that are refused, and what stands in for what rows do not say. */
final class Rows {
  private static final Schema LIMITED =
      Schema.of(
          Field.newBuilder("foo", StandardSQLTypeName.STRING).setMaxLength(10L).build(),
          Field.of("bar", StandardSQLTypeName.TIMESTAMP));
  static final Schema WITH_DEFAULTS =
      Schema.of(
          Field.of("id", StandardSQLTypeName.STRING),
          withDefault("text", StandardSQLTypeName.STRING, "'defaultvalue'"),
          withDefault("number", StandardSQLTypeName.INT64, "-99"),
          withDefault("made", StandardSQLTypeName.TIMESTAMP, "CURRENT_TIMESTAMP()"));

  private static Field withDefault(String name, StandardSQLTypeName type, String expression) {
    return Field.newBuilder(name, type).setDefaultValueExpression(expression).build();
  }

  static TableFieldSchema field(String name, TableFieldSchema.Type type) {
    return TableFieldSchema.newBuilder().setName(name).setType(type).setMode(TableFieldSchema.Mode.NULLABLE).build();
  }

  static List<Case> cases(Google google) {
    return List.of(
        new Case(
            "case 29: each bad row is told with its index and text, none is written, and good rows then are",
            () -> {
              Google.Table on = google.table(LIMITED);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                AppendSerializationError error =
                    Check.fails(
                        AppendSerializationError.class,
                        writer.append(
                            Google.json(
                                "{\"foo\": \"aaaaaaaaaaaa\"}",
                                "{\"bar\": -9223372036854775808}",
                                "{\"foo\": \"bbbbbbbbbbbbbbb\"}")));
                Check.equal("stream", error.getStreamName(), writer.getStreamName());
                Check.code(error, Status.Code.INVALID_ARGUMENT);
                Check.equal(
                    "row errors",
                    error.getRowIndexToErrorMessage(),
                    Map.of(
                        0, "Field foo: STRING(10) has maximum length 10 but got a value with length 12 on field foo.",
                        1, "Timestamp field value is out of range: -9223372036854775808 on field bar.",
                        2, "Field foo: STRING(10) has maximum length 10 but got a value with length 15 on field foo."));
                google.rowsAre(on, 0);
                String good = "{\"foo\": \"aaa\", \"bar\": 1}";
                Check.equal("offset", Appends.offset(writer.append(Google.json(good, good, good))), 0L);
              }
              google.rowsAre(on, 3);
            }),
        new Case(
            "case 30: one bad row of three refuses the batch; the good ones then go where it would have gone",
            () -> {
              Google.Table on = google.table(LIMITED);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                String good = "{\"foo\": \"aaa\"}";
                AppendSerializationError error =
                    Check.fails(
                        AppendSerializationError.class,
                        writer.append(Google.json(good, "{\"foo\": \"aaaaaaaaaaaa\"}", good), 0));
                Check.equal("rows", error.getRowIndexToErrorMessage().keySet(), java.util.Set.of(1));
                Check.equal("offset", Appends.offset(writer.append(Google.json(good, good), 0)), 0L);
              }
              google.rowsAre(on, 2);
            }),
        new Case(
            "case 32: a first descriptor with an extra column is a SchemaMismatchedException",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              String stream = google.create(on, WriteStream.Type.COMMITTED).getName();
              TableSchema wide =
                  TableSchema.newBuilder()
                      .addFields(field("id", TableFieldSchema.Type.INT64))
                      .addFields(field("extra", TableFieldSchema.Type.STRING))
                      .build();
              try (JsonStreamWriter writer = JsonStreamWriter.newBuilder(stream, wide, google.writes).build()) {
                SchemaMismatchedException error =
                    Check.fails(SchemaMismatchedException.class, writer.append(Google.json("{\"id\": 1, \"extra\": \"x\"}")));
                Check.equal("stream", error.getStreamName(), stream);
                Check.contains(error.getMessage(), "Schema mismatch due to extra fields in user schema");
              }
              google.rowsAre(on, 0);
            }),
        new Case(
            "case 33: columns the schema of the writer omits take their defaults",
            () -> {
              Google.Table on = google.table(WITH_DEFAULTS);
              TableSchema narrow = TableSchema.newBuilder().addFields(field("id", TableFieldSchema.Type.STRING)).build();
              try (JsonStreamWriter writer = JsonStreamWriter.newBuilder(on.parent(), narrow, google.writes).build()) {
                Check.soon(writer.append(Google.json("{\"id\": \"a\"}")));
              }
              Check.equal("row", google.row("id, text, number, made IS NULL", on), List.of("a", "defaultvalue", "-99", "false"));
            }),
        new Case(
            "case 34: what rows leave out is NULL, or the default where the writer asks for it",
            () -> {
              Google.Table on = google.table(WITH_DEFAULTS);
              try (JsonStreamWriter writer = google.open(on.parent())) {
                Check.soon(writer.append(Google.json("{\"id\": \"1\"}")));
              }
              try (JsonStreamWriter writer =
                  JsonStreamWriter.newBuilder(on.parent(), google.writes)
                      .setDefaultMissingValueInterpretation(MissingValueInterpretation.DEFAULT_VALUE)
                      .build()) {
                Check.soon(writer.append(Google.json("{\"id\": \"2\"}")));
                Check.soon(writer.append(Google.json("{\"id\": \"3\"}", "{\"id\": \"4\", \"text\": \"given\"}")));
              }
              try (JsonStreamWriter writer =
                  JsonStreamWriter.newBuilder(on.parent(), google.writes)
                      .setDefaultMissingValueInterpretation(MissingValueInterpretation.DEFAULT_VALUE)
                      .setMissingValueInterpretationMap(Map.of("text", MissingValueInterpretation.NULL_VALUE))
                      .build()) {
                Check.soon(writer.append(Google.json("{\"id\": \"5\"}")));
              }
              Check.equal(
                  "rows",
                  google.query("SELECT id, text, number, made IS NULL FROM " + on.sql() + " ORDER BY id"),
                  List.of(
                      Arrays.asList("1", null, null, "true"),
                      List.of("2", "defaultvalue", "-99", "false"),
                      List.of("3", "defaultvalue", "-99", "false"),
                      List.of("4", "given", "-99", "false"),
                      Arrays.asList("5", null, "-99", "false")));
            }),
        new Case(
            "case 35: a REQUIRED column with a default may be left out when defaults are asked for",
            () -> {
              Google.Table on =
                  google.table(
                      Schema.of(
                          Field.newBuilder("id", StandardSQLTypeName.STRING)
                              .setMode(Field.Mode.REQUIRED)
                              .setDefaultValueExpression("GENERATE_UUID()")
                              .build(),
                          Field.of("text", StandardSQLTypeName.STRING)));
              // Of a REQUIRED column the writer itself demands a value: to it, the column must not be.
              TableSchema relaxed =
                  TableSchema.newBuilder()
                      .addFields(field("id", TableFieldSchema.Type.STRING))
                      .addFields(field("text", TableFieldSchema.Type.STRING))
                      .build();
              try (JsonStreamWriter writer =
                  JsonStreamWriter.newBuilder(on.parent(), relaxed, google.writes)
                      .setDefaultMissingValueInterpretation(MissingValueInterpretation.DEFAULT_VALUE)
                      .build()) {
                Check.soon(writer.append(Google.json("{\"text\": \"a\"}", "{\"text\": \"b\"}")));
              }
              Check.equal("ids", google.row("COUNT(DISTINCT id), MIN(LENGTH(id))", on), List.of("2", "36"));
            }));
  }
}
