// Cases 1–9: streams and what is told of them.
package main

import (
	"fmt"
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/grpc/codes"
)

func (t *T) create(on *table, kind storagepb.WriteStream_Type) (*storagepb.WriteStream, error) {
	return t.writer.CreateWriteStream(t.ctx, &storagepb.CreateWriteStreamRequest{
		Parent:      on.parent,
		WriteStream: &storagepb.WriteStream{Type: kind},
	})
}

func (t *T) get(name string, view storagepb.WriteStreamView) *storagepb.WriteStream {
	stream, err := t.writer.GetWriteStream(t.ctx, &storagepb.GetWriteStreamRequest{Name: name, View: view})
	t.must(err)
	return stream
}

func created(kind storagepb.WriteStream_Type) func(t *T) {
	return func(t *T) {
		on := t.table(plain)
		stream, err := t.create(on, kind)
		t.must(err)
		t.contains(stream.GetName(), on.parent+"/streams/")
		equal(t, "type", stream.GetType(), kind)
		// The schema is good for what Google's adapter makes of it: a descriptor to write with.
		shape := t.shapeOfStorage(stream.GetTableSchema())
		equal(t, "offset", t.reopen(stream.GetName(), shape.descriptor).append(shape.ids(t, 1), at(0)), 0)
	}
}

var streamCases = []conformanceCase{
	{"case 1: a COMMITTED stream is named under its table and comes with the full schema", created(storagepb.WriteStream_COMMITTED)},
	{"case 1: a PENDING stream is named under its table and comes with the full schema", created(storagepb.WriteStream_PENDING)},
	{"case 1: a BUFFERED stream is named under its table and comes with the full schema", created(storagepb.WriteStream_BUFFERED)},
	{"case 2: the BASIC view has no schema, the FULL view that of the table", func(t *T) {
		stream, err := t.create(t.table(plain), storagepb.WriteStream_COMMITTED)
		t.must(err)
		for _, view := range []storagepb.WriteStreamView{storagepb.WriteStreamView_BASIC, storagepb.WriteStreamView_WRITE_STREAM_VIEW_UNSPECIFIED} {
			if schema := t.get(stream.GetName(), view).GetTableSchema(); schema != nil {
				t.fatalf("%v: %v", view, schema)
			}
		}
		full := t.get(stream.GetName(), storagepb.WriteStreamView_FULL).GetTableSchema().GetFields()
		equal(t, "columns", len(full), 2)
		equal(t, "column", full[0].GetName()+" "+full[0].GetType().String(), "id INT64")
		equal(t, "column", full[1].GetName()+" "+full[1].GetType().String(), "text STRING")
	}},
	{"case 3: the default stream is COMMITTED, has a location and no times", func(t *T) {
		on := t.table(plain)
		stream := t.get(on.defaultStream(), storagepb.WriteStreamView_BASIC)
		equal(t, "name", stream.GetName(), on.defaultStream())
		equal(t, "type", stream.GetType(), storagepb.WriteStream_COMMITTED)
		equal(t, "location", stream.GetLocation(), "us")
		if stream.GetCreateTime() != nil || stream.GetCommitTime() != nil {
			t.fatalf("times: %v", stream)
		}
	}},
	{"case 4: a PENDING stream has a create time and no commit time before it is committed", func(t *T) {
		made, err := t.create(t.table(plain), storagepb.WriteStream_PENDING)
		t.must(err)
		stream := t.get(made.GetName(), storagepb.WriteStreamView_BASIC)
		if age := time.Since(stream.GetCreateTime().AsTime()).Abs(); age > time.Minute {
			t.fatalf("created %v ago", age)
		}
		if stream.GetCommitTime() != nil {
			t.fatalf("committed at %v", stream.GetCommitTime())
		}
	}},
	{"case 5: a stream is where its data set is", func(t *T) {
		dataset := t.bq.Dataset("go_east")
		t.must(dataset.Create(t.ctx, &bigquery.DatasetMetadata{Location: "us-east1"}))
		t.must(dataset.Table("t").Create(t.ctx, &bigquery.TableMetadata{Schema: plain}))
		made, err := t.create(&table{parent: managedwriter.TableParentFromParts(t.project, "go_east", "t")}, storagepb.WriteStream_COMMITTED)
		t.must(err)
		equal(t, "location", made.GetLocation(), "us-east1")
		equal(t, "location", t.get(made.GetName(), storagepb.WriteStreamView_BASIC).GetLocation(), "us-east1")
	}},
	{"case 6: a stream without a type is refused", func(t *T) {
		_, err := t.create(t.table(plain), storagepb.WriteStream_TYPE_UNSPECIFIED)
		t.failed(err, codes.InvalidArgument)
	}},
	{"case 7: a stream of a missing table is denied, as if it were forbidden", func(t *T) {
		_, err := t.create(t.named("missing"), storagepb.WriteStream_COMMITTED)
		t.failed(err, codes.PermissionDenied)
		t.contains(err.Error(), "Permission 'TABLES_UPDATE_DATA' denied on resource '"+t.named("missing").parent+"' (or it may not exist).")
	}},
	{"case 8: the first append to the default stream of a missing table is denied likewise", func(t *T) {
		// The managed writer looks the stream up first; the generated client goes straight to AppendRows.
		shape := t.shapeOf(plain)
		call := t.call()
		call.send(firstRequest(t.named("missing").defaultStream(), shape, shape.ids(t, 1)))
		_, err := call.Recv()
		t.failed(err, codes.PermissionDenied)
		t.contains(err.Error(), "(or it may not exist)")
	}},
	{"case 8: a managed writer on a missing table is not opened", func(t *T) {
		_, err := t.writer.NewManagedStream(t.ctx,
			managedwriter.WithDestinationTable(t.named("missing").parent),
			managedwriter.WithType(managedwriter.DefaultStream))
		t.failed(err, codes.PermissionDenied)
	}},
	{"case 9: both spellings of the default stream are the same stream", func(t *T) {
		on := t.table(plain)
		shape := t.shapeOf(plain)
		for i, name := range []string{on.defaultStream(), on.parent + "/_default"} {
			result := t.reopen(name, shape.descriptor).send(shape.ids(t, i))
			response, err := result.FullResponse(t.ctx)
			t.must(err)
			equal(t, "stream", response.GetWriteStream(), on.defaultStream())
		}
		t.rowsAre(on, 2)
	}},
}

// A call is AppendRows through the generated client.
type call struct {
	storagepb.BigQueryWrite_AppendRowsClient
	t *T
}

func (t *T) call() *call {
	stream, err := t.raw.AppendRows(t.ctx)
	t.must(err)
	return &call{stream, t}
}

func (c *call) send(request *storagepb.AppendRowsRequest) { c.t.must(c.Send(request)) }

func (c *call) offset() int64 {
	response, err := c.Recv()
	c.t.must(err)
	if response.GetError() != nil || response.GetAppendResult().GetOffset() == nil {
		c.t.fatalf("no offset: %v", response)
	}
	return response.GetAppendResult().GetOffset().GetValue()
}

func firstRequest(stream string, shape shape, rows [][]byte) *storagepb.AppendRowsRequest {
	request := laterRequest(rows)
	request.WriteStream = stream
	request.GetProtoRows().WriterSchema = &storagepb.ProtoSchema{ProtoDescriptor: shape.descriptor}
	request.TraceId = fmt.Sprint("conformance:", len(rows))
	return request
}

func laterRequest(rows [][]byte) *storagepb.AppendRowsRequest {
	return &storagepb.AppendRowsRequest{Rows: &storagepb.AppendRowsRequest_ProtoRows{
		ProtoRows: &storagepb.AppendRowsRequest_ProtoData{Rows: &storagepb.ProtoRows{SerializedRows: rows}},
	}}
}
