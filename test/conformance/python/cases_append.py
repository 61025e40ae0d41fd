"""write-api.md §6, "Append & offsets"."""

from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types

from google_clients import contains, customer, customers, equal, raised, settled, storage_error

Code = types.StorageError.StorageErrorCode


def case_offsets(google):
    "case 10: pipelined appends at offsets 0, 1, 3 land there"
    table, _, writer = google.open()
    futures = [writer.send(customers(0, 1), 0), writer.send(customers(1, 2), 1), writer.send(customers(3, 1), 3)]
    equal([settled(future).result().append_result.offset for future in futures], [0, 1, 3])
    equal(google.count(table), 4)


def case_no_offsets(google):
    "case 11: without offsets the same rows get the same ones"
    _, _, writer = google.open()
    futures = [writer.send(customers(0, 1)), writer.send(customers(1, 2)), writer.send(customers(3, 1))]
    equal([settled(future).result().append_result.offset for future in futures], [0, 1, 3])


def case_beyond(google):
    "case 12: an offset beyond the end raises OutOfRange, and the connection goes on"
    table, stream, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    error = writer.refusal([customer(1)], 100)
    assert isinstance(error, exceptions.OutOfRange), repr(error)
    contains(error.message, "expected offset 1, received 100")
    typed = storage_error(error)
    equal((typed.code, typed.entity), (Code.OFFSET_OUT_OF_RANGE, stream))
    connection = writer.appender._connection
    equal(writer.offset([customer(1)], 1), 1)
    assert writer.appender._connection is connection, "the client had to reconnect"
    equal(google.count(table), 2)


def case_within(google):
    "case 13: an offset that is taken raises AlreadyExists, and nothing is written"
    table, _, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    error = writer.refusal([customer(0)], 0)
    # In this client AlreadyExists is a Conflict, as HTTP has it.
    assert isinstance(error, exceptions.AlreadyExists), repr(error)
    contains(error.message, "The offset is within stream, expected offset 1, received 0")
    equal(storage_error(error).code, Code.OFFSET_ALREADY_EXISTS)
    equal(google.count(table), 1)


def case_overlap(google):
    "case 14: a batch that only overlaps the end is refused whole"
    table, _, writer = google.open()
    equal(writer.offset(customers(0, 3), 0), 0)
    assert isinstance(writer.refusal(customers(2, 3), 2), exceptions.AlreadyExists)
    equal(google.count(table), 3)
    equal(writer.offset([customer(3)], 3), 3)


def case_default(google):
    "case 15: the default stream answers without offsets, under its full name"
    table = google.table()
    writer = google.writer(table.default)
    for future in [writer.send(customers(0, 2)), writer.send(customers(2, 2))]:
        response = settled(future).result()
        assert "append_result" in response and "offset" not in response.append_result
        equal(response.write_stream, table.default)
    equal(google.count(table), 4)


def case_default_offset(google):
    "case 16: the default stream takes no offset"
    table = google.table()
    assert isinstance(google.writer(table.default).refusal([customer(0)], 0), exceptions.InvalidArgument)
    equal(google.count(table), 0)


def case_pipelined(google):
    "case 17: 50 pipelined appends of 1,200 rows are answered in order"
    table, _, writer = google.open()
    batch = [writer.row_class(**row).SerializeToString() for row in customers(0, 1200)]
    futures = [writer.send(batch, k * 1200) for k in range(50)]
    equal([settled(future).result().append_result.offset for future in futures], [k * 1200 for k in range(50)])
    equal(google.count(table), 60_000)


def case_reopen(google):
    "case 18: a stream goes on at its end over a new connection; what was written is known"
    table, stream, writer = google.open()
    equal(writer.offset(customers(0, 2), 0), 0)
    writer.close()
    again = google.writer(stream)
    equal(again.offset([customer(2)], 2), 2)
    assert isinstance(again.refusal(customers(0, 2), 0), exceptions.AlreadyExists)
    equal(google.count(table), 3)


def case_lost_ack(google):
    "case 19: an acknowledgement lost after the rows were applied: the resend is told, the rows are there once"
    table, stream, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    google.fault(effect="closeAfterApply", stream=stream, offset=1, code="UNAVAILABLE")
    error = writer.refusal(customers(1, 3), 1)
    assert isinstance(error, exceptions.ServiceUnavailable), repr(error)
    # The AppendRowsStream reconnects by itself.
    error = writer.refusal(customers(1, 3), 1)
    assert isinstance(error, exceptions.AlreadyExists), repr(error)
    equal(storage_error(error).code, Code.OFFSET_ALREADY_EXISTS)
    equal(writer.offset([customer(4)], 4), 4)
    equal(google.count(table), 5)


def case_dropped(google):
    "case 20: a connection dropped before the rows were applied: the resend writes them"
    table, stream, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    google.fault(effect="close", stream=stream, offset=1, code="UNAVAILABLE")
    error = writer.refusal(customers(1, 3), 1)
    assert isinstance(error, exceptions.ServiceUnavailable), repr(error)
    equal(google.count(table), 1)
    equal(writer.offset(customers(1, 3), 1), 1)
    equal(google.count(table), 4)


def case_successors(google):
    "case 21: no successor of a refused offset append is accepted"
    table, stream, writer = google.open()
    google.fault(effect="inBand", stream=stream, offset=2, code="INTERNAL")
    futures = [writer.send([customer(k)], k) for k in range(6)]
    seen = [type(settled(future).exception()).__name__ for future in futures]
    equal(seen, ["NoneType", "NoneType", "InternalServerError", "OutOfRange", "OutOfRange", "OutOfRange"])
    equal(google.count(table), 2)


def raw_call(google, requests, metadata=()):
    """AppendRows by the generated client, request by request: for what AppendRowsStream never sends."""
    return google.write.append_rows(iter(requests), metadata=metadata)


def full_request(google, stream, rows, descriptor=None):
    writer = google.writer(stream, descriptor) if descriptor else google.writer(stream)
    request = writer.request(rows)
    request.proto_rows.writer_schema = writer.template.proto_rows.writer_schema
    return request


def case_first_request(google):
    "case 22: a first request without a stream, or without a writer schema, ends the call"
    _, stream, writer = google.open()
    without_schema = writer.request([customer(0)])
    without_stream = full_request(google, stream, [customer(0)])
    without_stream.write_stream = ""
    for request in (without_schema, without_stream):
        error = raised(lambda: list(raw_call(google, [request])))
        assert isinstance(error, exceptions.InvalidArgument), repr(error)


def case_later_requests(google):
    "case 23: later requests may leave out stream and schema, or say the same"
    _, stream, _ = google.open()
    first = full_request(google, stream, [customer(0)])
    second = types.AppendRowsRequest()
    second.proto_rows.rows.serialized_rows = first.proto_rows.rows.serialized_rows
    offsets = [response.append_result.offset for response in raw_call(google, [first, second, first])]
    equal(offsets, [0, 1, 2])


def case_multiplexed(google):
    "case 24: default streams of two tables share a call, and each answer names its stream"
    one, two = google.table(), google.table([("word", "STRING")])
    lines = ["optional string word = 1"]
    requests = []
    for k in range(3):
        requests.append(full_request(google, one.default, [customer(k)]))
        requests.append(full_request(google, two.default, [{"word": "a"}, {"word": "b"}], lines))
    responses = list(raw_call(google, requests))
    equal([response.write_stream for response in responses], [one.default, two.default] * 3)
    equal([response.error.message for response in responses], [""] * 6)
    equal((google.count(one), google.count(two)), (3, 6))


def case_other_stream(google):
    "case 24: AppendRowsStream itself keeps to one stream, and says so"
    one, two = google.table(), google.table()
    writer = google.writer(one.default)
    writer.append([customer(0)])
    writer.stream_name = two.default
    try:
        writer.send([customer(1)])
    except ValueError as error:
        contains(str(error), "Stream name is already set")
    else:
        raise AssertionError("it should have refused")


def case_empty(google):
    "case 25: an append without rows is refused, and the connection goes on"
    _, _, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    error = writer.refusal([], 1)
    assert isinstance(error, exceptions.InvalidArgument), repr(error)
    contains(error.message, "Rows must be specified")
    equal(writer.offset([customer(1)], 1), 1)


LIMIT = 20 * 1024 * 1024


def case_too_large(google):
    "case 26: a request over the limit is refused by its size, and the connection goes on"
    _, _, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    error = writer.refusal([{"customer_name": "x" * LIMIT, "row_num": 1}], 1)
    assert isinstance(error, exceptions.InvalidArgument), repr(error)
    contains(error.message, "AppendRows request too large: ")
    contains(error.message, f" limit {LIMIT}")
    equal(writer.offset([customer(1)], 1), 1)


def case_large(google):
    "case 27: 15 MiB in one row are accepted"
    table, _, writer = google.open()
    size = 15 * 1024 * 1024
    equal(writer.offset([{"customer_name": "x" * size, "row_num": 1}], 0), 0)
    equal(google.query(f"SELECT LENGTH(customer_name) AS n FROM {table.sql}"), [{"n": size}])


def case_nothing_sent(google):
    "case 28: a call that ends without a request is refused"
    error = raised(lambda: list(raw_call(google, [])))
    assert isinstance(error, exceptions.InvalidArgument), repr(error)
    contains(error.message, "Cannot route on empty project id ''")


def case_unknown_stream(google):
    "a stream nobody made is NotFound, and the status details say which"
    table = google.table()
    unknown = f"{table.parent}/streams/Nobody"
    error = google.writer(unknown).refusal_at_opening([customer(0)], 0)
    assert isinstance(error, exceptions.NotFound), repr(error)
    contains(error.message, "Requested entity was not found")
    typed = storage_error(error)
    equal((typed.code, typed.entity), (Code.STREAM_NOT_FOUND, unknown))
