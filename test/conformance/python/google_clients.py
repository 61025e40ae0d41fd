"""Google's own Python clients pointed at an emulator without credentials: the recipe of packages/emulator/README.md, and short words
for what every case does with them."""

import re
import time

import grpc
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1 import BigQueryWriteClient, types
from google.cloud.bigquery_storage_v1.services.big_query_write.transports import BigQueryWriteGrpcTransport
from google.cloud.bigquery_storage_v1.writer import AppendRowsStream
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.rpc import status_pb2

PROJECT = "p"
DATASET = "d"
# Bounds every wait of a case: what should come and does not is a failure, not a hang.
PATIENCE_S = 15

CUSTOMERS = [("customer_name", "STRING", "REQUIRED"), ("row_num", "INTEGER", "REQUIRED")]
CUSTOMER = ["required string customer_name = 1", "required int64 row_num = 2"]


def write_client(grpc_address: str) -> BigQueryWriteClient:
    """The recipe for the Write API."""
    channel = grpc.insecure_channel(grpc_address, options=[("grpc.max_receive_message_length", -1)])
    return BigQueryWriteClient(transport=BigQueryWriteGrpcTransport(channel=channel))


def bigquery_client(rest_address: str) -> bigquery.Client:
    """The recipe for REST."""
    return bigquery.Client(
        project=PROJECT,
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": rest_address},
    )


_FIELD = re.compile(r"(optional|required|repeated) (enum )?(\w+) (\w+) = (\d+)(?: default (.*))?")


def message(name, lines, nested=(), enums=None):
    """A DescriptorProto, self-contained as the API wants it: one line per field, as in a .proto file."""
    result = descriptor_pb2.DescriptorProto(name=name)
    for line in lines:
        label, is_enum, kind, field_name, number, default = _FIELD.fullmatch(line).groups()
        field = result.field.add(name=field_name, number=int(number))
        field.label = getattr(field, f"LABEL_{label.upper()}")
        scalar = getattr(field, f"TYPE_{kind.upper()}", None)
        if is_enum or scalar is None:
            field.type = field.TYPE_ENUM if is_enum else field.TYPE_MESSAGE
            field.type_name = kind
        else:
            field.type = scalar
        if default is not None:
            field.default_value = default
    result.nested_type.extend(nested)
    for enum_name, values in (enums or {}).items():
        enum = result.enum_type.add(name=enum_name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    return result


def message_class(descriptor):
    """The class that serializes rows of this descriptor."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{descriptor.name}.proto", syntax="proto2")
    file.message_type.add().CopyFrom(descriptor)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(descriptor.name))


def customer(n: int) -> dict:
    return {"customer_name": f"c{n}", "row_num": n}


def customers(first: int, count: int) -> list:
    return [customer(n) for n in range(first, first + count)]


class Table:
    def __init__(self, table_id: str):
        self.id = table_id
        self.parent = f"projects/{PROJECT}/datasets/{DATASET}/tables/{table_id}"
        self.default = f"{self.parent}/streams/_default"
        self.reference = f"{PROJECT}.{DATASET}.{table_id}"
        self.sql = f"`{self.reference}`"


def settled(future, patience_s=PATIENCE_S):
    """The future, done. Its own result(timeout) asks in ever longer intervals, up to many seconds."""
    deadline = time.monotonic() + patience_s
    while not future.done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no answer within {patience_s} s")
        time.sleep(0.001)
    return future


class Writer:
    """An AppendRowsStream and the class of its rows."""

    def __init__(self, client, stream, descriptor):
        self.client = client
        self.stream_name = stream
        self.row_class = message_class(descriptor)
        self.template = types.AppendRowsRequest(write_stream=stream)
        self.template.proto_rows.writer_schema.proto_descriptor = descriptor
        self.appender = AppendRowsStream(client, self.template)

    def request(self, rows, offset=None, **more):
        request = types.AppendRowsRequest(write_stream=self.stream_name, **more)
        if offset is not None:
            request.offset = offset
        serialized = [row if isinstance(row, bytes) else self.row_class(**row).SerializeToString() for row in rows]
        request.proto_rows.rows.serialized_rows.extend(serialized)
        # An empty list would leave the oneof unset.
        request._pb.proto_rows.rows.SetInParent()
        return request

    def send(self, rows, offset=None, **more):
        return self.appender.send(self.request(rows, offset, **more))

    def append(self, rows, offset=None, **more):
        """The response; raises what the client makes of a refusal."""
        return settled(self.send(rows, offset, **more)).result()

    def offset(self, rows, offset=None):
        return self.append(rows, offset).append_result.offset

    def refusal(self, rows, offset=None, **more):
        """What the client raises for these rows."""
        return raised(lambda: self.append(rows, offset, **more))

    def refusal_at_opening(self, rows, offset=None):
        """What the service answers to these rows as the first of a call, which it ends.

        AppendRowsStream waits for the first answer while it opens the call, and says Unknown for whatever comes instead of one. (After
        UNAVAILABLE it even waits on: its retry opens a call without sending the request again.) The generated client tells."""
        error = raised(lambda: self.send(rows, offset))
        assert isinstance(error, exceptions.Unknown), repr(error)
        contains(error.message, "There was a problem opening the stream")
        request = self.request(rows, offset)
        request.proto_rows.writer_schema = self.template.proto_rows.writer_schema
        metadata = [("x-goog-request-params", f"write_stream={self.stream_name}")]
        return raised(lambda: list(self.client.append_rows(iter([request]), metadata=metadata)))

    def close(self):
        try:
            self.appender.close()
        except Exception:  # It raises when the connection is gone already.
            pass


class Google:
    """The clients of one run."""

    def __init__(self, grpc_address: str, rest_address: str):
        self.grpc_address = grpc_address
        self.rest_address = rest_address
        self.write = write_client(grpc_address)
        self.bigquery = bigquery_client(rest_address)
        self._tables = 0
        self._writers = []

    def table(self, fields=CUSTOMERS, configure=None) -> Table:
        """`fields`: (name, type, mode) or bigquery.SchemaField."""
        self._tables += 1
        table = Table(f"py{self._tables}")
        schema = [field if isinstance(field, bigquery.SchemaField) else bigquery.SchemaField(*field) for field in fields]
        resource = bigquery.Table(table.reference, schema=schema)
        if configure is not None:
            configure(resource)
        self.bigquery.create_table(resource)
        return table

    def stream(self, table: Table, kind: str = "COMMITTED") -> str:
        write_stream = types.WriteStream(type_=types.WriteStream.Type[kind])
        return self.write.create_write_stream(parent=table.parent, write_stream=write_stream).name

    def writer(self, stream: str, lines=CUSTOMER, nested=(), enums=None) -> Writer:
        writer = Writer(self.write, stream, message("Row", lines, nested, enums))
        self._writers.append(writer)
        return writer

    def open(self, kind: str = "COMMITTED"):
        table = self.table()
        stream = self.stream(table, kind)
        return table, stream, self.writer(stream)

    def query(self, sql: str) -> list:
        return [dict(row.items()) for row in self.bigquery.query_and_wait(sql)]

    def count(self, table: Table) -> int:
        return self.query(f"SELECT COUNT(*) AS c FROM {table.sql}")[0]["c"]

    def finalize(self, stream: str) -> int:
        return self.write.finalize_write_stream(name=stream).row_count

    def commit(self, table: Table, *streams: str):
        request = types.BatchCommitWriteStreamsRequest(parent=table.parent, write_streams=streams)
        return self.write.batch_commit_write_streams(request=request)

    def flush(self, stream: str, offset: int) -> int:
        return self.write.flush_rows(request=types.FlushRowsRequest(write_stream=stream, offset=offset)).offset

    def fault(self, **fault):
        self._control("POST", "faults", fault)

    def wait_for_fault(self):
        """Until a fault has struck."""
        deadline = time.monotonic() + PATIENCE_S
        while not any(fault["fired"] for fault in self._control("GET", "faults").json()["faults"]):
            assert time.monotonic() < deadline, "no fault has struck"

    def behave(self, **knobs):
        """Turns knobs of the emulator, until the end of the case."""
        self._control("PATCH", "behavior", knobs)

    def limit(self, **quotas):
        self._control("PATCH", "quotas", quotas)

    def restart_connections(self, stream):
        self._control("POST", "connections/restart", {"stream": stream})

    def _control(self, method, path, body=None):
        answer = requests.request(method, f"{self.rest_address}/emulator/{path}", json=body, timeout=PATIENCE_S)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def after_case(self):
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        for settings in ("faults", "behavior", "quotas"):
            self._control("DELETE", settings)


def raised(call):
    """What it raises; fails when it does not."""
    try:
        result = call()
    except exceptions.GoogleAPICallError as error:
        return error
    raise AssertionError(f"it should have failed, and returned {result}")


def storage_error(error):
    """The StorageError a client error carries: in the response for refusals, in the status details for failed calls."""
    response = getattr(error, "response", None)
    if isinstance(response, types.AppendRowsResponse):
        details = status_pb2.Status.FromString(response._pb.error.SerializeToString()).details
    else:
        details = error.details
    for detail in details:
        found = types.StorageError()
        if detail.Unpack(found._pb):
            return found
    raise AssertionError(f"no StorageError in {error!r}")


def equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def contains(text, words):
    assert words in text, f"{words!r} is not in {text!r}"
