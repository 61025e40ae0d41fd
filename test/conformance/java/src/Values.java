package conformance;

import com.google.cloud.bigquery.Field;
import com.google.cloud.bigquery.FieldElementType;
import com.google.cloud.bigquery.Schema;
import com.google.cloud.bigquery.StandardSQLTypeName;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.ProtoRows;
import com.google.cloud.bigquery.storage.v1.ProtoSchemaConverter;
import com.google.cloud.bigquery.storage.v1.StreamWriter;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import com.google.protobuf.DescriptorProtos.DescriptorProto;
import com.google.protobuf.DescriptorProtos.FieldDescriptorProto;
import com.google.protobuf.DescriptorProtos.FileDescriptorProto;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.Int64Value;
import com.google.protobuf.StringValue;
import com.google.protobuf.Timestamp;
import com.google.protobuf.TimestampProto;
import com.google.protobuf.WrappersProto;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.TimeStampMicroTZVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.VectorUnloader;
import org.apache.arrow.vector.types.TimeUnit;
import org.apache.arrow.vector.types.pojo.ArrowType;

/** Cases 36–42 and §3.3: what Java's writers make of values, read back by SQL. */
final class Values {
  private static Field repeated(String name, StandardSQLTypeName type) {
    return Field.newBuilder(name, type).setMode(Field.Mode.REPEATED).build();
  }

  /** A message type that is in no generated code: fields in order, each with a scalar type or the name of a message type. */
  private static Descriptor message(Object... namesAndTypes) throws Exception {
    DescriptorProto.Builder message = DescriptorProto.newBuilder().setName("Row");
    for (int i = 0; i < namesAndTypes.length; i += 2) {
      FieldDescriptorProto.Builder field =
          message.addFieldBuilder().setName((String) namesAndTypes[i]).setNumber(i / 2 + 1);
      field.setLabel(FieldDescriptorProto.Label.LABEL_OPTIONAL);
      if (namesAndTypes[i + 1] instanceof FieldDescriptorProto.Type type) field.setType(type);
      else field.setType(FieldDescriptorProto.Type.TYPE_MESSAGE).setTypeName((String) namesAndTypes[i + 1]);
    }
    FileDescriptorProto file =
        FileDescriptorProto.newBuilder()
            .setName("row.proto")
            .setPackage("conformance.rows")
            .addDependency("google/protobuf/timestamp.proto")
            .addDependency("google/protobuf/wrappers.proto")
            .addMessageType(message)
            .build();
    FileDescriptor[] known = {TimestampProto.getDescriptor(), WrappersProto.getDescriptor()};
    return FileDescriptor.buildFrom(file, known).getMessageTypes().get(0);
  }

  private static void write(Google google, Google.Table on, DynamicMessage row) throws Exception {
    try (StreamWriter writer =
        StreamWriter.newBuilder(on.defaultStream(), google.writes)
            .setWriterSchema(ProtoSchemaConverter.convert(row.getDescriptorForType()))
            .build()) {
      Check.soon(writer.append(ProtoRows.newBuilder().addSerializedRows(row.toByteString()).build()));
    }
  }

  private static void writeJson(Google google, Google.Table on, String... rows) throws Exception {
    try (JsonStreamWriter writer = google.open(on.parent())) {
      Check.soon(writer.append(Google.json(rows)));
    }
  }

  static List<Case> cases(Google google) {
    return List.of(
        new Case(
            "case 36: a JsonStreamWriter writes every scalar type, and repeated and nested ones",
            () -> {
              Google.Table on =
                  google.table(
                      Schema.of(
                          Field.of("b", StandardSQLTypeName.BOOL),
                          Field.of("i", StandardSQLTypeName.INT64),
                          Field.of("f", StandardSQLTypeName.FLOAT64),
                          Field.of("s", StandardSQLTypeName.STRING),
                          Field.of("y", StandardSQLTypeName.BYTES),
                          Field.of("d", StandardSQLTypeName.DATE),
                          Field.of("t", StandardSQLTypeName.TIME),
                          Field.of("j", StandardSQLTypeName.JSON),
                          Field.of("g", StandardSQLTypeName.GEOGRAPHY),
                          repeated("many", StandardSQLTypeName.INT64),
                          Field.newBuilder(
                                  "nested",
                                  StandardSQLTypeName.STRUCT,
                                  Field.of("inner", StandardSQLTypeName.STRING),
                                  repeated("list", StandardSQLTypeName.STRING))
                              .setMode(Field.Mode.REPEATED)
                              .build()));
              writeJson(
                  google,
                  on,
                  """
                  {"b": true, "i": 9007199254740993, "f": 1.5, "s": "tëst 😀", "y": [0, -1, -128], "d": "2020-02-29",
                   "t": "13:14:15.016017", "j": "{\\"a\\": [1]}", "g": "POINT(1 2)", "many": [1, 2, 3],
                   "nested": [{"inner": "x", "list": ["p", "q"]}, {"inner": "y"}]}
                  """,
                  "{}");
              Check.equal(
                  "full row",
                  google.query(
                      "SELECT b, i, f, s, y, d, t, JSON_VALUE(j, '$.a[0]'), g, many, nested FROM " + on.sql() + " WHERE b"),
                  List.of(
                      List.of(
                          "true", "9007199254740993", "1.5", "tëst 😀", "AP+A", "2020-02-29", "13:14:15.016017", "1", "POINT(1 2)",
                          List.of("1", "2", "3"),
                          List.of(List.of("x", List.of("p", "q")), List.of("y", List.of())))));
              Check.equal(
                  "empty row",
                  google.query("SELECT i, s, many, nested FROM " + on.sql() + " WHERE b IS NULL"),
                  List.of(Arrays.asList(null, null, List.of(), List.of())));
            }),
        new Case(
            "case 37: NUMERIC, repeated, and DATETIME read back exactly",
            () -> {
              Google.Table on =
                  google.table(
                      Schema.of(
                          repeated("n", StandardSQLTypeName.NUMERIC),
                          Field.of("b", StandardSQLTypeName.BIGNUMERIC),
                          Field.of("d", StandardSQLTypeName.DATETIME)));
              writeJson(
                  google,
                  on,
                  """
                  {"n": ["123.4", "-9000000", "-0.000000001", "99999999999999999999999999999.999999999"],
                   "b": "-123456789012345678901234567890.5", "d": "2020-10-01T12:00:00.000001"}
                  """);
              List<Object> row = google.row("n, CAST(b AS STRING), d", on);
              Check.equal(
                  "row",
                  row,
                  List.of(
                      List.of("123.4", "-9000000", "-0.000000001", "99999999999999999999999999999.999999999"),
                      "-123456789012345678901234567890.5",
                      "2020-10-01T12:00:00.000001"));
            }),
        new Case(
            "case 38: google.protobuf.Timestamp, flattened by ProtoSchemaConverter, is a TIMESTAMP",
            () -> {
              Google.Table on = google.table(Schema.of(Field.of("v", StandardSQLTypeName.TIMESTAMP)));
              Descriptor type = message("v", ".google.protobuf.Timestamp");
              Timestamp noon = Timestamp.newBuilder().setSeconds(1_601_553_600).setNanos(123_456_000).build();
              write(google, on, DynamicMessage.newBuilder(type).setField(type.findFieldByName("v"), noon).build());
              Check.equal("micros", google.row("UNIX_MICROS(v)", on).get(0), "1601553600123456");
            }),
        new Case(
            "case 39: text in a TIMESTAMP column is read as UTC",
            () -> {
              Google.Table on = google.table(Schema.of(Field.of("v", StandardSQLTypeName.TIMESTAMP)));
              Descriptor type = message("v", FieldDescriptorProto.Type.TYPE_STRING);
              write(google, on, DynamicMessage.newBuilder(type).setField(type.findFieldByName("v"), "2022-02-02 01:02:03").build());
              Check.equal("micros", google.row("UNIX_MICROS(v)", on).get(0), "1643763723000000");
            }),
        new Case(
            "case 39: a JsonStreamWriter takes a TIMESTAMP as text with a zone and as microseconds",
            () -> {
              Google.Table on = google.table(Schema.of(Field.of("v", StandardSQLTypeName.TIMESTAMP)));
              writeJson(google, on, "{\"v\": \"2022-02-02T02:02:03+01:00\"}", "{\"v\": 1643763723000001}");
              Check.equal(
                  "micros",
                  google.query("SELECT UNIX_MICROS(v) FROM " + on.sql() + " ORDER BY v"),
                  List.of(List.of("1643763723000000"), List.of("1643763723000001")));
            }),
        new Case(
            "case 40: Java's lower-cased fields match columns in mixed case",
            () -> {
              Google.Table on =
                  google.table(
                      Schema.of(
                          Field.of("MixedCase", StandardSQLTypeName.INT64),
                          Field.of("Wrap", StandardSQLTypeName.STRUCT, Field.of("InnerName", StandardSQLTypeName.STRING))));
              writeJson(google, on, "{\"mixedcase\": 7, \"WRAP\": {\"innerName\": \"x\"}}");
              Check.equal("row", google.row("MixedCase, Wrap.InnerName", on), List.of("7", "x"));
            }),
        new Case(
            "case 40: columns whose names no field can have, top-level and nested",
            () -> {
              Google.Table on =
                  google.table(
                      Schema.of(
                          Field.of("größe-1", StandardSQLTypeName.INT64),
                          Field.of("列", StandardSQLTypeName.STRUCT, Field.of("特別", StandardSQLTypeName.STRING))));
              writeJson(google, on, "{\"größe-1\": 7, \"列\": {\"特別\": \"x\"}}");
              Check.equal("row", google.row("`größe-1`, `列`.`特別`", on), List.of("7", "x"));
            }),
        new Case(
            "case 41: wrappers become scalars",
            () -> {
              Google.Table on =
                  google.table(Schema.of(Field.of("i", StandardSQLTypeName.INT64), Field.of("s", StandardSQLTypeName.STRING)));
              Descriptor type = message("i", ".google.protobuf.Int64Value", "s", ".google.protobuf.StringValue");
              write(
                  google,
                  on,
                  DynamicMessage.newBuilder(type)
                      .setField(type.findFieldByName("i"), Int64Value.of(0))
                      .setField(type.findFieldByName("s"), StringValue.of("x"))
                      .build());
              Check.equal("row", google.row("i, s", on), List.of("0", "x"));
            }),
        new Case(
            "case 42: a RANGE without an end is unbounded",
            () -> {
              Google.Table on =
                  google.table(
                      Schema.of(
                          Field.newBuilder("v", StandardSQLTypeName.RANGE)
                              .setRangeElementType(FieldElementType.newBuilder().setType("DATE").build())
                              .build()));
              writeJson(google, on, "{\"v\": {\"start\": \"2020-01-01\"}}");
              Check.equal(
                  "row", google.row("RANGE_START(v), RANGE_END(v)", on), Arrays.asList("2020-01-01", null));
            }),
        new Case(
            "§3.3: Arrow record batches are written with offsets, and NULLs stay NULLs",
            () -> {
              Google.Table on =
                  google.table(
                      Schema.of(
                          Field.of("id", StandardSQLTypeName.INT64),
                          Field.of("text", StandardSQLTypeName.STRING),
                          Field.of("made", StandardSQLTypeName.TIMESTAMP)));
              try (RootAllocator memory = new RootAllocator();
                  BigIntVector id = new BigIntVector("id", memory);
                  VarCharVector text = new VarCharVector("text", memory);
                  TimeStampMicroTZVector made =
                      new TimeStampMicroTZVector(
                          "made",
                          org.apache.arrow.vector.types.pojo.FieldType.nullable(new ArrowType.Timestamp(TimeUnit.MICROSECOND, "UTC")),
                          memory);
                  VectorSchemaRoot root = VectorSchemaRoot.of(id, text, made)) {
                for (int i = 0; i < 3; i++) {
                  id.setSafe(i, i);
                  if (i != 1) text.setSafe(i, ("row " + i).getBytes(StandardCharsets.UTF_8));
                  made.setSafe(i, 1_643_763_723_000_000L + i);
                }
                root.setRowCount(3);
                String stream = google.create(on, WriteStream.Type.COMMITTED).getName();
                try (StreamWriter writer =
                    StreamWriter.newBuilder(stream, google.writes).setWriterSchema(root.getSchema()).build()) {
                  for (long offset = 0; offset < 6; offset += 3)
                    Check.equal("offset", Appends.offset(writer.append(new VectorUnloader(root).getRecordBatch(), offset)), offset);
                }
              }
              Check.equal(
                  "rows",
                  google.query("SELECT id, text, UNIX_MICROS(made), COUNT(*) FROM " + on.sql() + " GROUP BY 1, 2, 3 ORDER BY id"),
                  List.of(
                      List.of("0", "row 0", "1643763723000000", "2"),
                      Arrays.asList("1", null, "1643763723000001", "2"),
                      List.of("2", "row 2", "1643763723000002", "2")));
            }));
  }
}
