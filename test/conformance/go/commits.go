// Cases 43–54: finalize, commit, flush; when rows are seen.
package main

import (
	"fmt"

	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
)

// pending is a table with a PENDING stream that has rows first…first+count-1, finalized or not.
func (t *T) pending(on *table, first, count int, finalized bool) *writer {
	shape := t.shapeOf(plain)
	writer := t.open(on, managedwriter.PendingStream, shape.descriptor)
	equal(t, "offset", writer.append(shape.ids(t, from(first, count)...)), 0)
	if finalized {
		writer.finalize(int64(count))
	}
	return writer
}

// finalize checks the count of rows it answers.
func (w *writer) finalize(want int64) {
	count, err := w.Finalize(w.t.ctx)
	w.t.must(err)
	equal(w.t, "row count", count, want)
}

func (t *T) commit(on *table, streams ...string) *storagepb.BatchCommitWriteStreamsResponse {
	response, err := t.writer.BatchCommitWriteStreams(t.ctx, &storagepb.BatchCommitWriteStreamsRequest{
		Parent: on.parent, WriteStreams: streams,
	})
	t.must(err)
	return response
}

// committed checks that a commit worked.
func (t *T) committed(response *storagepb.BatchCommitWriteStreamsResponse) {
	if response.GetCommitTime() == nil || len(response.GetStreamErrors()) > 0 {
		t.fatalf("not committed: %v", response)
	}
}

// uncommitted checks that a commit did nothing, and for which streams why.
func (t *T) uncommitted(response *storagepb.BatchCommitWriteStreamsResponse, want map[string]storagepb.StorageError_StorageErrorCode) {
	if response.GetCommitTime() != nil {
		t.fatalf("committed: %v", response)
	}
	got := map[string]storagepb.StorageError_StorageErrorCode{}
	for _, one := range response.GetStreamErrors() {
		got[one.GetEntity()] = one.GetCode()
	}
	equal(t, "errors", fmt.Sprint(got), fmt.Sprint(want))
}

// buffered is a table with a BUFFERED stream that has rows 0…count-1.
func (t *T) buffered(count int) (*table, shape, *writer) {
	on, shape := t.table(plain), t.shapeOf(plain)
	writer := t.open(on, managedwriter.BufferedStream, shape.descriptor)
	if count > 0 {
		equal(t, "offset", writer.append(shape.ids(t, from(0, count)...)), 0)
	}
	return on, shape, writer
}

func (w *writer) flush(to int64) {
	flushed, err := w.FlushRows(w.t.ctx, to)
	w.t.must(err)
	equal(w.t, "flushed", flushed, to)
}

type codesOf = map[string]storagepb.StorageError_StorageErrorCode

var commitCases = []conformanceCase{
	{"case 43: rows of a PENDING stream are not seen before the commit, finalized or not", func(t *T) {
		on := t.table(plain)
		writer := t.pending(on, 0, 2, false)
		t.rowsAre(on, 0)
		writer.finalize(2)
		t.rowsAre(on, 0)
	}},
	{"case 44: finalize counts the rows, and what is appended then is refused as STREAM_FINALIZED", func(t *T) {
		on, shape, writer := committed(t, 2)
		writer.finalize(2)
		err := writer.fails(shape.ids(t, 2), codes.InvalidArgument)
		t.contains(message(err), "Stream has been finalized")
		typed := t.storageError(err)
		equal(t, "code", typed.GetCode(), storagepb.StorageError_STREAM_FINALIZED)
		equal(t, "entity", typed.GetEntity(), writer.StreamName())
		t.rowsAre(on, 2)
	}},
	{"case 44: over a new connection too, and for a PENDING stream", func(t *T) {
		on, shape := t.table(plain), t.shapeOf(plain)
		writer := t.pending(on, 0, 2, true)
		err := t.reopen(writer.StreamName(), shape.descriptor).fails(shape.ids(t, 2), codes.InvalidArgument)
		equal(t, "code", t.storageError(err).GetCode(), storagepb.StorageError_STREAM_FINALIZED)
	}},
	{"case 45: finalize again counts the same", func(t *T) {
		writer := t.pending(t.table(plain), 0, 3, true)
		writer.finalize(3)
	}},
	{"case 46: a commit shows all rows at once and gives the stream its time", func(t *T) {
		on := t.table(plain)
		writer := t.pending(on, 0, 5, true)
		response := t.commit(on, writer.StreamName())
		t.committed(response)
		t.rowsAre(on, 5)
		stream := t.get(writer.StreamName(), storagepb.WriteStreamView_BASIC)
		equal(t, "commit time", stream.GetCommitTime().AsTime(), response.GetCommitTime().AsTime())
	}},
	{"case 46: several streams are committed together", func(t *T) {
		on := t.table(plain)
		one, two := t.pending(on, 0, 2, true), t.pending(on, 2, 3, true)
		t.committed(t.commit(on, one.StreamName(), two.StreamName()))
		t.rowsAre(on, 5)
		equal(t, "sum", t.row("SUM(id)", on)[0], any(int64(10)))
	}},
	{"case 47: a second commit says STREAM_ALREADY_COMMITTED, sets no time and adds no rows", func(t *T) {
		on := t.table(plain)
		writer := t.pending(on, 0, 2, true)
		t.committed(t.commit(on, writer.StreamName()))
		t.uncommitted(t.commit(on, writer.StreamName()), codesOf{writer.StreamName(): storagepb.StorageError_STREAM_ALREADY_COMMITTED})
		t.rowsAre(on, 2)
	}},
	{"case 48: a stream that is not finalized is not committed", func(t *T) {
		on := t.table(plain)
		writer := t.pending(on, 0, 2, false)
		t.uncommitted(t.commit(on, writer.StreamName()), codesOf{writer.StreamName(): storagepb.StorageError_INVALID_STREAM_STATE})
		t.rowsAre(on, 0)
	}},
	{"case 48: one bad stream keeps the good ones from being committed, and only it is named", func(t *T) {
		on := t.table(plain)
		good, bad := t.pending(on, 0, 2, true), t.pending(on, 2, 2, false)
		t.uncommitted(t.commit(on, good.StreamName(), bad.StreamName()), codesOf{bad.StreamName(): storagepb.StorageError_INVALID_STREAM_STATE})
		t.rowsAre(on, 0)
		bad.finalize(2)
		t.committed(t.commit(on, good.StreamName(), bad.StreamName()))
		t.rowsAre(on, 4)
	}},
	{"case 49: a COMMITTED stream cannot be committed", func(t *T) {
		on, _, writer := committed(t, 1)
		writer.finalize(1)
		response := t.commit(on, writer.StreamName())
		t.uncommitted(response, codesOf{writer.StreamName(): storagepb.StorageError_INVALID_STREAM_TYPE})
		t.contains(response.GetStreamErrors()[0].GetErrorMessage(), "Stream must be created in pending mode")
	}},
	{"case 49: nor can a BUFFERED one", func(t *T) {
		on, _, writer := t.buffered(1)
		t.uncommitted(t.commit(on, writer.StreamName()), codesOf{writer.StreamName(): storagepb.StorageError_INVALID_STREAM_TYPE})
	}},
	{"case 50: the default stream can be neither finalized nor flushed", func(t *T) {
		writer := t.open(t.table(plain), managedwriter.DefaultStream, t.shapeOf(plain).descriptor)
		_, err := writer.Finalize(t.ctx)
		t.failed(err, codes.InvalidArgument)
		_, err = writer.FlushRows(t.ctx, 0)
		t.failed(err, codes.InvalidArgument)
	}},
	{"case 51: of a BUFFERED stream each flush shows the rows up to its offset", func(t *T) {
		on, shape, writer := t.buffered(0)
		for i := range 5 {
			equal(t, "offset", writer.append(shape.ids(t, i)), int64(i))
			t.rowsAre(on, int64(i))
			writer.flush(int64(i))
			t.rowsAre(on, int64(i+1))
		}
		equal(t, "sum", t.row("SUM(id)", on)[0], any(int64(10)))
	}},
	{"case 51: a flush in the middle shows the rows before and at it, the next the rest", func(t *T) {
		on, _, writer := t.buffered(10)
		t.rowsAre(on, 0)
		writer.flush(3)
		t.rowsAre(on, 4)
		equal(t, "last", t.row("MAX(id)", on)[0], any(int64(3)))
		writer.flush(9)
		t.rowsAre(on, 10)
	}},
	{"case 52: a flush beyond the end is refused in words", func(t *T) {
		on, _, writer := t.buffered(2)
		_, err := writer.FlushRows(t.ctx, 4)
		t.failed(err, codes.OutOfRange)
		t.contains(message(err), "Offset 4 is beyond the end of the stream")
		t.rowsAre(on, 0)
	}},
	{"case 53: a flush to where it has been flushed is ALREADY_EXISTS and shows nothing twice", func(t *T) {
		on, _, writer := t.buffered(5)
		writer.flush(3)
		for _, to := range []int64{1, 3} {
			_, err := writer.FlushRows(t.ctx, to)
			t.failed(err, codes.AlreadyExists)
		}
		t.rowsAre(on, 4)
	}},
	{"case 54: after finalize no flush: what was not flushed is never seen", func(t *T) {
		on, _, writer := t.buffered(5)
		writer.flush(1)
		writer.finalize(5)
		_, err := writer.FlushRows(t.ctx, 4)
		t.failed(err, codes.InvalidArgument)
		t.rowsAre(on, 2)
	}},
}
