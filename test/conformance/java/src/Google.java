package conformance;

import com.google.api.gax.core.NoCredentialsProvider;
import com.google.cloud.NoCredentials;
import com.google.cloud.bigquery.BigQuery;
import com.google.cloud.bigquery.BigQueryOptions;
import com.google.cloud.bigquery.Field;
import com.google.cloud.bigquery.FieldValue;
import com.google.cloud.bigquery.FieldValueList;
import com.google.cloud.bigquery.QueryJobConfiguration;
import com.google.cloud.bigquery.Schema;
import com.google.cloud.bigquery.StandardSQLTypeName;
import com.google.cloud.bigquery.StandardTableDefinition;
import com.google.cloud.bigquery.TableId;
import com.google.cloud.bigquery.TableInfo;
import com.google.cloud.bigquery.storage.v1.BigQueryWriteClient;
import com.google.cloud.bigquery.storage.v1.BigQueryWriteSettings;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.json.JSONArray;
import org.json.JSONObject;

/** Google's clients pointed at one emulator, and tables on it. */
final class Google {
  static final String PROJECT = "p";
  static final String DATASET = "d";
  /** The schema of the cases that are not about values. */
  static final Schema PLAIN =
      Schema.of(Field.of("id", StandardSQLTypeName.INT64), Field.of("text", StandardSQLTypeName.STRING));
  private static final AtomicInteger TABLES = new AtomicInteger();

  final BigQueryWriteClient writes;
  final BigQuery bigquery;
  private final String rest;

  Google(String grpc, String rest) throws Exception {
    this.rest = rest;
    writes =
        BigQueryWriteClient.create(
            BigQueryWriteSettings.newBuilder()
                .setCredentialsProvider(NoCredentialsProvider.create())
                .setTransportChannelProvider(
                    BigQueryWriteSettings.defaultGrpcTransportProviderBuilder()
                        .setEndpoint(grpc)
                        .setChannelConfigurator(channel -> channel.usePlaintext())
                        .build())
                .build());
    bigquery =
        BigQueryOptions.newBuilder()
            .setProjectId(PROJECT)
            .setHost(rest)
            .setCredentials(NoCredentials.getInstance())
            .build()
            .getService();
  }

  /** A table of the case's own. */
  record Table(TableId id, String parent, String sql) {
    String defaultStream() {
      return parent + "/streams/_default";
    }
  }

  static Table named(String id) {
    return new Table(
        TableId.of(DATASET, id),
        "projects/" + PROJECT + "/datasets/" + DATASET + "/tables/" + id,
        "`" + PROJECT + "." + DATASET + "." + id + "`");
  }

  Table table(Schema schema) {
    return table(StandardTableDefinition.of(schema), "java_" + TABLES.incrementAndGet() + "_");
  }

  Table table(StandardTableDefinition definition, String id) {
    Table table = named(id);
    bigquery.create(TableInfo.of(table.id(), definition));
    return table;
  }

  WriteStream create(Table on, WriteStream.Type type) {
    return writes.createWriteStream(on.parent(), WriteStream.newBuilder().setType(type).build());
  }

  /** A JSON writer that learns the schema from the stream. */
  JsonStreamWriter open(String stream) throws Exception {
    return JsonStreamWriter.newBuilder(stream, writes).build();
  }

  JsonStreamWriter open(Table on, WriteStream.Type type) throws Exception {
    return open(create(on, type).getName());
  }

  /** Rows of a query: values as REST shows them, repeated and nested ones as lists. */
  List<List<Object>> query(String sql) throws Exception {
    List<List<Object>> rows = new ArrayList<>();
    for (FieldValueList row : bigquery.query(QueryJobConfiguration.of(sql)).iterateAll())
      rows.add(values(row));
    return rows;
  }

  private static List<Object> values(List<FieldValue> row) {
    List<Object> values = new ArrayList<>();
    for (FieldValue value : row) values.add(plain(value));
    return values;
  }

  private static Object plain(FieldValue value) {
    if (value.isNull()) return null;
    return switch (value.getAttribute()) {
      case REPEATED -> values(value.getRepeatedValue());
      case RECORD -> values(value.getRecordValue());
      default -> value.getValue();
    };
  }

  /** The one row of a table. */
  List<Object> row(String columns, Table from) throws Exception {
    List<List<Object>> rows = query("SELECT " + columns + " FROM " + from.sql());
    Check.equal("rows", rows.size(), 1);
    return rows.get(0);
  }

  void rowsAre(Table of, long want) throws Exception {
    Check.equal("rows", row("COUNT(*)", of).get(0), String.valueOf(want));
  }

  /** Sets a fault on one table; see packages/emulator/README.md. `spec` is JSON without braces. */
  void fault(Table of, String spec) throws Exception {
    String body = "{\"stream\": \"/" + of.id().getTable() + "/\", " + spec + "}";
    control("POST", "/emulator/faults", body);
  }

  /** Asks the emulator's control API. */
  void control(String method, String path, String body) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(rest + path))
            .header("content-type", "application/json")
            .method(method, HttpRequest.BodyPublishers.ofString(body));
    HttpResponse<String> answer = HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
    Check.isTrue(path + ": " + answer.statusCode() + " " + answer.body(), answer.statusCode() < 300);
  }

  /** Rows of the plain schema with ids first…first+count-1. */
  static JSONArray rows(int first, int count) {
    JSONArray rows = new JSONArray();
    for (int id = first; id < first + count; id++)
      rows.put(new JSONObject().put("id", id).put("text", "row " + id));
    return rows;
  }

  static JSONArray json(String... rows) {
    JSONArray array = new JSONArray();
    for (String row : rows) array.put(new JSONObject(row));
    return array;
  }
}
