// Cases that turn the emulator's knobs, and so run one after the other, on the second emulator, when all others are done.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cloud.google.com/go/bigquery/storage/apiv1"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// control asks the emulator's control API; see packages/emulator/README.md.
func (t *T) control(method, path string, body any) {
	encoded, _ := json.Marshal(body)
	request, err := http.NewRequestWithContext(t.ctx, method, t.rest+path, bytes.NewReader(encoded))
	t.must(err)
	request.Header.Set("content-type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	t.must(err)
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode >= 300 {
		t.fatalf("%s %s: %d %s", method, path, answer.StatusCode, text)
	}
}

// turn sets knobs until the end of the case.
func (t *T) turn(which string, knobs map[string]any) {
	t.control("PATCH", "/emulator/"+which, knobs)
	t.cleanup(func() { t.control("DELETE", "/emulator/"+which, nil) })
}

func noRetry() gax.CallOption { return gax.WithRetry(func() gax.Retryer { return nil }) }

func createRequest(on *table) *storagepb.CreateWriteStreamRequest {
	return &storagepb.CreateWriteStreamRequest{
		Parent: on.parent, WriteStream: &storagepb.WriteStream{Type: storagepb.WriteStream_COMMITTED},
	}
}

// onIdle runs a case on the second emulator.
func onIdle(run func(t *T)) func(t *T) {
	return func(main *T) {
		t := &T{ctx: main.ctx, clients: main.idle}
		defer func() { main.failures = append(main.failures, t.failures...) }()
		defer t.cleanUp()
		run(t)
	}
}

var knobCases = []conformanceCase{
	{"case 57: a table just created is denied at times; a program that tries again gets its stream", onIdle(func(t *T) {
		t.turn("behavior", map[string]any{"tablePropagation": map[string]any{"windowMs": 60_000, "createStream": 1, "inARowMax": 2}})
		on := t.table(plain)
		for range 2 {
			_, err := t.writer.CreateWriteStream(t.ctx, createRequest(on))
			t.failed(err, codes.PermissionDenied)
			t.contains(err.Error(), "(or it may not exist)")
		}
		_, err := t.writer.CreateWriteStream(t.ctx, createRequest(on))
		t.must(err)
	})},
	{"case 61: a call closed for a restart is ABORTED in words, and a writer that retries does not notice", onIdle(func(t *T) {
		on, shape, writer := retrying(t)
		equal(t, "offset", writer.append(shape.ids(t, 0), at(0)), 0)
		call := t.call()
		call.send(firstRequest(writer.StreamName(), shape, shape.ids(t, 1)))
		equal(t, "offset", call.offset(), 1)
		t.control("POST", "/emulator/connections/restart", map[string]any{"stream": on.TableID})
		_, err := call.Recv()
		t.failed(err, codes.Aborted)
		t.contains(err.Error(), "Closing the stream because server is restarted. This is expected and client is advised to reconnect.")
		equal(t, "offset", writer.append(shape.ids(t, 2), at(2)), 2)
		t.rowsAre(on, 3)
	})},
	{"case 62: streams over the quota are refused in the words of the service", onIdle(func(t *T) {
		on := t.table(plain)
		t.turn("quotas", map[string]any{"createStreamsPerHour": 1})
		var err error
		for range 3 {
			if _, err = t.writer.CreateWriteStream(t.ctx, createRequest(on), noRetry()); err != nil {
				break
			}
		}
		t.failed(err, codes.ResourceExhausted)
		t.contains(err.Error(), "Exceeds 'CreateWriteStream requests' quota")
	})},
	{"case 63: connections over the quota fail when they open, those there already go on", onIdle(func(t *T) {
		on, shape, _ := committed(t, 0)
		stream, err := t.create(on, storagepb.WriteStream_COMMITTED)
		t.must(err)
		t.turn("quotas", map[string]any{"connections": 1})
		first, second := t.call(), t.call()
		first.send(firstRequest(stream.GetName(), shape, shape.ids(t, 0)))
		equal(t, "offset", first.offset(), 0)
		// Refused when it opens: sending may fail or not, the answer is the refusal.
		_ = second.Send(firstRequest(stream.GetName(), shape, shape.ids(t, 1)))
		_, err = second.Recv()
		t.failed(err, codes.ResourceExhausted)
		first.send(laterRequest(shape.ids(t, 1)))
		equal(t, "offset", first.offset(), 1)
		t.must(first.CloseSend())
	})},
	{"case 64: the 101st call on one channel waits until another ends", onIdle(func(t *T) {
		t.turn("behavior", map[string]any{"idleMs": 0})
		on := t.table(plain)
		shape := t.shapeOf(plain)
		raw, err := storage.NewBigQueryWriteClient(t.ctx, append(grpcOptions(t.grpc), option.WithGRPCConnectionPool(1))...)
		t.must(err)
		t.cleanup(func() { raw.Close() })
		open := func(ctx context.Context) *call {
			stream, err := raw.AppendRows(ctx)
			t.must(err)
			return &call{stream, t}
		}
		calls := make([]*call, 100)
		for i := range calls {
			calls[i] = open(t.ctx)
			calls[i].send(firstRequest(on.defaultStream(), shape, shape.ids(t, i)))
		}
		for _, one := range calls {
			_, err := one.Recv()
			t.must(err)
		}
		waiting := make(chan *call)
		go func() { waiting <- open(t.ctx) }()
		select {
		case <-waiting:
			t.fatalf("the 101st call was opened")
		case <-time.After(300 * time.Millisecond):
		}
		t.must(calls[0].CloseSend())
		_, _ = calls[0].Recv()
		last := <-waiting
		last.send(firstRequest(on.defaultStream(), shape, shape.ids(t, 100)))
		_, err = last.Recv()
		t.must(err)
		t.rowsAre(on, 101)
	})},
	{"case 65: a stream without traffic for its time to live is gone", onIdle(func(t *T) {
		on, shape, writer := committed(t, 1)
		writer.Close()
		t.turn("behavior", map[string]any{"ttlMs": map[string]any{"committed": 300}})
		time.Sleep(600 * time.Millisecond)
		call := t.call()
		call.send(firstRequest(writer.StreamName(), shape, shape.ids(t, 1)))
		_, err := call.Recv()
		t.failed(err, codes.NotFound)
		equal(t, "code", t.storageError(err).GetCode(), storagepb.StorageError_STREAM_NOT_FOUND)
		t.rowsAre(on, 1)
	})},
	{"case 67: with strict routing a call without the header is denied, Go's writer included, which sends none", onIdle(func(t *T) {
		t.turn("behavior", map[string]any{"routingHeader": "strict"})
		on, shape := t.table(plain), t.shapeOf(plain)
		writer := t.open(on, managedwriter.CommittedStream, shape.descriptor)
		err := writer.fails(shape.ids(t, 0), codes.PermissionDenied)
		t.contains(err.Error(), "'TABLES_UPDATE_DATA'")
		header := metadata.AppendToOutgoingContext(t.ctx, "x-goog-request-params", "write_stream="+url.QueryEscape(writer.StreamName()))
		stream, err := t.raw.AppendRows(header)
		t.must(err)
		routed := &call{stream, t}
		routed.send(firstRequest(writer.StreamName(), shape, shape.ids(t, 0)))
		equal(t, "offset", routed.offset(), 0)
		t.rowsAre(on, 1)
	})},
	{"§2.9: a missing table can be NOT_FOUND as documented", onIdle(func(t *T) {
		t.turn("behavior", map[string]any{"missingTable": "notFound"})
		_, err := t.create(t.named("missing"), storagepb.WriteStream_COMMITTED)
		t.failed(err, codes.NotFound)
		if strings.Contains(err.Error(), "may not exist") {
			t.fatalf("masked: %v", err)
		}
	})},
}
