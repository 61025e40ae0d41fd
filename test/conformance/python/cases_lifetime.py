"""write-api.md §6, "Lifetime & quota", and the fault rigs of Google's own suites (§4)."""

import threading
import time

from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types

from google_clients import PATIENCE_S, contains, customer, customers, equal, raised, settled, write_client


def case_idle(google):
    "case 60: an idle connection is Aborted, and the stream goes on over a new one"
    _, _, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    reasons = []
    connection = writer.appender._connection
    # What the client logs and gives to whoever waits; with nobody waiting this is where it shows.
    connection._rpc.add_done_callback(reasons.append)
    google.behave(idleMs=300)
    deadline = time.monotonic() + PATIENCE_S
    while writer.appender._connection is connection:
        assert time.monotonic() < deadline, "the connection was not closed"
        time.sleep(0.05)
    equal(reasons[0].code().name, "ABORTED")
    contains(reasons[0].details(), "Closing the stream because it has been inactive for ")
    equal(writer.offset([customer(1)], 1), 1)


def case_restart(google):
    "case 61: a restarting server aborts calls, and the client goes on"
    table, stream, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    # In a black hole the next request is still waiting when the call ends.
    google.fault(effect="blackhole", stream=stream, offset=1)
    waiting = writer.send([customer(1)], 1)
    google.wait_for_fault()
    google.restart_connections(stream)
    error = settled(waiting).exception()
    assert isinstance(error, exceptions.Aborted), repr(error)
    contains(error.message, "server is restarted. This is expected and client is advised to reconnect.")
    equal(writer.offset([customer(1)], 1), 1)
    equal(google.count(table), 2)


def case_creations(google):
    "case 62: too many streams created is ResourceExhausted in the service's words"
    table = google.table()
    google.limit(createStreamsPerHour=2)
    write_stream = types.WriteStream(type_=types.WriteStream.Type.COMMITTED)

    # This client tries ResourceExhausted again for minutes unless told otherwise.
    def create():
        return google.write.create_write_stream(parent=table.parent, write_stream=write_stream, retry=None)

    create()
    create()
    error = raised(create)
    assert isinstance(error, exceptions.ResourceExhausted), repr(error)
    contains(error.message, "Exceeds 'CreateWriteStream requests' quota, user_id: project")
    contains(error.message, f"Entity: {table.parent}")


def case_connections(google):
    "case 63: a connection too many fails as it opens, and those that are open go on"
    table = google.table()
    first, second = google.writer(table.default), google.writer(table.default)
    first.append([customer(1)])
    second.append([customer(2)])
    google.limit(connections=2)
    error = google.writer(table.default).refusal_at_opening([customer(3)])
    assert isinstance(error, exceptions.ResourceExhausted), repr(error)
    contains(error.message, "Exceeds 'Concurrent connections' quota")
    first.append([customer(4)])
    second.append([customer(5)])
    equal(google.count(table), 4)


def case_hundred_and_first(google):
    "case 64: the 101st call on one channel waits for one of the hundred to end"
    table = google.table()
    client = write_client(google.grpc_address)
    writer = google.writer(table.default)
    request = writer.request([customer(1)])
    request.proto_rows.writer_schema = writer.template.proto_rows.writer_schema

    def open_call():
        """Comes back after the first answer; the call goes on until it is let go."""
        let_go = threading.Event()

        def requests():
            yield request
            let_go.wait()

        return let_go, client.append_rows(requests())

    calls = [open_call() for _ in range(100)]
    answered = threading.Event()

    def late_call():
        calls.append(open_call())
        answered.set()

    threading.Thread(target=late_call, daemon=True).start()
    # A whole round trip is many times quicker.
    assert not answered.wait(0.5), "the 101st call was served"
    equal(google.count(table), 100)
    calls[0][0].set()
    assert answered.wait(PATIENCE_S), "the 101st call was not served"
    equal(google.count(table), 101)
    for let_go, _ in calls:
        let_go.set()
    for _, call in calls:
        equal(list(call)[1:], [])


def case_expired(google):
    "case 65: streams without traffic are gone after their time, with what was not flushed"
    table, stream, writer = google.open("BUFFERED")
    writer.append(customers(0, 3), 0)
    google.flush(stream, 0)
    writer.close()
    google.behave(ttlMs={"buffered": 50})
    time.sleep(0.1)
    assert isinstance(raised(lambda: google.flush(stream, 2)), exceptions.NotFound)
    assert isinstance(google.writer(stream).refusal_at_opening([customer(3)], 3), exceptions.NotFound)
    equal(google.count(table), 1)


def case_black_hole(google):
    "case 66: a black hole: the caller's patience ends the wait, and the resend leaves one copy"
    for effect, expected in [("blackhole", type(None)), ("blackholeAfterApply", exceptions.AlreadyExists)]:
        table, stream, writer = google.open()
        equal(writer.offset([customer(0)], 0), 0)
        google.fault(effect=effect, stream=stream, offset=1)
        future = writer.send(customers(1, 3), 1)
        try:
            settled(future, patience_s=0.5)
        except TimeoutError:
            pass
        else:
            raise AssertionError("it should have waited in vain")
        writer.close()
        resent = google.writer(stream).send(customers(1, 3), 1)
        equal(type(settled(resent).exception()), expected)
        equal(google.count(table), 4)


def case_routing(google):
    "case 67: in strict mode a call without x-goog-request-params is denied; AppendRowsStream sends it"
    google.behave(routingHeader="strict")
    _, stream, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    request = writer.request([customer(1)], 1)
    request.proto_rows.writer_schema = writer.template.proto_rows.writer_schema
    error = raised(lambda: list(google.write.append_rows(iter([request]))))
    assert isinstance(error, exceptions.PermissionDenied), repr(error)


def case_quota(google):
    "RESOURCE_EXHAUSTED in the response every 10 messages: 301 appends end at offsets 0 to 300"
    table, stream, writer = google.open()
    google.fault(preset="java-quota-retry", stream=stream)
    refusals = 0
    k = 0
    while k <= 300:
        try:
            equal(writer.offset([customer(k)], k), k)
            k += 1
        except exceptions.ResourceExhausted as error:
            assert error.message.startswith("Exceeds 'AppendRows throughput' quota"), error.message
            refusals += 1
    equal(refusals, 33)
    seen = google.query(f"SELECT COUNT(*) AS c, COUNT(DISTINCT row_num) AS d FROM {table.sql}")
    equal(seen, [{"c": 301, "d": 301}])


def case_dropping(google):
    "a connection dropped every 10 requests: 100 appends end at their offsets, each resent by its caller"
    table, stream, writer = google.open()
    google.fault(preset="reconnect-on-close", stream=stream)
    drops = 0
    k = 0
    while k < 100:
        try:
            equal(writer.offset([customer(k)], k), k)
            k += 1
        except exceptions.Aborted:
            drops += 1
    equal(drops, 11)
    equal(google.count(table), 100)
