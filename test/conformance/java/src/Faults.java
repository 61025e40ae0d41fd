package conformance;

import com.google.api.core.ApiFuture;
import com.google.api.gax.retrying.RetrySettings;
import com.google.cloud.bigquery.storage.v1.AppendRowsResponse;
import com.google.cloud.bigquery.storage.v1.Exceptions.OffsetAlreadyExists;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Cases 19–21, 60 and §4: connections that break, and what the writer's own reconnects and retries make of it. */
final class Faults {
  /** Longer than an emulator with --behavior idleMs=1000 lets a connection be idle. */
  private static final long IDLE_MILLIS = 1_600;
  private static final RetrySettings QUICK_RETRIES =
      RetrySettings.newBuilder()
          .setInitialRetryDelayDuration(Duration.ofMillis(10))
          .setRetryDelayMultiplier(1.1)
          .setMaxAttempts(5)
          .setMaxRetryDelayDuration(Duration.ofMillis(100))
          .build();

  /** Pipelined appends of one row each, while the fault strikes: all acknowledged in order, each row there once. */
  private static void survives(Google google, String fault, int count) throws Exception {
    Google.Table on = google.table(Google.PLAIN);
    google.fault(on, fault);
    String stream = google.create(on, WriteStream.Type.COMMITTED).getName();
    try (JsonStreamWriter writer = JsonStreamWriter.newBuilder(stream, google.writes).setRetrySettings(QUICK_RETRIES).build()) {
      List<ApiFuture<AppendRowsResponse>> appends = new ArrayList<>();
      for (int i = 0; i < count; i++) appends.add(writer.append(Google.rows(i, 1), i));
      for (int i = 0; i < count; i++) Check.equal("offset", Appends.offset(appends.get(i)), (long) i);
    }
    Check.equal("rows", google.row("COUNT(*), COUNT(DISTINCT id)", on), List.of(String.valueOf(count), String.valueOf(count)));
  }

  static List<Case> cases(Google google, Google strict) {
    return List.of(
        new Case(
            "case 19: an acknowledgement lost after the rows were applied: the writer resends, and is told OffsetAlreadyExists",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              google.fault(on, "\"effect\": \"closeAfterApply\", \"offset\": 0, \"times\": 1");
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                OffsetAlreadyExists error = Check.fails(OffsetAlreadyExists.class, writer.append(Google.rows(0, 3), 0));
                Check.equal("expected", error.getExpectedOffset(), 3L);
                Check.equal("offset", Appends.offset(writer.append(Google.rows(3, 1), 3)), 3L);
              }
              google.rowsAre(on, 4);
            }),
        new Case(
            "case 20: a call dropped before the rows were applied is opened again and all in flight is resent",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              google.fault(on, "\"effect\": \"close\", \"offset\": 1, \"times\": 1");
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                List<ApiFuture<AppendRowsResponse>> appends = new ArrayList<>();
                for (int i = 0; i < 4; i++) appends.add(writer.append(Google.rows(i, 1), i));
                for (int i = 0; i < 4; i++) Check.equal("offset", Appends.offset(appends.get(i)), (long) i);
              }
              google.rowsAre(on, 4);
            }),
        new Case(
            "case 21: an append refused with INTERNAL every ten requests is retried with its successors: none lost or doubled",
            () -> survives(google, "\"effect\": \"inBand\", \"code\": \"INTERNAL\", \"every\": 10", 201)),
        new Case(
            "§4: an append refused for quota every ten requests is retried with its successors: none lost or doubled",
            () ->
                survives(
                    google,
                    "\"effect\": \"inBand\", \"code\": \"RESOURCE_EXHAUSTED\", \"every\": 10, \"message\": \"Exceeds 'AppendRows"
                        + " throughput' quota, user_id: project0000_us (status: INSUFFICIENT_TOKENS)\"",
                    201)),
        new Case(
            "case 20: a call dropped every twenty requests is opened again: none lost or doubled",
            () -> survives(google, "\"effect\": \"close\", \"every\": 20", 61)),
        new Case(
            "case 21: without retries, INTERNAL is what the program sees, and its successors are out of range",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              google.fault(on, "\"effect\": \"inBand\", \"code\": \"INTERNAL\", \"offset\": 1, \"times\": 1");
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", Appends.offset(writer.append(Google.rows(0, 1), 0)), 0L);
                var refused = writer.append(Google.rows(1, 1), 1);
                var successor = writer.append(Google.rows(2, 1), 2);
                Check.code(Check.fails(Throwable.class, refused), Status.Code.INTERNAL);
                Check.code(Check.fails(Throwable.class, successor), Status.Code.OUT_OF_RANGE);
                Check.equal("offset", Appends.offset(writer.append(Google.rows(1, 1), 1)), 1L);
              }
              google.rowsAre(on, 2);
            }),
        new Case(
            "case 60: a connection closed for idleness is opened again by the writer, unnoticed",
            () -> {
              Google.Table on = strict.table(Google.PLAIN);
              try (JsonStreamWriter writer = strict.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", Appends.offset(writer.append(Google.rows(0, 1), 0)), 0L);
                Thread.sleep(IDLE_MILLIS);
                Check.equal("offset", Appends.offset(writer.append(Google.rows(1, 1), 1)), 1L);
              }
              strict.rowsAre(on, 2);
            }));
  }
}
