// Cases 29–35: rows that are refused, and what stands in for what rows do not say.
package main

import (
	"strings"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"cloud.google.com/go/bigquery/storage/managedwriter/testdata"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
)

const rowsRefused = "Errors found while processing rows. Please refer to the row_errors field for details. " +
	"The list may not be complete because of the size limitations. Entity: "

type mvi = storagepb.AppendRowsRequest_MissingValueInterpretation

const (
	asNull    = storagepb.AppendRowsRequest_NULL_VALUE
	asDefault = storagepb.AppendRowsRequest_DEFAULT_VALUE
)

var withRequired = bigquery.Schema{
	{Name: "id", Type: bigquery.IntegerFieldType, Required: true},
	{Name: "text", Type: bigquery.StringFieldType},
}

var rowCases = []conformanceCase{
	{"case 29: each bad row is told with its index and text, none is written, and good rows then are", func(t *T) {
		schema := bigquery.Schema{
			{Name: "foo", Type: bigquery.StringFieldType, MaxLength: 10},
			{Name: "bar", Type: bigquery.TimestampFieldType},
		}
		on, shape := t.table(schema), t.shapeOf(schema)
		writer := t.open(on, managedwriter.CommittedStream, shape.descriptor)
		response, err := t.refused(writer.send([][]byte{
			shape.row(t, `{"foo": "aaaaaaaaaaaa"}`),
			shape.row(t, `{"bar": "-9223372036854775808"}`),
			shape.row(t, `{"foo": "bbbbbbbbbbbbbbb"}`),
		}), codes.InvalidArgument)
		equal(t, "message", message(err), rowsRefused+writer.StreamName())
		want := []string{
			"Field foo: STRING(10) has maximum length 10 but got a value with length 12 on field foo.",
			"Timestamp field value is out of range: -9223372036854775808 on field bar.",
			"Field foo: STRING(10) has maximum length 10 but got a value with length 15 on field foo.",
		}
		equal(t, "row errors", len(response.GetRowErrors()), len(want))
		for i, row := range response.GetRowErrors() {
			equal(t, "index", row.GetIndex(), int64(i))
			equal(t, "code", row.GetCode(), storagepb.RowError_FIELDS_ERROR)
			equal(t, "text", row.GetMessage(), want[i])
		}
		t.rowsAre(on, 0)
		good := shape.row(t, `{"foo": "aaa", "bar": "1"}`)
		equal(t, "offset", writer.append([][]byte{good, good, good}), 0)
		t.rowsAre(on, 3)
	}},
	{"case 30: one bad row of three refuses the batch; the two good ones then go where it would have gone", func(t *T) {
		on, shape := t.table(withRequired), t.shapeOf(plain)
		writer := t.open(on, managedwriter.CommittedStream, shape.descriptor)
		equal(t, "offset", writer.append(shape.ids(t, 0), at(0)), 0)
		response, _ := t.refused(writer.send([][]byte{
			shape.ids(t, 1)[0], shape.row(t, `{"text": "no id"}`), shape.ids(t, 2)[0],
		}, at(1)), codes.InvalidArgument)
		equal(t, "row errors", len(response.GetRowErrors()), 1)
		equal(t, "index", response.GetRowErrors()[0].GetIndex(), int64(1))
		equal(t, "offset", writer.append(shape.ids(t, 1, 2), at(1)), 1)
		t.rowsAre(on, 3)
	}},
	{"case 31: a row without a REQUIRED column is a row error, told by the server", func(t *T) {
		on, shape := t.table(withRequired), t.shapeOf(withRequired)
		// Encoded as partial, so that the writer's own check does not stand before the server's.
		writer := t.open(on, managedwriter.DefaultStream, shape.descriptor)
		response, err := t.refused(writer.send([][]byte{t.encode(&testdata.SimpleMessageProto2{})}), codes.InvalidArgument)
		equal(t, "message", message(err), rowsRefused+on.defaultStream())
		equal(t, "row errors", len(response.GetRowErrors()), 1)
		t.rowsAre(on, 0)
	}},
	{"case 32: a first descriptor with an extra column ends the call, and says which kind of mismatch", func(t *T) {
		wide := t.shapeOf(append(bigquery.Schema{{Name: "extra", Type: bigquery.StringFieldType}}, plain...))
		on := t.table(plain)
		err := t.open(on, managedwriter.CommittedStream, wide.descriptor).fails([][]byte{wide.row(t, `{"id": "1"}`)}, codes.InvalidArgument)
		t.contains(message(err), "Schema mismatch due to extra fields in user schema")
		equal(t, "code", t.storageError(err).GetCode(), storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS)
		t.rowsAre(on, 0)
	}},
	{"case 33: columns the descriptor omits are NULL, or their defaults whatever the interpretation", func(t *T) {
		on := t.table(testdata.DefaultValueSchema)
		id := &testdata.DefaultValuesPartialSchema{Id: proto.String("a")}
		descriptor := protodesc.ToDescriptorProto(id.ProtoReflect().Descriptor())
		writer := t.open(on, managedwriter.DefaultStream, descriptor,
			managedwriter.WithDefaultMissingValueInterpretation(asNull))
		writer.append([][]byte{t.encode(id)})
		equal(t, "row", t.row("id, otherstr, otherstr_withdef", on), []bigquery.Value{"a", nil, "otherval"})
	}},
	{"case 34: what a row leaves out is NULL or the default, by request, by column and by connection", func(t *T) {
		on := t.table(testdata.DefaultValueSchema)
		row := func(id string) (*testdata.DefaultValuesPartialSchema, [][]byte) {
			message := &testdata.DefaultValuesPartialSchema{Id: proto.String(id)}
			return message, [][]byte{t.encode(message)}
		}
		first, rows := row("1: as it is")
		writer := t.open(on, managedwriter.DefaultStream, protodesc.ToDescriptorProto(first.ProtoReflect().Descriptor()))
		writer.append(rows)
		_, rows = row("2: by default")
		writer.append(rows, managedwriter.UpdateDefaultMissingValueInterpretation(asDefault))
		_, rows = row("3: but NULL in one column")
		writer.append(rows, managedwriter.UpdateMissingValueInterpretations(map[string]mvi{"strcol_withdef": asNull}))
		equal(t, "rows", t.query("SELECT id, strcol, strcol_withdef, intcol, intcol_withdef, otherstr, otherstr_withdef FROM "+on.sql+" ORDER BY id"), [][]bigquery.Value{
			{"1: as it is", nil, nil, nil, nil, nil, "otherval"},
			{"2: by default", nil, "defaultvalue", nil, int64(-99), nil, "otherval"},
			{"3: but NULL in one column", nil, nil, nil, int64(-99), nil, "otherval"},
		})
	}},
	{"case 34: the default interpretation outlives its request, that of columns does not", func(t *T) {
		on := t.table(testdata.DefaultValueSchema)
		id := &testdata.DefaultValuesPartialSchema{Id: proto.String("x")}
		rows := [][]byte{t.encode(id)}
		shape := shape{id.ProtoReflect().Descriptor(), protodesc.ToDescriptorProto(id.ProtoReflect().Descriptor())}
		stream, err := t.create(on, storagepb.WriteStream_COMMITTED)
		t.must(err)
		first := firstRequest(stream.GetName(), shape, rows)
		first.DefaultMissingValueInterpretation = asDefault
		first.MissingValueInterpretations = map[string]mvi{"intcol_withdef": asNull}
		call := t.call()
		call.send(first)
		call.send(laterRequest(rows))
		equal(t, "offsets", []int64{call.offset(), call.offset()}, []int64{0, 1})
		equal(t, "rows", t.query("SELECT strcol_withdef, intcol_withdef FROM "+on.sql+" ORDER BY intcol_withdef"), [][]bigquery.Value{
			{"defaultvalue", nil},
			{"defaultvalue", int64(-99)},
		})
	}},
	{"case 35: a REQUIRED column with a default may be left out when defaults are asked for", func(t *T) {
		on := t.table(bigquery.Schema{
			{Name: "id", Type: bigquery.StringFieldType, Required: true, DefaultValueExpression: "GENERATE_UUID()"},
			{Name: "text", Type: bigquery.StringFieldType},
		})
		shape := t.shapeOf(bigquery.Schema{{Name: "id", Type: bigquery.StringFieldType}, {Name: "text", Type: bigquery.StringFieldType}})
		writer := t.open(on, managedwriter.DefaultStream, shape.descriptor,
			managedwriter.WithDefaultMissingValueInterpretation(asDefault))
		writer.append([][]byte{shape.row(t, `{"text": "a"}`), shape.row(t, `{"text": "b"}`)})
		ids := t.query("SELECT id FROM " + on.sql)
		one, two := ids[0][0].(string), ids[1][0].(string)
		if one == two || len(one) != 36 || strings.Count(one, "-") != 4 {
			t.fatalf("ids: %v", ids)
		}
	}},
}
