// The conformance cases of the Storage Write API through Google's Java clients, as a program: it takes the addresses of a running
// emulator, runs every case on tables of its own, and prints one line of JSON per case. java.test.ts makes tests of the lines.
package conformance;

import com.google.cloud.bigquery.storage.v1.Exceptions.AppendSerializationError;
import com.google.gson.JsonObject;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.stream.Stream;

final class Main {
  /** Cases side by side: most of their time is waiting for answers. */
  private static final int CONCURRENCY = 4;
  private static final int DETAIL_CHARS_MAX = 4_000;
  private static final int SECONDS_MAX = 90;

  public static void main(String[] args) throws Exception {
    Map<String, String> flags = new HashMap<>();
    for (int i = 0; i + 1 < args.length; i += 2) flags.put(args[i], args[i + 1]);
    // The clients' own log repeats what the cases check.
    LogManager.getLogManager().reset();
    java.util.logging.Logger.getLogger("").setLevel(Level.OFF);

    Google google = new Google(flags.get("-grpc"), flags.get("-rest"));
    Google strict = new Google(flags.get("-idle-grpc"), flags.get("-idle-rest"));
    String only = flags.getOrDefault("-only", "");
    List<Case> cases =
        Stream.of(
                Streams.cases(google), Appends.cases(google, strict), Rows.cases(google), Values.cases(google), Commits.cases(google),
                Schemas.cases(google), Faults.cases(google, strict), Rest.cases(google))
            .flatMap(List::stream)
            .filter(one -> one.name().contains(only))
            .toList();
    ExecutorService pool = Executors.newFixedThreadPool(CONCURRENCY);
    for (Case one : cases) pool.execute(() -> print(run(one)));
    pool.shutdown();
    boolean isDone = pool.awaitTermination(SECONDS_MAX, TimeUnit.SECONDS);
    for (Case one : Knobs.cases(strict)) if (one.name().contains(only)) print(run(one));
    if (!isDone) System.err.println("cases did not end within " + SECONDS_MAX + " s");
    // Not a return: connections that are still open would keep the process.
    System.out.flush();
    Runtime.getRuntime().halt(isDone ? 0 : 1);
  }

  private static JsonObject run(Case one) {
    long started = System.nanoTime();
    JsonObject result = new JsonObject();
    result.addProperty("name", one.name());
    try {
      one.run().run();
      result.addProperty("ok", true);
      result.addProperty("detail", "");
    } catch (Throwable failure) {
      StringWriter trace = new StringWriter();
      if (failure instanceof AppendSerializationError rows) trace.append(rows.getRowIndexToErrorMessage() + "\n");
      failure.printStackTrace(new PrintWriter(trace));
      String text = trace.toString();
      result.addProperty("ok", false);
      result.addProperty("detail", text.substring(0, Math.min(text.length(), DETAIL_CHARS_MAX)));
    }
    result.addProperty("ms", (System.nanoTime() - started) / 1_000_000);
    return result;
  }

  private static synchronized void print(JsonObject line) {
    System.out.println(line);
  }
}
