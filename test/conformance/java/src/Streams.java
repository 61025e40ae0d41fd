package conformance;

import com.google.api.gax.rpc.StatusCode;
import com.google.cloud.bigquery.DatasetInfo;
import com.google.cloud.bigquery.TableId;
import com.google.cloud.bigquery.StandardTableDefinition;
import com.google.cloud.bigquery.TableInfo;
import com.google.cloud.bigquery.storage.v1.AppendRowsResponse;
import com.google.cloud.bigquery.storage.v1.GetWriteStreamRequest;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import com.google.cloud.bigquery.storage.v1.WriteStreamView;
import java.util.ArrayList;
import java.util.List;

/** Cases 1–9: streams and what is told of them. */
final class Streams {
  static List<Case> cases(Google google) {
    List<Case> cases = new ArrayList<>();
    for (WriteStream.Type type : List.of(WriteStream.Type.COMMITTED, WriteStream.Type.PENDING, WriteStream.Type.BUFFERED))
      cases.add(
          new Case(
              "case 1: a " + type + " stream is named under its table and comes with the schema a JsonStreamWriter needs",
              () -> {
                Google.Table on = google.table(Google.PLAIN);
                WriteStream stream = google.create(on, type);
                Check.contains(stream.getName(), on.parent() + "/streams/");
                Check.equal("type", stream.getType(), type);
                try (JsonStreamWriter writer =
                    JsonStreamWriter.newBuilder(stream.getName(), stream.getTableSchema(), google.writes).build()) {
                  Check.equal("offset", Appends.offset(writer.append(Google.rows(0, 1), 0)), 0L);
                }
              }));
    cases.addAll(
        List.of(
            new Case(
                "case 2: the BASIC view has no schema, the FULL view that of the table",
                () -> {
                  String name = google.create(google.table(Google.PLAIN), WriteStream.Type.COMMITTED).getName();
                  Check.equal("BASIC", google.writes.getWriteStream(name).hasTableSchema(), false);
                  WriteStream full =
                      google.writes.getWriteStream(
                          GetWriteStreamRequest.newBuilder().setName(name).setView(WriteStreamView.FULL).build());
                  Check.equal("columns", full.getTableSchema().getFieldsCount(), 2);
                  Check.equal("column", full.getTableSchema().getFields(1).getName(), "text");
                }),
            new Case(
                "case 3: the default stream is COMMITTED, has a location and no times",
                () -> {
                  WriteStream stream = google.writes.getWriteStream(google.table(Google.PLAIN).defaultStream());
                  Check.equal("type", stream.getType(), WriteStream.Type.COMMITTED);
                  Check.equal("location", stream.getLocation(), "us");
                  Check.equal("times", stream.hasCreateTime() || stream.hasCommitTime(), false);
                }),
            new Case(
                "case 5: a stream is where its data set is",
                () -> {
                  google.bigquery.create(DatasetInfo.newBuilder("java_east").setLocation("us-east1").build());
                  google.bigquery.create(
                      TableInfo.of(TableId.of("java_east", "t"), StandardTableDefinition.of(Google.PLAIN)));
                  WriteStream stream =
                      google.writes.createWriteStream(
                          "projects/p/datasets/java_east/tables/t",
                          WriteStream.newBuilder().setType(WriteStream.Type.COMMITTED).build());
                  Check.equal("location", stream.getLocation(), "us-east1");
                }),
            new Case(
                "case 6: a stream without a type is refused",
                () -> {
                  Google.Table on = google.table(Google.PLAIN);
                  Check.refuses(
                      StatusCode.Code.INVALID_ARGUMENT,
                      () -> google.writes.createWriteStream(on.parent(), WriteStream.getDefaultInstance()));
                }),
            new Case(
                "case 7: a stream of a missing table is denied, as if it were forbidden",
                () ->
                    Check.contains(
                        Check.refuses(
                                StatusCode.Code.PERMISSION_DENIED,
                                () -> google.create(Google.named("missing"), WriteStream.Type.COMMITTED))
                            .getMessage(),
                        "(or it may not exist)")),
            new Case(
                "case 8: a JsonStreamWriter on the default stream of a missing table is told it may not exist",
                () ->
                    Check.contains(
                        Check.refuses(
                                StatusCode.Code.PERMISSION_DENIED,
                                () -> google.open(Google.named("missing").parent()).close())
                            .getMessage(),
                        "it may not exist")),
            new Case(
                "case 9: a writer on the table, on tables/T/_default and on its full name write to the same stream",
                () -> {
                  Google.Table on = google.table(Google.PLAIN);
                  for (String name : List.of(on.parent(), on.parent() + "/_default", on.defaultStream()))
                    try (JsonStreamWriter writer = google.open(name)) {
                      AppendRowsResponse response = Check.soon(writer.append(Google.rows(0, 1)));
                      Check.equal("stream", response.getWriteStream(), on.defaultStream());
                    }
                  google.rowsAre(on, 3);
                })));
    return cases;
  }
}
