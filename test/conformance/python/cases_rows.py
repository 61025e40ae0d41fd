"""write-api.md §6, "Rows", and Arrow (§3.3): what goes in by AppendRows comes out of the BigQuery client's query."""

import datetime
import decimal
import json

import pyarrow
from google.api_core import exceptions
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import types
from google.cloud.bigquery_storage_v1.writer import AppendRowsStream

from google_clients import CUSTOMERS, contains, customer, customers, equal, message, settled, storage_error

Field = bigquery.SchemaField
MVI = types.AppendRowsRequest.MissingValueInterpretation
UTC = datetime.timezone.utc


def round_trip(google, fields, lines, rows, nested=(), enums=None):
    table = google.table(fields)
    google.writer(table.default, lines, nested, enums).append(rows)
    return google.query(f"SELECT * FROM {table.sql}")


def case_row_errors(google):
    "case 29: all bad rows are named in the service's words, none is written, and good ones follow"
    table = google.table([Field("foo", "STRING", max_length=10), Field("bar", "TIMESTAMP")])
    writer = google.writer(google.stream(table), ["optional string foo = 1", "optional int64 bar = 2"])
    bad = [{"foo": "aaabbbcccddd"}, {"foo": "a", "bar": -(2**63)}, {"foo": "aaabbbcccdddeee"}]
    error = writer.refusal(bad, 0)
    assert isinstance(error, exceptions.InvalidArgument), repr(error)
    contains(error.message, "Errors found while processing rows. Please refer to the row_errors field for details.")
    too_long = "Field foo: STRING(10) has maximum length 10 but got a value with length {} on field foo."
    equal(
        [(row.index, row.code.name, row.message) for row in error.response.row_errors],
        [
            (0, "FIELDS_ERROR", too_long.format(12)),
            (1, "FIELDS_ERROR", "Timestamp field value is out of range: -9223372036854775808 on field bar."),
            (2, "FIELDS_ERROR", too_long.format(15)),
        ],
    )
    equal(google.count(table), 0)
    equal(writer.offset([{"foo": "a"}, {"foo": "b"}, {"foo": "c"}], 0), 0)
    equal(google.count(table), 3)


def case_one_bad(google):
    "case 30: one bad row refuses its batch, and the good ones fit at the same offset"
    table = google.table([Field("foo", "STRING", max_length=3)])
    writer = google.writer(google.stream(table), ["optional string foo = 1"])
    error = writer.refusal([{"foo": "ok"}, {"foo": "too long"}, {"foo": "ok"}], 0)
    equal([row.index for row in error.response.row_errors], [1])
    equal(google.count(table), 0)
    equal(writer.offset([{"foo": "ok"}, {"foo": "ok"}], 0), 0)


def case_required(google):
    "case 31: a row without a REQUIRED field is refused"
    table = google.table()
    writer = google.writer(google.stream(table), ["required string customer_name = 1"])
    error = writer.refusal([{"customer_name": "Test"}], 0)
    assert isinstance(error, exceptions.InvalidArgument), repr(error)
    equal(error.message.split(".")[0], "Errors found while processing rows")
    # The same from bytes that lack a required field of their descriptor.
    error = google.writer(google.stream(table)).refusal([b"\x0a\x04Test"], 0)
    equal(error.message.split(".")[0], "Errors found while processing rows")
    equal(google.count(table), 0)


def case_extra(google):
    "case 32: a first descriptor with a column too many ends the call, and the status details tell why"
    table = google.table()
    stream = google.stream(table, "PENDING")
    lines = ["required string customer_name = 1", "required int64 row_num = 2", "optional string email = 3"]
    error = google.writer(stream, lines).refusal_at_opening([{**customer(1), "email": "test@example.com"}], 0)
    assert isinstance(error, exceptions.InvalidArgument), repr(error)
    typed = storage_error(error)
    equal(typed.code, types.StorageError.StorageErrorCode.SCHEMA_MISMATCH_EXTRA_FIELDS)
    equal(typed.error_message, "Schema mismatch due to extra fields in user schema")
    equal(typed.entity, stream)


DEFAULTED = [
    Field("id", "STRING"),
    Field("strcol", "STRING"),
    Field("strcol_withdef", "STRING", default_value_expression="'defaultvalue'"),
    Field("otherstr", "STRING"),
    Field("otherstr_withdef", "STRING", default_value_expression="'otherdefault'"),
]
DEFAULTED_LINES = ["optional string id = 1", "optional string strcol = 2", "optional string strcol_withdef = 3"]


def case_omitted(google):
    "case 33: a column the descriptor lacks gets its default, or NULL"
    seen = round_trip(google, DEFAULTED, DEFAULTED_LINES, [{"id": "a"}])
    expected = {"id": "a", "strcol": None, "strcol_withdef": None, "otherstr": None, "otherstr_withdef": "otherdefault"}
    equal(seen, [expected])


def case_missing_values(google):
    "case 34: a column the row lacks is NULL, or what the missing-value interpretations say"
    table = google.table(DEFAULTED)
    writer = google.writer(table.default, DEFAULTED_LINES)
    writer.append([{"id": "1"}])
    writer.append([{"id": "2"}], default_missing_value_interpretation=MVI.DEFAULT_VALUE)
    writer.append([{"id": "3"}], missing_value_interpretations={"strcol_withdef": MVI.NULL_VALUE})
    writer.append([{"id": "4"}])
    writer.append(
        [{"id": "5"}],
        default_missing_value_interpretation=MVI.NULL_VALUE,
        missing_value_interpretations={"strcol_withdef": MVI.DEFAULT_VALUE},
    )
    seen = google.query(f"SELECT * FROM {table.sql} ORDER BY id")
    equal([row["strcol"] for row in seen], [None] * 5)
    equal([row["strcol_withdef"] for row in seen], [None, "defaultvalue", None, "defaultvalue", "defaultvalue"])
    equal([row["otherstr_withdef"] for row in seen], ["otherdefault"] * 5)


def case_generated(google):
    "case 35: REQUIRED columns, generated ids and times are filled by their defaults"
    table = google.table(
        [
            *CUSTOMERS,
            Field("id", "STRING", mode="REQUIRED", default_value_expression="GENERATE_UUID()"),
            Field("created_at", "TIMESTAMP", default_value_expression="CURRENT_TIMESTAMP()"),
        ]
    )
    lines = [
        "required string customer_name = 1",
        "required int64 row_num = 2",
        "optional string id = 3",
        "optional int64 created_at = 4",
    ]
    writer = google.writer(table.default, lines)
    writer.append(customers(0, 3), default_missing_value_interpretation=MVI.DEFAULT_VALUE)
    seen = google.query(f"SELECT * FROM {table.sql}")
    equal({len(row["id"]) for row in seen}, {36})
    equal(len({row["id"] for row in seen}), 3)
    now = datetime.datetime.now(UTC)
    assert all(abs((row["created_at"] - now).total_seconds()) < 60 for row in seen), seen


def case_scalars(google):
    "case 36: every scalar type of proto is stored exactly"
    integers = {
        "int32": -(2**31),
        "int64": -(2**63),
        "uint32": 2**32 - 1,
        "sint32": -7,
        "sint64": 2**63 - 1,
        "fixed32": 4_000_000_000,
        "sfixed32": -12,
        "sfixed64": -(2**53) - 1,
    }
    fields = [(f"{kind}_col", "INTEGER") for kind in integers]
    lines = [f"optional {kind} {kind}_col = {i + 1}" for i, kind in enumerate(integers)]
    values = {f"{kind}_col": value for kind, value in integers.items()}
    fields += [("enum_col", "INTEGER"), ("enum_name_col", "STRING"), ("double_col", "FLOAT"), ("float_col", "FLOAT")]
    fields += [("inf_col", "FLOAT"), ("bool_col", "BOOLEAN"), ("bool_int_col", "BOOLEAN"), ("bytes_col", "BYTES")]
    fields += [("string_col", "STRING"), ("list_col", "INTEGER", "REPEATED")]
    lines += [
        "optional enum Color enum_col = 20",
        "optional enum Color enum_name_col = 21",
        "optional double double_col = 22",
        "optional float float_col = 23",
        "optional double inf_col = 24",
        "optional bool bool_col = 25",
        "optional int32 bool_int_col = 26",
        "optional bytes bytes_col = 27",
        "optional string string_col = 28",
        "repeated int64 list_col = 29",
    ]
    values |= {"enum_col": 2, "enum_name_col": 1, "double_col": 0.1, "float_col": 0.5, "inf_col": float("inf")}
    values |= {"bool_col": True, "bool_int_col": 5, "bytes_col": b"\x00\x01\xff", "string_col": "naïve 🦉"}
    values |= {"list_col": [1, -2, 3]}
    seen = round_trip(google, fields, lines, [values], enums={"Color": ["RED", "GREEN", "BLUE"]})
    equal(seen, [values | {"enum_name_col": "GREEN", "bool_int_col": True}])


def numeric_bytes(value: str, scale: int) -> bytes:
    unscaled = int(decimal.Decimal(value).scaleb(scale, decimal.Context(prec=100)))
    length = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    return unscaled.to_bytes(length, "little", signed=True)


def case_numeric(google):
    "case 37: NUMERIC as bytes and packed DATETIME and TIME are read back exactly"
    fields = [("numbers", "NUMERIC", "REPEATED"), ("big", "BIGNUMERIC"), ("at", "DATETIME"), ("clock", "TIME")]
    lines = ["repeated bytes numbers = 1", "optional bytes big = 2", "optional int64 at = 3", "optional int64 clock = 4"]
    at = ((2020 << 26) + (10 << 22) + (1 << 17) + (12 << 12)) << 20
    clock = (((23 << 12) + (59 << 6) + 58) << 20) + 123_456
    written = {
        "numbers": [numeric_bytes("123.4", 9), numeric_bytes("-9000000", 9)],
        "big": numeric_bytes("-0.00000000000000000000000000000000000001", 38),
        "at": at,
        "clock": clock,
    }
    seen = round_trip(google, fields, lines, [written])[0]
    equal(seen["numbers"], [decimal.Decimal("123.4"), decimal.Decimal("-9000000")])
    equal(decimal.Decimal(seen["big"]), decimal.Decimal("-1e-38"))
    equal(seen["at"], datetime.datetime(2020, 10, 1, 12))
    equal(seen["clock"], datetime.time(23, 59, 58, 123_456))


def case_timestamps(google):
    "case 38, 39: google.protobuf.Timestamp, flattened, and a string become TIMESTAMPs"
    nested = [message("google_protobuf_Timestamp", ["optional int64 seconds = 1", "optional int32 nanos = 2"])]
    lines = ["optional google_protobuf_Timestamp a = 1", "optional string b = 2", "optional int64 c = 3"]
    row = {"a": {"seconds": 1643763723, "nanos": 4_005_000}, "b": "2022-02-02 01:02:03", "c": 1643763723000001}
    seen = round_trip(google, [("a", "TIMESTAMP"), ("b", "TIMESTAMP"), ("c", "TIMESTAMP")], lines, [row], nested)[0]
    at = datetime.datetime(2022, 2, 2, 1, 2, 3, tzinfo=UTC)
    equal((seen["a"], seen["b"], seen["c"]), (at.replace(microsecond=4005), at, at.replace(microsecond=1)))


def case_letter_case(google):
    "case 40: a field in lower case finds its column in mixed case"
    seen = round_trip(google, [("FooBar", "STRING")], ["optional string foobar = 1"], [{"foobar": "found"}])
    equal(seen, [{"FooBar": "found"}])


def case_wrappers(google):
    "case 41: wrappers are the scalars they wrap, repeated ones too"
    nested = [
        message("google_protobuf_Int64Value", ["optional int64 value = 1"]),
        message("google_protobuf_StringValue", ["optional string value = 1"]),
    ]
    lines = ["optional google_protobuf_Int64Value n = 1", "repeated google_protobuf_StringValue words = 2"]
    rows = [{"n": {"value": 7}, "words": [{"value": "a"}, {"value": "b"}]}, {}]
    seen = round_trip(google, [("n", "INTEGER"), ("words", "STRING", "REPEATED")], lines, rows, nested)
    equal(seen, [{"n": 7, "words": ["a", "b"]}, {"n": None, "words": []}])


def case_range(google):
    "case 42: a RANGE without an end is unbounded"
    nested = [message("Span", ["optional int32 start = 1", "optional int32 end = 2"])]
    rows = [{"span": {"start": 18_536}}, {"span": {"start": 18_536, "end": 18_537}}]
    fields = [Field("span", "RANGE", range_element_type="DATE")]
    seen = round_trip(google, fields, ["optional Span span = 1"], rows, nested)
    day = datetime.date(2020, 10, 1)
    equal(
        sorted((row["span"] for row in seen), key=str),
        sorted([{"start": day, "end": None}, {"start": day, "end": day + datetime.timedelta(1)}], key=str),
    )


def case_descriptor_default(google):
    "a default value in the descriptor stands for what the row lacks"
    lines = ["optional int64 n = 1 default 42", "optional string s = 2 default hello"]
    seen = round_trip(google, [("n", "INTEGER"), ("s", "STRING")], lines, [{"n": 7}, {}])
    equal(sorted(row["n"] for row in seen), [7, 42])
    equal({row["s"] for row in seen}, {"hello"})


class ArrowWriter:
    """Arrow through AppendRowsStream, as Google's sample does it."""

    def __init__(self, google, stream, schema):
        template = types.AppendRowsRequest(write_stream=stream)
        template.arrow_rows.writer_schema.serialized_schema = schema.serialize().to_pybytes()
        self.stream = stream
        self.appender = AppendRowsStream(google.write, template)

    def append(self, batch, offset=None):
        request = types.AppendRowsRequest(write_stream=self.stream)
        if offset is not None:
            request.offset = offset
        request.arrow_rows.rows.serialized_record_batch = batch.serialize().to_pybytes()
        return settled(self.appender.send(request)).result()


def case_arrow(google):
    "Arrow batches are rows like any other, of every type, at their offsets"
    fields = [("b", "BOOLEAN"), ("by", "BYTES"), ("d", "DATE"), ("dt", "DATETIME"), ("f", "FLOAT"), ("i", "INTEGER")]
    fields += [("j", "JSON"), ("n", "NUMERIC"), ("s", "STRING"), ("ts", "TIMESTAMP"), ("l", "INTEGER", "REPEATED")]
    fields += [Field("r", "RECORD", fields=[Field("x", "INTEGER"), Field("y", "STRING")])]
    schema = pyarrow.schema(
        [
            ("b", pyarrow.bool_()),
            ("by", pyarrow.binary()),
            ("d", pyarrow.date32()),
            ("dt", pyarrow.timestamp("us")),
            ("f", pyarrow.float64()),
            ("i", pyarrow.int32()),
            ("j", pyarrow.string()),
            ("n", pyarrow.decimal128(38, 9)),
            ("s", pyarrow.string()),
            ("ts", pyarrow.timestamp("us", tz="UTC")),
            ("l", pyarrow.list_(pyarrow.int64())),
            ("r", pyarrow.struct([("x", pyarrow.int64()), ("y", pyarrow.string())])),
        ]
    )
    full = {
        "b": True,
        "by": b"\x00\xff",
        "d": datetime.date(2020, 10, 1),
        "dt": datetime.datetime(2020, 10, 1, 12, 0, 0, 5),
        "f": 1.5,
        "i": -7,
        "j": json.dumps({"a": 1}),
        "n": decimal.Decimal("-123.456000000"),
        "s": "é",
        "ts": datetime.datetime(2022, 2, 2, 1, 2, 3, 4, tzinfo=UTC),
        "l": [1, 2],
        "r": {"x": 1, "y": "z"},
    }
    empty = {name: None for name in schema.names} | {"l": []}
    table = google.table(fields)
    writer = ArrowWriter(google, google.stream(table), schema)
    batch = pyarrow.RecordBatch.from_pylist([full, empty], schema=schema)
    equal(writer.append(batch, 0).append_result.offset, 0)
    equal(writer.append(batch.slice(0, 1), 2).append_result.offset, 2)
    try:
        writer.append(batch, 2)
    except exceptions.AlreadyExists as error:
        contains(error.message, "expected offset 3, received 2")
    else:
        raise AssertionError("offset 2 is taken")
    seen = google.query(f"SELECT * FROM {table.sql} WHERE i IS NOT NULL")
    equal(seen, [full | {"j": {"a": 1}}] * 2)
    seen = google.query(f"SELECT * FROM {table.sql} WHERE i IS NULL")
    equal(seen, [empty])
    writer.appender.close()
