"""write-api.md §6, "Finalize / commit / flush"."""

import time

from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types

from google_clients import contains, customer, customers, equal, raised, storage_error

Code = types.StorageError.StorageErrorCode


def case_unseen(google):
    "case 43: rows of a PENDING stream are not seen before the commit"
    table, _, writer = google.open("PENDING")
    equal(writer.offset(customers(0, 2), 0), 0)
    equal(google.count(table), 0)


def case_finalize(google):
    "case 44, 45: finalize counts the rows, as often as asked, and an open connection takes no more"
    _, stream, writer = google.open("PENDING")
    equal(writer.offset(customers(0, 2), 0), 0)
    equal((google.finalize(stream), google.finalize(stream)), (2, 2))
    error = writer.refusal([customer(2)], 2)
    assert isinstance(error, exceptions.InvalidArgument), repr(error)
    contains(error.message, "Stream has been finalized")
    typed = storage_error(error)
    equal((typed.code, typed.entity), (Code.STREAM_FINALIZED, stream))


def case_commit(google):
    "case 46, 47: a commit shows the rows of all its streams at once, a second one says that it was done"
    table, one, writer = google.open("PENDING")
    two = google.stream(table, "PENDING")
    writer.append(customers(0, 2), 0)
    google.writer(two).append(customers(2, 3), 0)
    google.finalize(one)
    google.finalize(two)
    response = google.commit(table, one, two)
    assert abs(response.commit_time.timestamp() - time.time()) < 60
    equal(list(response.stream_errors), [])
    equal(google.count(table), 5)
    again = google.commit(table, one, two)
    assert "commit_time" not in again
    equal(
        sorted((error.code.name, error.entity) for error in again.stream_errors),
        sorted(("STREAM_ALREADY_COMMITTED", stream) for stream in (one, two)),
    )
    equal(google.count(table), 5)


def case_unfinalized(google):
    "case 48: a stream that is not finalized is not committed, nor is what was to go with it"
    table, one, writer = google.open("PENDING")
    two = google.stream(table, "PENDING")
    writer.append(customers(0, 2), 0)
    google.writer(two).append(customers(2, 1), 0)
    google.finalize(one)
    response = google.commit(table, one, two)
    assert "commit_time" not in response
    equal([(error.code, error.entity) for error in response.stream_errors], [(Code.INVALID_STREAM_STATE, two)])
    equal(google.count(table), 0)


def case_commit_committed(google):
    "case 49: a COMMITTED stream cannot be committed"
    table, stream, writer = google.open("COMMITTED")
    writer.append([customer(0)], 0)
    google.finalize(stream)
    response = google.commit(table, stream)
    assert "commit_time" not in response
    equal([error.code for error in response.stream_errors], [Code.INVALID_STREAM_TYPE])
    contains(response.stream_errors[0].error_message, "Stream must be created in pending mode, actual: ")


def case_default(google):
    "case 50: the default stream can be neither finalized nor flushed"
    table = google.table()
    assert isinstance(raised(lambda: google.finalize(table.default)), exceptions.InvalidArgument)
    assert isinstance(raised(lambda: google.flush(table.default, 0)), exceptions.InvalidArgument)


def case_flush(google):
    "case 51: rows of a BUFFERED stream are seen up to and with the flushed offset"
    table, stream, writer = google.open("BUFFERED")
    for i in range(5):
        equal(writer.offset([customer(i)], i), i)
        equal(google.count(table), i)
        equal(google.flush(stream, i), i)
        equal(google.count(table), i + 1)


def case_flush_beyond(google):
    "case 52: a flush past the end is refused in the service's words"
    table, stream, writer = google.open("BUFFERED")
    writer.append(customers(0, 2), 0)
    error = raised(lambda: google.flush(stream, 4))
    assert isinstance(error, exceptions.OutOfRange), repr(error)
    contains(error.message, "Offset 4 is beyond the end of the stream")
    # The offset is that of the last row to show: two rows end at 1.
    assert isinstance(raised(lambda: google.flush(stream, 2)), exceptions.OutOfRange)
    equal(google.count(table), 0)


def case_flush_again(google):
    "case 53: a flush of what is flushed is AlreadyExists, and shows no row twice"
    table, stream, writer = google.open("BUFFERED")
    writer.append(customers(0, 5), 0)
    google.flush(stream, 3)
    assert isinstance(raised(lambda: google.flush(stream, 1)), exceptions.AlreadyExists)
    equal(google.count(table), 4)


def case_flush_finalized(google):
    "case 54: after finalize there is no flush, and the tail is never seen"
    table, stream, writer = google.open("BUFFERED")
    writer.append(customers(0, 3), 0)
    google.flush(stream, 0)
    equal(google.finalize(stream), 3)
    assert isinstance(raised(lambda: google.flush(stream, 2)), exceptions.InvalidArgument)
    equal(google.count(table), 1)
