// Cases 19–21 and 60–66: connections that break, and what the client's own retries make of it.
package main

import (
	"context"
	"errors"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
)

const throughputExceeded = "Exceeds 'AppendRows throughput' quota, user_id: project0000_us (status: INSUFFICIENT_TOKENS)"

// retrying is a table with an empty COMMITTED stream whose writer retries by itself.
func retrying(t *T) (*table, shape, *writer) {
	on, shape := t.table(plain), t.shapeOf(plain)
	return on, shape, t.open(on, managedwriter.CommittedStream, shape.descriptor, managedwriter.EnableWriteRetries(true))
}

func (t *T) attempts(result *managedwriter.AppendResult) int {
	attempts, err := result.TotalAttempts(t.ctx)
	t.must(err)
	return attempts
}

type fault = map[string]any

var faultCases = []conformanceCase{
	{"case 19: an acknowledgement lost after the rows were applied: the resend is told, the rows are there once", func(t *T) {
		on, shape, writer := committed(t, 0)
		t.fault(on, fault{"effect": "closeAfterApply", "offset": 0, "times": 1})
		writer.fails(shape.ids(t, 0, 1, 2), codes.Unavailable, at(0))
		_, err := t.refused(writer.send(shape.ids(t, 0, 1, 2), at(0)), codes.AlreadyExists)
		equal(t, "code", t.storageError(err).GetCode(), storagepb.StorageError_OFFSET_ALREADY_EXISTS)
		equal(t, "offset", writer.append(shape.ids(t, 3), at(3)), 3)
		t.rowsAre(on, 4)
	}},
	{"case 19: with the writer's retries the lost acknowledgement shows as ALREADY_EXISTS", func(t *T) {
		on, shape, writer := retrying(t)
		t.fault(on, fault{"effect": "closeAfterApply", "offset": 0, "times": 1})
		result := writer.send(shape.ids(t, 0, 1, 2), at(0))
		t.refused(result, codes.AlreadyExists)
		equal(t, "attempts", t.attempts(result), 2)
		t.rowsAre(on, 3)
	}},
	{"case 20: a call dropped before the rows were applied is retried by the writer", func(t *T) {
		on, shape, writer := retrying(t)
		t.fault(on, fault{"effect": "close", "offset": 0, "times": 1})
		result := writer.send(shape.ids(t, 0, 1, 2), at(0))
		equal(t, "offset", t.accepted(result), 0)
		equal(t, "attempts", t.attempts(result), 2)
		t.rowsAre(on, 3)
	}},
	{"case 20: calls dropped every few requests lose and double nothing", func(t *T) {
		on, shape, writer := retrying(t)
		t.fault(on, fault{"effect": "close", "every": 8})
		for i := range 20 {
			equal(t, "offset", writer.append(shape.ids(t, i), at(int64(i))), int64(i))
		}
		t.rowsAre(on, 20)
		equal(t, "different rows", t.row("COUNT(DISTINCT id)", on)[0], any(int64(20)))
	}},
	{"case 21: no successor of a refused offset append is accepted", func(t *T) {
		on, shape, writer := committed(t, 2)
		t.fault(on, fault{"effect": "inBand", "offset": 2, "code": "ABORTED", "times": 1})
		results := make([]*managedwriter.AppendResult, 4)
		for i := range results {
			results[i] = writer.send(shape.ids(t, 2+i), at(int64(2+i)))
		}
		t.refused(results[0], codes.Aborted)
		for _, result := range results[1:] {
			t.refused(result, codes.OutOfRange)
		}
		t.rowsAre(on, 2)
		equal(t, "offset", writer.append(shape.ids(t, 2), at(2)), 2)
	}},
	{"case 21: a first request refused in the response says all the same where the next ones go", func(t *T) {
		on, shape, writer := retrying(t)
		t.fault(on, fault{"effect": "inBand", "offset": 0, "code": "INTERNAL", "times": 1})
		result := writer.send(shape.ids(t, 0), at(0))
		equal(t, "offset", t.accepted(result), 0)
		equal(t, "attempts", t.attempts(result), 2)
		t.rowsAre(on, 1)
	}},
	{"§4: throughput quota by its text is retried by the writer, another RESOURCE_EXHAUSTED is not", func(t *T) {
		on, shape, writer := retrying(t)
		t.fault(on, fault{"effect": "inBand", "offset": 0, "code": "RESOURCE_EXHAUSTED", "message": throughputExceeded, "times": 2})
		result := writer.send(shape.ids(t, 0), at(0))
		equal(t, "offset", t.accepted(result), 0)
		equal(t, "attempts", t.attempts(result), 3)
		t.fault(on, fault{"effect": "inBand", "offset": 1, "code": "RESOURCE_EXHAUSTED", "message": "Exceeds something else", "times": 1})
		t.refused(writer.send(shape.ids(t, 1), at(1)), codes.ResourceExhausted)
		equal(t, "offset", writer.append(shape.ids(t, 1), at(1)), 1)
		t.rowsAre(on, 2)
	}},
	{"case 60: an idle call ends with ABORTED, and the stream goes on over a new one", func(main *T) {
		t := &T{ctx: main.ctx, clients: main.idle}
		defer func() { main.failures = append(main.failures, t.failures...) }()
		defer t.cleanUp()
		on, shape, writer := committed(t, 1)
		call := t.call()
		call.send(firstRequest(writer.StreamName(), shape, shape.ids(t, 1)))
		equal(t, "offset", call.offset(), 1)
		_, err := call.Recv()
		t.failed(err, codes.Aborted)
		t.contains(err.Error(), "Closing the stream because it has been inactive for")
		t.contains(err.Error(), "Entity: "+writer.StreamName())
		// The writer's connection was closed as well; a writer that retries does not notice.
		again := t.reopen(writer.StreamName(), shape.descriptor, managedwriter.EnableWriteRetries(true))
		equal(t, "offset", again.append(shape.ids(t, 2), at(2)), 2)
		time.Sleep(1500 * time.Millisecond)
		equal(t, "offset", again.append(shape.ids(t, 3), at(3)), 3)
		t.rowsAre(on, 4)
	}},
	{"case 62: CreateWriteStream that is refused for quota is tried again by the client itself", func(t *T) {
		on := t.table(plain)
		t.fault(on, fault{"method": "CreateWriteStream", "stream": on.TableID, "code": "RESOURCE_EXHAUSTED", "times": 1})
		// Its first pause is up to ten seconds.
		stream, err := t.writer.CreateWriteStream(t.ctx, createRequest(on))
		t.must(err)
		t.contains(stream.GetName(), on.parent)
	}},
	{"case 66: a black-holed append: the deadline ends the wait, and the resend by offset leaves one copy", func(t *T) {
		on, shape, writer := committed(t, 0)
		t.fault(on, fault{"effect": "blackholeAfterApply", "offset": 0, "times": 1})
		ctx, cancel := context.WithTimeout(t.ctx, time.Second)
		defer cancel()
		_, err := writer.send(shape.ids(t, 0, 1), at(0)).GetResult(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.fatalf("got %v", err)
		}
		writer.Close()
		again := t.reopen(writer.StreamName(), shape.descriptor)
		t.refused(again.send(shape.ids(t, 0, 1), at(0)), codes.AlreadyExists)
		t.rowsAre(on, 2)
	}},
}
