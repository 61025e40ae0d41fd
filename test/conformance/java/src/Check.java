package conformance;

import com.google.api.gax.rpc.ApiException;
import com.google.api.gax.rpc.StatusCode;
import io.grpc.Status;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** What the cases state. Each fails with what was seen and what was wanted. */
final class Check {
  static final int PATIENCE_SECONDS = 20;

  static void equal(String what, Object got, Object want) {
    if (!Objects.equals(got, want)) throw new AssertionError(what + ": got " + got + ", want " + want);
  }

  static void contains(String text, String part) {
    if (text == null || !text.contains(part)) throw new AssertionError("'" + text + "' lacks '" + part + "'");
  }

  static void isTrue(String what, boolean condition) {
    if (!condition) throw new AssertionError(what);
  }

  static <T> T soon(Future<T> future) throws Exception {
    return future.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
  }

  /** What the future fails with; its class is how Java programs tell errors apart. */
  static <E extends Throwable> E fails(Class<E> kind, Future<?> future) throws Exception {
    try {
      Object value = soon(future);
      throw new AssertionError("it should have failed, and gave " + value);
    } catch (ExecutionException error) {
      if (kind.isInstance(error.getCause())) return kind.cast(error.getCause());
      throw new AssertionError("got " + error.getCause() + ", want a " + kind.getSimpleName(), error.getCause());
    }
  }

  static void code(Throwable error, Status.Code want) {
    equal("code of " + error, Status.fromThrowable(error).getCode(), want);
  }

  /** A unary call that is to fail. */
  static ApiException refuses(StatusCode.Code want, Case.Body call) throws Exception {
    try {
      call.run();
    } catch (ApiException error) {
      equal("code of " + error, error.getStatusCode().getCode(), want);
      return error;
    }
    throw new AssertionError("it should have failed with " + want);
  }
}
