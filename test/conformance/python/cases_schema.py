"""write-api.md §6, "Schema, table, CDC"."""

import time

from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types

from google_clients import CUSTOMER, CUSTOMERS, contains, customer, customers, equal, raised

WIDER = [*CUSTOMER, "optional string customer_email = 3"]


def widen(google, table):
    resource = google.bigquery.get_table(table.reference)
    resource.schema = [*resource.schema, bigquery.SchemaField("customer_email", "STRING")]
    google.bigquery.update_table(resource, ["schema"])


def case_widened(google):
    "case 55: old appends go on after a table is widened, one brings the new schema, then the wide descriptor is taken"
    table, stream, writer = google.open()
    equal(writer.offset([customer(0)], 0), 0)
    widen(google, table)
    offset = 1
    names = []
    deadline = time.monotonic() + 10
    while not names:
        assert time.monotonic() < deadline, "no answer brought the new schema"
        response = writer.append([customer(offset)], offset)
        equal(response.append_result.offset, offset)
        names = [field.name for field in response.updated_schema.fields]
        offset += 1
    equal(names, ["customer_name", "row_num", "customer_email"])
    writer.close()
    equal(google.writer(stream, WIDER).offset([{**customer(offset), "customer_email": "ada@example.com"}], offset), offset)
    equal(google.query(f"SELECT COUNT(*) AS c, COUNT(customer_email) AS e FROM {table.sql}"), [{"c": offset + 1, "e": 1}])


def case_recreated(google):
    "case 56: streams die with their table; a new one of the same name has none of its rows"
    table, _, writer = google.open()
    writer.append(customers(0, 2), 0)
    google.bigquery.delete_table(table.reference)
    schema = [bigquery.SchemaField(*field) for field in CUSTOMERS]
    google.bigquery.create_table(bigquery.Table(table.reference, schema=schema))
    error = writer.refusal([customer(2)], 2)
    assert isinstance(error, exceptions.NotFound), repr(error)
    equal(google.writer(google.stream(table)).offset([customer(9)], 0), 0)
    equal(google.query(f"SELECT row_num FROM {table.sql}"), [{"row_num": 9}])


def case_propagation(google):
    "case 57: a table just made is denied for a moment, and a client that tries again gets through"
    table = google.table()
    google.behave(tablePropagation={"windowMs": 60_000, "createStream": 1, "inARowMax": 2})
    for _ in range(2):
        error = raised(lambda: google.stream(table))
        assert isinstance(error, exceptions.PermissionDenied), repr(error)
        contains(error.message, "(or it may not exist)")
    equal(google.writer(google.stream(table)).offset([customer(0)], 0), 0)


PEOPLE = [("id", "INTEGER", "REQUIRED"), ("username", "STRING", "REQUIRED")]
CHANGE = ["required int64 id = 1", "optional string username = 2", "required string _CHANGE_TYPE = 992"]


def people_table(google):
    def with_key(resource):
        resource.clustering_fields = ["id"]
        key = bigquery.table.PrimaryKey(["id"])
        resource.table_constraints = bigquery.table.TableConstraints(primary_key=key, foreign_keys=None)

    return google.table(PEOPLE, with_key)


def change(kind, row_id, username=None, **more):
    row = {"id": row_id, "_CHANGE_TYPE": kind, **more}
    return row if username is None else {**row, "username": username}


def case_changes(google):
    "case 58: inserts, upserts and deletes on the default stream are merged by the primary key"
    table = people_table(google)
    writer = google.writer(table.default, CHANGE)

    def people():
        return google.query(f"SELECT * FROM {table.sql} ORDER BY id")

    writer.append([change("INSERT", 1, "Alice"), change("INSERT", 2, "Bob")])
    equal(len(people()), 2)
    updater = google.writer(table.default, CHANGE)
    updater.append([change("UPSERT", 1, "Alice in Wonderlands"), change("UPSERT", 3, "Charles")])
    equal(len(people()), 3)
    # A delete needs the key only.
    updater.append([change("DELETE", 2)])
    equal(people(), [{"id": 1, "username": "Alice in Wonderlands"}, {"id": 3, "username": "Charles"}])


def case_sequence(google):
    "case 58: a change with a lower sequence number comes too late"
    table = people_table(google)
    writer = google.writer(table.default, [*CHANGE, "optional string _CHANGE_SEQUENCE_NUMBER = 991"])
    for username, sequence in [("first", "77"), ("second", "7B"), ("late", "7A"), ("last", "FFF/ABC"), ("late", "FFF/B")]:
        writer.append([change("UPSERT", 1, username, _CHANGE_SEQUENCE_NUMBER=sequence)])
    equal(google.query(f"SELECT username FROM {table.sql}"), [{"username": "last"}])


def case_upsert_committed(google):
    "case 59: a COMMITTED stream takes inserts and no upserts"
    table = people_table(google)
    writer = google.writer(google.stream(table), CHANGE)
    equal(writer.offset([change("INSERT", 1, "Alice")], 0), 0)
    error = writer.refusal([change("UPSERT", 1, "Alice")], 1)
    assert isinstance(error, exceptions.InvalidArgument), repr(error)
    texts = [error.message]
    if isinstance(error.response, types.AppendRowsResponse):
        texts += [row.message for row in error.response.row_errors]
    contains("\n".join(texts), "The given value is not a valid CHANGE_TYPE in insert mode: UPSERT")
    equal(google.count(table), 1)
