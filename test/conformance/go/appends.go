// Cases 10–28: appends, offsets and connections.
package main

import (
	"strings"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const requestLimit = 20 * 1024 * 1024

func pipelined(offsets ...[]managedwriter.AppendOption) func(t *T) {
	return func(t *T) {
		on := t.table(plain)
		shape := t.shapeOf(plain)
		writer := t.open(on, managedwriter.CommittedStream, shape.descriptor)
		first := writer.send(shape.ids(t, 0), offsets[0]...)
		second := writer.send(shape.ids(t, 1, 2), offsets[1]...)
		third := writer.send(shape.ids(t, 3), offsets[2]...)
		equal(t, "offsets", []int64{t.accepted(first), t.accepted(second), t.accepted(third)}, []int64{0, 1, 3})
		t.rowsAre(on, 4)
	}
}

func offset(value int64) []managedwriter.AppendOption { return []managedwriter.AppendOption{at(value)} }

// committed is a table with a COMMITTED stream that has rows 0…count-1.
func committed(t *T, count int) (*table, shape, *writer) {
	on := t.table(plain)
	shape := t.shapeOf(plain)
	writer := t.open(on, managedwriter.CommittedStream, shape.descriptor)
	if count > 0 {
		equal(t, "offset", writer.append(shape.ids(t, from(0, count)...), at(0)), 0)
	}
	return on, shape, writer
}

var appendCases = []conformanceCase{
	{"case 10: pipelined appends at offsets 0, 1, 3 land there", pipelined(offset(0), offset(1), offset(3))},
	{"case 11: without offsets the same rows get the same ones", pipelined(nil, nil, nil)},
	{"case 12: an offset beyond the end is refused in the response, and the connection goes on", func(t *T) {
		on, shape, writer := committed(t, 1)
		response, err := t.refused(writer.send(shape.ids(t, 1), at(100)), codes.OutOfRange)
		t.contains(message(err), "The offset is beyond stream, expected offset 1, received 100")
		typed := t.storageError(err)
		equal(t, "code", typed.GetCode(), storagepb.StorageError_OFFSET_OUT_OF_RANGE)
		equal(t, "entity", typed.GetEntity(), writer.StreamName())
		equal(t, "stream", response.GetWriteStream(), writer.StreamName())
		equal(t, "offset", writer.append(shape.ids(t, 1), at(1)), 1)
		t.rowsAre(on, 2)
	}},
	{"case 13: an offset that is taken is refused as ALREADY_EXISTS, and nothing is written", func(t *T) {
		on, shape, writer := committed(t, 1)
		_, err := t.refused(writer.send(shape.ids(t, 0), at(0)), codes.AlreadyExists)
		t.contains(message(err), "The offset is within stream, expected offset 1, received 0")
		equal(t, "code", t.storageError(err).GetCode(), storagepb.StorageError_OFFSET_ALREADY_EXISTS)
		t.rowsAre(on, 1)
	}},
	{"case 14: a batch that only overlaps the end is refused whole", func(t *T) {
		on, shape, writer := committed(t, 3)
		t.refused(writer.send(shape.ids(t, 2, 3, 4), at(2)), codes.AlreadyExists)
		t.rowsAre(on, 3)
		equal(t, "offset", writer.append(shape.ids(t, 3), at(3)), 3)
	}},
	{"case 15: the default stream answers without offsets, under its full name", func(t *T) {
		on := t.table(plain)
		shape := t.shapeOf(plain)
		writer := t.open(on, managedwriter.DefaultStream, shape.descriptor)
		for i := range 2 {
			response, err := writer.send(shape.ids(t, i)).FullResponse(t.ctx)
			t.must(err)
			if response.GetAppendResult() == nil || response.GetAppendResult().GetOffset() != nil {
				t.fatalf("append_result: %v", response)
			}
			equal(t, "stream", response.GetWriteStream(), on.defaultStream())
		}
		t.rowsAre(on, 2)
	}},
	{"case 16: the default stream takes no offset", func(t *T) {
		on := t.table(plain)
		shape := t.shapeOf(plain)
		t.open(on, managedwriter.DefaultStream, shape.descriptor).fails(shape.ids(t, 0), codes.InvalidArgument, at(0))
		t.rowsAre(on, 0)
	}},
	{"case 17: 50 pipelined appends of 1,200 rows are answered in order", func(t *T) {
		on, shape, writer := committed(t, 0)
		batch := shape.ids(t, from(0, 1200)...)
		results := make([]*managedwriter.AppendResult, 50)
		for i := range results {
			results[i] = writer.send(batch, at(int64(i*1200)))
		}
		for i, result := range results {
			equal(t, "offset", t.accepted(result), int64(i*1200))
		}
		t.rowsAre(on, 60_000)
	}},
	{"case 18: a stream goes on at its end over a new connection; what was written is known", func(t *T) {
		on, shape, first := committed(t, 2)
		first.Close()
		writer := t.reopen(first.StreamName(), shape.descriptor)
		equal(t, "offset", writer.append(shape.ids(t, 2), at(2)), 2)
		t.refused(writer.send(shape.ids(t, 0, 1), at(0)), codes.AlreadyExists)
		t.rowsAre(on, 3)
	}},
	{"case 22: a first request without a writer schema ends the call", func(t *T) {
		_, shape, writer := committed(t, 0)
		request := firstRequest(writer.StreamName(), shape, shape.ids(t, 0))
		request.GetProtoRows().WriterSchema = nil
		call := t.call()
		call.send(request)
		_, err := call.Recv()
		t.failed(err, codes.InvalidArgument)
	}},
	{"case 22: a first request without a stream ends the call", func(t *T) {
		shape := t.shapeOf(plain)
		call := t.call()
		call.send(firstRequest("", shape, shape.ids(t, 0)))
		_, err := call.Recv()
		t.failed(err, codes.InvalidArgument)
	}},
	{"case 23: later requests may leave out stream and schema", func(t *T) {
		on, shape, writer := committed(t, 0)
		call := t.call()
		call.send(firstRequest(writer.StreamName(), shape, shape.ids(t, 0)))
		call.send(laterRequest(shape.ids(t, 1, 2)))
		later := laterRequest(shape.ids(t, 3))
		later.Offset = wrapperspb.Int64(3)
		call.send(later)
		equal(t, "offsets", []int64{call.offset(), call.offset(), call.offset()}, []int64{0, 1, 3})
		t.rowsAre(on, 4)
	}},
	{"case 23: or say the same in every request", func(t *T) {
		on, shape, writer := committed(t, 0)
		call := t.call()
		for i := range 3 {
			call.send(firstRequest(writer.StreamName(), shape, shape.ids(t, i)))
			equal(t, "offset", call.offset(), int64(i))
		}
		t.rowsAre(on, 3)
	}},
	{"case 24: default streams of two tables share a call, and each answer names its stream", func(t *T) {
		word := bigquery.Schema{{Name: "word", Type: bigquery.StringFieldType}}
		one, two := t.table(plain), t.table(word)
		shapes := map[*table]shape{one: t.shapeOf(plain), two: t.shapeOf(word)}
		call := t.call()
		order := []*table{one, two, one, one, two}
		for i, on := range order {
			rows := shapes[one].ids(t, i)
			if on == two {
				rows = [][]byte{shapes[two].row(t, `{"word": "a"}`), shapes[two].row(t, `{"word": "b"}`)}
			}
			call.send(firstRequest(on.defaultStream(), shapes[on], rows))
		}
		for _, on := range order {
			response, err := call.Recv()
			t.must(err)
			equal(t, "stream", response.GetWriteStream(), on.defaultStream())
			if response.GetAppendResult() == nil {
				t.fatalf("refused: %v", response)
			}
		}
		t.rowsAre(one, 3)
		t.rowsAre(two, 4)
	}},
	{"case 24: managed writers multiplex three tables over one connection", func(t *T) {
		client, err := managedwriter.NewClient(t.ctx, t.project,
			append(grpcOptions(t.grpc), managedwriter.WithMultiplexing(), managedwriter.WithMultiplexPoolLimit(1))...)
		t.must(err)
		t.cleanup(func() { client.Close() })
		word := bigquery.Schema{{Name: "word", Type: bigquery.StringFieldType}}
		shapes := []shape{t.shapeOf(plain), t.shapeOf(word), t.shapeOf(plain)}
		tables := []*table{t.table(plain), t.table(word), t.table(plain)}
		row := func(i int) []byte {
			if i == 1 {
				return shapes[1].row(t, `{"word": "a"}`)
			}
			return shapes[i].ids(t, i)[0]
		}
		// Not by t.open: this client is the case's own.
		mine := &T{ctx: t.ctx, clients: &clients{writer: client}}
		defer func() { t.failures = append(t.failures, mine.failures...) }()
		writers := make([]*writer, 3)
		for i := range writers {
			writers[i] = mine.open(tables[i], managedwriter.DefaultStream, shapes[i].descriptor)
		}
		var results []*managedwriter.AppendResult
		for n := range 12 {
			results = append(results, writers[n%3].send([][]byte{row(n % 3)}))
		}
		for n, result := range results {
			response, err := result.FullResponse(t.ctx)
			t.must(err)
			equal(t, "stream", response.GetWriteStream(), tables[n%3].defaultStream())
		}
		for _, on := range tables {
			t.rowsAre(on, 4)
		}
		mine.cleanUp()
	}},
	{"case 25: an append without rows is refused in the response, and the connection goes on", func(t *T) {
		_, shape, writer := committed(t, 0)
		_, err := t.refused(writer.send(nil, at(0)), codes.InvalidArgument)
		t.contains(message(err), "Rows must be specified")
		equal(t, "offset", writer.append(shape.ids(t, 0), at(0)), 0)
	}},
	{"case 26: a request over the limit is refused by its size, and the next append needs one attempt", func(t *T) {
		on, shape, writer := committed(t, 0)
		_, err := t.refused(writer.send([][]byte{shape.row(t, `{"text": "%s"}`, strings.Repeat("a", requestLimit))}, at(0)), codes.InvalidArgument)
		t.contains(message(err), "AppendRows request too large: ")
		t.contains(message(err), " limit 20971520")
		next := writer.send(shape.ids(t, 0), at(0))
		equal(t, "offset", t.accepted(next), 0)
		attempts, err := next.TotalAttempts(t.ctx)
		t.must(err)
		equal(t, "attempts", attempts, 1)
		t.rowsAre(on, 1)
	}},
	{"case 27: a row of 15 MiB is accepted", func(t *T) {
		on, shape, writer := committed(t, 0)
		writer.append([][]byte{shape.row(t, `{"text": "%s"}`, strings.Repeat("b", 15*1024*1024))})
		equal(t, "length", t.row("LENGTH(text)", on)[0], bigquery.Value(int64(15*1024*1024)))
	}},
	{"case 28: a call closed without a request ends with INVALID_ARGUMENT", func(t *T) {
		call := t.call()
		t.must(call.CloseSend())
		_, err := call.Recv()
		t.failed(err, codes.InvalidArgument)
		t.contains(err.Error(), "Cannot route on empty project id ''")
	}},
}
