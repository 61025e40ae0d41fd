// Rows, schemas and appends, in the words of the cases.
package main

import (
	"fmt"
	"strings"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"cloud.google.com/go/bigquery/storage/managedwriter/adapt"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// plain is the schema of the cases that are not about values.
var plain = bigquery.Schema{
	{Name: "id", Type: bigquery.IntegerFieldType},
	{Name: "text", Type: bigquery.StringFieldType},
}

// A shape is a writer schema and the message type to make rows with.
type shape struct {
	message    protoreflect.MessageDescriptor
	descriptor *descriptorpb.DescriptorProto
}

// shapeOf does what Google documents for rows of no generated type: table schema → message → normalized descriptor.
func (t *T) shapeOf(schema bigquery.Schema, options ...adapt.ProtoConversionOption) shape {
	tableSchema, err := adapt.BQSchemaToStorageTableSchema(schema)
	t.must(err)
	return t.shapeOfStorage(tableSchema, options...)
}

func (t *T) shapeOfStorage(schema *storagepb.TableSchema, options ...adapt.ProtoConversionOption) shape {
	descriptor, err := adapt.StorageSchemaToProtoDescriptorWithOptions(schema, "root", options...)
	t.must(err)
	return t.shapeOfMessage(descriptor.(protoreflect.MessageDescriptor))
}

func (t *T) shapeOfMessage(message protoreflect.MessageDescriptor) shape {
	normalized, err := adapt.NormalizeDescriptor(message)
	t.must(err)
	return shape{message, normalized}
}

// row encodes a row given as JSON.
func (s shape) row(t *T, format string, args ...any) []byte {
	message := dynamicpb.NewMessage(s.message)
	t.must(protojson.Unmarshal(fmt.Appendf(nil, format, args...), message))
	return t.encode(message)
}

func (t *T) encode(message proto.Message) []byte {
	encoded, err := proto.MarshalOptions{AllowPartial: true}.Marshal(message)
	t.must(err)
	return encoded
}

// ids are rows of the plain schema with these ids.
func (s shape) ids(t *T, ids ...int) [][]byte {
	rows := make([][]byte, len(ids))
	for i, id := range ids {
		rows[i] = s.row(t, `{"id": "%d", "text": "row %d"}`, id, id)
	}
	return rows
}

func from(first, count int) []int {
	ids := make([]int, count)
	for i := range ids {
		ids[i] = first + i
	}
	return ids
}

// A writer is a managed stream that knows its case.
type writer struct {
	*managedwriter.ManagedStream
	t *T
}

// open makes a stream of the type and a writer on it. The stream ends with the case.
func (t *T) open(on *table, kind managedwriter.StreamType, schema *descriptorpb.DescriptorProto, more ...managedwriter.WriterOption) *writer {
	return t.openOptions(append([]managedwriter.WriterOption{
		managedwriter.WithDestinationTable(on.parent),
		managedwriter.WithType(kind),
		managedwriter.WithSchemaDescriptor(schema),
	}, more...)...)
}

// reopen makes another writer on a stream that exists.
func (t *T) reopen(stream string, schema *descriptorpb.DescriptorProto, more ...managedwriter.WriterOption) *writer {
	return t.openOptions(append([]managedwriter.WriterOption{
		managedwriter.WithStreamName(stream),
		managedwriter.WithSchemaDescriptor(schema),
	}, more...)...)
}

func (t *T) openOptions(options ...managedwriter.WriterOption) *writer {
	stream, err := t.writer.NewManagedStream(t.ctx, options...)
	t.must(err)
	t.cleanup(func() { stream.Close() })
	return &writer{stream, t}
}

// send appends without waiting for the answer.
func (w *writer) send(rows [][]byte, options ...managedwriter.AppendOption) *managedwriter.AppendResult {
	result, err := w.AppendRows(w.t.ctx, rows, options...)
	w.t.must(err)
	return result
}

func at(offset int64) managedwriter.AppendOption { return managedwriter.WithOffset(offset) }

// accepted waits for the answer to an append that must succeed, and gives its offset.
func (t *T) accepted(result *managedwriter.AppendResult) int64 {
	offset, err := result.GetResult(t.ctx)
	t.must(err)
	return offset
}

// append appends rows that must be accepted, and gives their offset.
func (w *writer) append(rows [][]byte, options ...managedwriter.AppendOption) int64 {
	return w.t.accepted(w.send(rows, options...))
}

// refused waits for the answer to an append that must be refused in a response, not by the end of the call.
func (t *T) refused(result *managedwriter.AppendResult, code codes.Code) (*storagepb.AppendRowsResponse, error) {
	response, err := result.FullResponse(t.ctx)
	t.failed(err, code)
	if response.GetError() == nil {
		t.fatalf("the call ended, and the response should have told: %v", err)
	}
	return response, err
}

// fails appends rows that must be refused, in a response or by the end of the call.
func (w *writer) fails(rows [][]byte, code codes.Code, options ...managedwriter.AppendOption) error {
	result, err := w.AppendRows(w.t.ctx, rows, options...)
	if err == nil {
		_, err = result.GetResult(w.t.ctx)
	}
	w.t.failed(err, code)
	return err
}

// message is an error's text without what the client puts before it.
func message(err error) string {
	_, text, found := strings.Cut(err.Error(), " desc = ")
	if found {
		return text
	}
	return err.Error()
}
