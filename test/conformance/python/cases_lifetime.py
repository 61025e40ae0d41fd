"""write-api.md §6, "Lifetime & quota", and the fault rigs of Google's own suites (§4)."""

import time

from google.api_core import exceptions

from google_clients import PATIENCE_S, contains, customer, customers, equal, raised, settled


def short_lived(case):
    """Runs on the emulator with short times."""
    case.short_lived = True
    return case


@short_lived
def case_idle(google):
    "case 60: an idle connection is Aborted, and the stream goes on over a new one"
    _, _, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    reasons = []
    connection = writer.appender._connection
    # What the client logs and gives to whoever waits; with nobody waiting this is where it shows.
    connection._rpc.add_done_callback(reasons.append)
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
    text = "Closing the stream because server is restarted. This is expected and client is advised to reconnect."
    google.fault(effect="close", stream=stream, offset=1, code="ABORTED", message=f"{text} Entity: {stream}")
    error = writer.refusal([customer(1)], 1)
    assert isinstance(error, exceptions.Aborted), repr(error)
    contains(error.message, "server is restarted")
    equal(writer.offset([customer(1)], 1), 1)
    equal(google.count(table), 2)


@short_lived
def case_expired(google):
    "case 65: streams without traffic are gone after their time, with what was not flushed"
    table, stream, writer = google.open("BUFFERED")
    writer.append(customers(0, 3), 0)
    google.flush(stream, 0)
    writer.close()
    time.sleep(3)
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


@short_lived
def case_routing(google):
    "case 67: in strict mode a call without x-goog-request-params is denied; AppendRowsStream sends it"
    _, stream, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    request = writer.request([customer(1)], 1)
    request.proto_rows.writer_schema = writer.template.proto_rows.writer_schema
    error = raised(lambda: list(google.write.append_rows(iter([request]))))
    assert isinstance(error, exceptions.PermissionDenied), repr(error)


def case_quota(google):
    "RESOURCE_EXHAUSTED in the response every 10 messages: 301 appends end at offsets 0 to 300"
    table, stream, writer = google.open()
    text = f"Exceeds 'AppendRows throughput' quota, user_id: project0000 (status: INSUFFICIENT_TOKENS). Entity: {stream}"
    google.fault(effect="inBand", stream=stream, every=10, code="RESOURCE_EXHAUSTED", message=text)
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
    google.fault(effect="close", stream=stream, every=10, code="UNAVAILABLE")
    drops = 0
    k = 0
    while k < 100:
        try:
            equal(writer.offset([customer(k)], k), k)
            k += 1
        except exceptions.ServiceUnavailable:
            drops += 1
    equal(drops, 11)
    equal(google.count(table), 100)
