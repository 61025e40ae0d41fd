package conformance;

import com.google.cloud.bigquery.BigQuery.TableField;
import com.google.cloud.bigquery.BigQuery.TableDataListOption;
import com.google.cloud.bigquery.BigQuery.TableListOption;
import com.google.cloud.bigquery.BigQuery.TableOption;
import com.google.cloud.bigquery.BigQueryException;
import com.google.cloud.bigquery.DatasetInfo;
import com.google.cloud.bigquery.Field;
import com.google.cloud.bigquery.InsertAllRequest;
import com.google.cloud.bigquery.InsertAllResponse;
import com.google.cloud.bigquery.Job;
import com.google.cloud.bigquery.JobInfo;
import com.google.cloud.bigquery.QueryJobConfiguration;
import com.google.cloud.bigquery.QueryParameterValue;
import com.google.cloud.bigquery.StandardSQLTypeName;
import com.google.cloud.bigquery.StandardTableDefinition;
import com.google.cloud.bigquery.Table;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;

/** REST v2 through google-cloud-bigquery: what programs do around the Write API. */
final class Rest {
  private static void status(int want, Case.Body call) throws Exception {
    try {
      call.run();
    } catch (BigQueryException error) {
      Check.equal("status of " + error, error.getCode(), want);
      return;
    }
    throw new AssertionError("it should have failed with " + want);
  }

  static List<Case> cases(Google google) {
    return List.of(
        new Case(
            "REST: data sets and tables are created, described, listed and deleted",
            () -> {
              google.bigquery.create(DatasetInfo.newBuilder("java_rest").setDescription("a data set").build());
              Check.equal("description", google.bigquery.getDataset("java_rest").getDescription(), "a data set");
              Google.Table on = google.table(Google.PLAIN);
              Table table = google.bigquery.getTable(on.id());
              Check.equal("columns", table.getDefinition().getSchema().getFields().size(), 2);
              Check.equal(
                  "type", table.getDefinition().getSchema().getFields().get("id").getType().getStandardType(), StandardSQLTypeName.INT64);
              Check.isTrue(
                  "listed",
                  StreamSupport.stream(
                          google.bigquery.listTables(Google.DATASET, TableListOption.pageSize(2)).iterateAll().spliterator(), false)
                      .anyMatch(one -> one.getTableId().getTable().equals(on.id().getTable())));
              Check.equal("deleted", google.bigquery.delete(on.id()), true);
              Check.equal("deleted again", google.bigquery.delete(on.id()), false);
              Check.equal("gone", google.bigquery.getTable(on.id()), null);
              Check.equal("data set deleted", google.bigquery.delete("java_rest"), true);
            }),
        new Case(
            "REST: a column is added by an update, which Java sends as PATCH in a POST",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              Table table = google.bigquery.getTable(on.id());
              List<Field> fields = new ArrayList<>(table.getDefinition().getSchema().getFields());
              fields.add(Field.of("added", StandardSQLTypeName.STRING));
              table
                  .toBuilder()
                  .setDefinition(StandardTableDefinition.of(com.google.cloud.bigquery.Schema.of(fields)))
                  .setDescription("wider")
                  .build()
                  .update();
              Table updated = google.bigquery.getTable(on.id(), TableOption.fields(TableField.SCHEMA, TableField.DESCRIPTION));
              Check.equal("columns", updated.getDefinition().getSchema().getFields().size(), 3);
              Check.equal("description", updated.getDescription(), "wider");
            }),
        new Case(
            "REST: what is there already is 409, a query of what is missing 404",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              status(409, () -> google.table(StandardTableDefinition.of(Google.PLAIN), on.id().getTable()));
              status(404, () -> google.query("SELECT * FROM " + Google.named("missing").sql()));
            }),
        new Case(
            "REST: rows are listed page by page in the order they were written",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, com.google.cloud.bigquery.storage.v1.WriteStream.Type.COMMITTED)) {
                Check.soon(writer.append(Google.rows(0, 250)));
              }
              List<String> ids = new ArrayList<>();
              google
                  .bigquery
                  .listTableData(on.id(), Google.PLAIN, TableDataListOption.pageSize(100))
                  .iterateAll()
                  .forEach(row -> ids.add(row.get("id").getStringValue()));
              Check.equal("rows", ids.size(), 250);
              Check.equal("last", ids.get(249), "249");
            }),
        new Case(
            "REST: a query runs as a job with parameters",
            () -> {
              QueryJobConfiguration query =
                  QueryJobConfiguration.newBuilder("SELECT @number + 1, @text")
                      .addNamedParameter("number", QueryParameterValue.int64(41))
                      .addNamedParameter("text", QueryParameterValue.string("x"))
                      .build();
              Job job = google.bigquery.create(JobInfo.of(query)).waitFor();
              Check.equal("error", job.getStatus().getError(), null);
              var row = job.getQueryResults().iterateAll().iterator().next();
              Check.equal("number", row.get(0).getLongValue(), 42L);
              Check.equal("text", row.get(1).getStringValue(), "x");
            }),
        new Case(
            "REST: insertAll writes rows, and tells which it cannot",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              InsertAllResponse good =
                  google.bigquery.insertAll(
                      InsertAllRequest.newBuilder(on.id()).addRow("1", Map.of("id", 1, "text", "a")).build());
              Check.equal("errors", good.hasErrors(), false);
              InsertAllResponse bad =
                  google.bigquery.insertAll(InsertAllRequest.newBuilder(on.id()).addRow(Map.of("id", "no number")).build());
              Check.equal("rows with errors", bad.getInsertErrors().keySet(), java.util.Set.of(0L));
              google.rowsAre(on, 1);
            }));
  }
}
