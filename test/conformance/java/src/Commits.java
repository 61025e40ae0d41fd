package conformance;

import com.google.api.gax.rpc.StatusCode;
import com.google.cloud.bigquery.storage.v1.BatchCommitWriteStreamsRequest;
import com.google.cloud.bigquery.storage.v1.BatchCommitWriteStreamsResponse;
import com.google.cloud.bigquery.storage.v1.Exceptions.StreamFinalizedException;
import com.google.cloud.bigquery.storage.v1.FlushRowsRequest;
import com.google.cloud.bigquery.storage.v1.JsonStreamWriter;
import com.google.cloud.bigquery.storage.v1.StorageError;
import com.google.cloud.bigquery.storage.v1.StorageError.StorageErrorCode;
import com.google.cloud.bigquery.storage.v1.WriteStream;
import com.google.protobuf.Int64Value;
import io.grpc.Status;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Cases 43–54: finalize, commit, flush; when rows are seen. */
final class Commits {
  /** A stream with rows 0…count-1. */
  private static String stream(Google google, Google.Table on, WriteStream.Type type, int count) throws Exception {
    try (JsonStreamWriter writer = google.open(on, type)) {
      Check.equal("offset", Appends.offset(writer.append(Google.rows(0, count))), 0L);
      return writer.getStreamName();
    }
  }

  private static void finalizeStream(Google google, String stream, long want) {
    Check.equal("row count", google.writes.finalizeWriteStream(stream).getRowCount(), want);
  }

  private static BatchCommitWriteStreamsResponse commit(Google google, Google.Table on, String... streams) {
    return google.writes.batchCommitWriteStreams(
        BatchCommitWriteStreamsRequest.newBuilder().setParent(on.parent()).addAllWriteStreams(List.of(streams)).build());
  }

  private static void uncommitted(BatchCommitWriteStreamsResponse response, Map<String, StorageErrorCode> want) {
    Check.equal("commit time", response.hasCommitTime(), false);
    Check.equal(
        "errors",
        response.getStreamErrorsList().stream().collect(Collectors.toMap(StorageError::getEntity, StorageError::getCode)),
        want);
  }

  private static FlushRowsRequest flushTo(String stream, long offset) {
    return FlushRowsRequest.newBuilder().setWriteStream(stream).setOffset(Int64Value.of(offset)).build();
  }

  private static void flush(Google google, String stream, long offset) {
    Check.equal("flushed", google.writes.flushRows(flushTo(stream, offset)).getOffset(), offset);
  }

  static List<Case> cases(Google google) {
    return List.of(
        new Case(
            "cases 43, 46, 47: PENDING rows are seen with the commit, all at once; a second commit changes nothing",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              String stream = stream(google, on, WriteStream.Type.PENDING, 5);
              google.rowsAre(on, 0);
              finalizeStream(google, stream, 5);
              google.rowsAre(on, 0);
              BatchCommitWriteStreamsResponse committed = commit(google, on, stream);
              Check.isTrue("commit time in " + committed, committed.hasCommitTime());
              Check.equal("errors", committed.getStreamErrorsCount(), 0);
              google.rowsAre(on, 5);
              uncommitted(commit(google, on, stream), Map.of(stream, StorageErrorCode.STREAM_ALREADY_COMMITTED));
              google.rowsAre(on, 5);
            }),
        new Case(
            "case 44: an append after finalize is a StreamFinalizedException, on an open writer and on a new one",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              try (JsonStreamWriter writer = google.open(on, WriteStream.Type.COMMITTED)) {
                Check.equal("offset", Appends.offset(writer.append(Google.rows(0, 2))), 0L);
                finalizeStream(google, writer.getStreamName(), 2);
                try (JsonStreamWriter late = google.open(writer.getStreamName())) {
                  for (JsonStreamWriter one : List.of(writer, late)) {
                    StreamFinalizedException error = Check.fails(StreamFinalizedException.class, one.append(Google.rows(2, 1)));
                    Check.equal("stream", error.getStreamName(), writer.getStreamName());
                    Check.code(error, Status.Code.INVALID_ARGUMENT);
                    Check.contains(error.getMessage(), "Stream has been finalized");
                  }
                }
              }
              google.rowsAre(on, 2);
            }),
        new Case(
            "case 45: finalize again counts the same",
            () -> {
              String stream = stream(google, google.table(Google.PLAIN), WriteStream.Type.PENDING, 3);
              finalizeStream(google, stream, 3);
              finalizeStream(google, stream, 3);
            }),
        new Case(
            "case 48: one stream that is not finalized keeps all from being committed, and only it is named",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              String good = stream(google, on, WriteStream.Type.PENDING, 2);
              String bad = stream(google, on, WriteStream.Type.PENDING, 2);
              finalizeStream(google, good, 2);
              uncommitted(commit(google, on, good, bad), Map.of(bad, StorageErrorCode.INVALID_STREAM_STATE));
              google.rowsAre(on, 0);
              finalizeStream(google, bad, 2);
              Check.isTrue("commit time", commit(google, on, good, bad).hasCommitTime());
              google.rowsAre(on, 4);
            }),
        new Case(
            "case 49: a COMMITTED stream cannot be committed",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              String stream = stream(google, on, WriteStream.Type.COMMITTED, 1);
              finalizeStream(google, stream, 1);
              BatchCommitWriteStreamsResponse response = commit(google, on, stream);
              uncommitted(response, Map.of(stream, StorageErrorCode.INVALID_STREAM_TYPE));
              Check.contains(response.getStreamErrors(0).getErrorMessage(), "Stream must be created in pending mode");
            }),
        new Case(
            "case 50: the default stream can be neither finalized nor flushed",
            () -> {
              String stream = google.table(Google.PLAIN).defaultStream();
              Check.refuses(StatusCode.Code.INVALID_ARGUMENT, () -> google.writes.finalizeWriteStream(stream));
              Check.refuses(StatusCode.Code.INVALID_ARGUMENT, () -> google.writes.flushRows(flushTo(stream, 0)));
            }),
        new Case(
            "cases 51–53: flushes show the rows up to their offsets, not beyond the end, and nothing twice",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              String stream = stream(google, on, WriteStream.Type.BUFFERED, 6);
              google.rowsAre(on, 0);
              flush(google, stream, 0);
              google.rowsAre(on, 1);
              flush(google, stream, 3);
              google.rowsAre(on, 4);
              Check.refuses(StatusCode.Code.ALREADY_EXISTS, () -> google.writes.flushRows(flushTo(stream, 1)));
              google.rowsAre(on, 4);
              Check.contains(
                  Check.refuses(StatusCode.Code.OUT_OF_RANGE, () -> google.writes.flushRows(flushTo(stream, 9))).getMessage(),
                  "Offset 9 is beyond the end of the stream");
              flush(google, stream, 5);
              google.rowsAre(on, 6);
            }),
        new Case(
            "case 54: after finalize no flush: what was not flushed is never seen",
            () -> {
              Google.Table on = google.table(Google.PLAIN);
              String stream = stream(google, on, WriteStream.Type.BUFFERED, 5);
              flush(google, stream, 1);
              finalizeStream(google, stream, 5);
              Check.refuses(StatusCode.Code.INVALID_ARGUMENT, () -> google.writes.flushRows(flushTo(stream, 4)));
              google.rowsAre(on, 2);
            }));
  }
}
