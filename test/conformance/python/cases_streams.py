"""write-api.md §6, "Streams & metadata"."""

import time

from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types

from google_clients import CUSTOMER, contains, customer, equal, raised

FULL = types.WriteStreamView.FULL
BASIC = types.WriteStreamView.BASIC


def get(google, name, view=None):
    return google.write.get_write_stream(request=types.GetWriteStreamRequest(name=name, view=view))


def case_created(google):
    "case 1: a stream of each type is named under its table and comes with the full schema"
    for kind in ("COMMITTED", "PENDING", "BUFFERED"):
        table = google.table()
        write_stream = types.WriteStream(type_=types.WriteStream.Type[kind])
        stream = google.write.create_write_stream(parent=table.parent, write_stream=write_stream)
        assert stream.name.startswith(f"{table.parent}/streams/"), stream.name
        equal(stream.type_, types.WriteStream.Type[kind])
        fields = [(field.name, field.type_.name, field.mode.name) for field in stream.table_schema.fields]
        equal(fields, [("customer_name", "STRING", "REQUIRED"), ("row_num", "INT64", "REQUIRED")])


def case_views(google):
    "case 2: the BASIC view has no schema, the FULL view that of the table"
    stream = google.stream(google.table())
    assert "table_schema" not in get(google, stream, BASIC)
    assert "table_schema" not in get(google, stream)
    equal([field.name for field in get(google, stream, FULL).table_schema.fields], ["customer_name", "row_num"])


def case_default(google):
    "case 3: the default stream is COMMITTED, has a location and no times"
    table = google.table()
    stream = get(google, table.default)
    equal((stream.name, stream.type_, stream.location), (table.default, types.WriteStream.Type.COMMITTED, "us"))
    assert "create_time" not in stream and "commit_time" not in stream


def case_pending_times(google):
    "case 4: a PENDING stream has a create time and no commit time before it is committed"
    stream = get(google, google.stream(google.table(), "PENDING"))
    assert abs(stream.create_time.timestamp() - time.time()) < 60
    assert "commit_time" not in stream


def case_location(google):
    "case 5: a stream is where its data set is"
    dataset = bigquery.Dataset("p.east")
    dataset.location = "us-east1"
    google.bigquery.create_dataset(dataset)
    google.bigquery.create_table(bigquery.Table("p.east.t", schema=[bigquery.SchemaField("a", "STRING")]))
    parent = "projects/p/datasets/east/tables/t"
    created = google.write.create_write_stream(
        parent=parent, write_stream=types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
    )
    equal((created.location, get(google, created.name).location), ("us-east1", "us-east1"))


def case_untyped(google):
    "case 6: a stream without a type is refused"
    table = google.table()
    error = raised(lambda: google.write.create_write_stream(parent=table.parent, write_stream=types.WriteStream()))
    assert isinstance(error, exceptions.InvalidArgument), repr(error)


MISSING = "projects/p/datasets/d/tables/missing"


def case_missing_create(google):
    "case 7: a stream of a missing table is denied, as if it were forbidden"
    write_stream = types.WriteStream(type_=types.WriteStream.Type.COMMITTED)
    error = raised(lambda: google.write.create_write_stream(parent=MISSING, write_stream=write_stream))
    assert isinstance(error, exceptions.PermissionDenied), repr(error)
    contains(error.message, "'TABLES_UPDATE_DATA' denied on resource")
    contains(error.message, "(or it may not exist)")


def case_missing_append(google):
    "case 8: the first append to the default stream of a missing table is denied likewise"
    error = google.writer(f"{MISSING}/streams/_default").refusal_at_opening([customer(1)])
    assert isinstance(error, exceptions.PermissionDenied), repr(error)
    contains(error.message, "(or it may not exist)")


def case_spellings(google):
    "case 9: both spellings of the default stream are the same stream"
    table = google.table()
    for name in (table.default, f"{table.parent}/_default"):
        equal(google.writer(name, CUSTOMER).append([customer(1)]).write_stream, table.default)
    equal(google.count(table), 2)
