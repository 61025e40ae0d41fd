// Cases 55–59: tables that change under a writer, and CDC.
package main

import (
	"time"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"cloud.google.com/go/bigquery/storage/managedwriter/testdata"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

var wider = append(append(bigquery.Schema{}, plain...), &bigquery.FieldSchema{Name: "other", Type: bigquery.StringFieldType})

func (t *T) widen(on *table) {
	_, err := on.Update(t.ctx, bigquery.TableMetadataToUpdate{Schema: wider}, "")
	t.must(err)
}

// evolves widens a table under a writer and goes on, first as before, then with the new column.
func evolves(kind managedwriter.StreamType) func(t *T) {
	return func(t *T) {
		on, narrow := t.table(plain), t.shapeOf(plain)
		writer := t.open(on, kind, narrow.descriptor)
		rows := 0
		next := func(shape shape) *managedwriter.AppendResult {
			result := writer.send(shape.ids(t, rows))
			t.accepted(result)
			rows++
			return result
		}
		schema, err := next(narrow).UpdatedSchema(t.ctx)
		t.must(err)
		if schema != nil {
			t.fatalf("updated without a change: %v", schema)
		}
		t.widen(on)
		var updated *storagepb.TableSchema
		for deadline := time.Now().Add(10 * time.Second); updated == nil && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			updated, err = next(narrow).UpdatedSchema(t.ctx)
			t.must(err)
		}
		equal(t, "columns told", len(updated.GetFields()), 3)
		equal(t, "new column", updated.GetFields()[2].GetName(), "other")
		wide := t.shapeOfStorage(updated)
		result := writer.send([][]byte{wide.row(t, `{"id": "-1", "other": "new"}`)}, managedwriter.UpdateSchemaDescriptor(wide.descriptor))
		offset := t.accepted(result)
		if kind != managedwriter.DefaultStream {
			equal(t, "offset", offset, int64(rows))
		}
		t.rowsAre(on, int64(rows+1))
		equal(t, "new value", t.query("SELECT id, other FROM "+on.sql+" WHERE other IS NOT NULL"), [][]bigquery.Value{{int64(-1), "new"}})
	}
}

func employee(id int64, name string, salary int64, change string, departments ...string) *testdata.ExampleEmployeeCDC {
	return &testdata.ExampleEmployeeCDC{
		Id: proto.Int64(id), Username: proto.String(name), GivenName: proto.String(name), Departments: departments,
		Salary: proto.Int64(salary), XCHANGE_TYPE: proto.String(change),
	}
}

func (t *T) employees() (*table, shape) {
	on := t.tableWith(&bigquery.TableMetadata{
		Schema: testdata.ExampleEmployeeSchema,
		TableConstraints: &bigquery.TableConstraints{
			PrimaryKey: &bigquery.PrimaryKey{Columns: []string{"id"}},
		},
		Clustering: &bigquery.Clustering{Fields: []string{"id"}},
	})
	return on, t.shapeOfMessage((&testdata.ExampleEmployeeCDC{}).ProtoReflect().Descriptor())
}

var schemaCases = []conformanceCase{
	{"case 55: a COMMITTED writer is told of a wider table, and goes on with the new column at the next offset", evolves(managedwriter.CommittedStream)},
	{"case 55: so is one on the default stream", evolves(managedwriter.DefaultStream)},
	{"case 55: before the table is wider, the new column is a mismatch", func(t *T) {
		on, shape, writer := committed(t, 1)
		wide := t.shapeOf(wider)
		err := writer.fails([][]byte{wide.row(t, `{"other": "new"}`)}, codes.InvalidArgument, managedwriter.UpdateSchemaDescriptor(wide.descriptor))
		equal(t, "code", t.storageError(err).GetCode(), storagepb.StorageError_SCHEMA_MISMATCH_EXTRA_FIELDS)
		t.widen(on)
		again := t.reopen(writer.StreamName(), wide.descriptor)
		equal(t, "offset", again.append([][]byte{wide.row(t, `{"other": "new"}`)}, at(1)), 1)
		equal(t, "offset", t.reopen(writer.StreamName(), shape.descriptor).append(shape.ids(t, 2), at(2)), 2)
	}},
	{"case 56: streams of a dropped table are gone, and what replaces it has none of the old rows", func(t *T) {
		on, shape, writer := committed(t, 2)
		t.must(on.Delete(t.ctx))
		if _, err := writer.AppendRows(t.ctx, shape.ids(t, 2)); err == nil {
			result, _ := writer.AppendRows(t.ctx, shape.ids(t, 3))
			if result != nil {
				if _, err := result.GetResult(t.ctx); err == nil {
					t.fatalf("an append to a dropped table was accepted")
				}
			}
		}
		t.must(on.Create(t.ctx, &bigquery.TableMetadata{Schema: plain}))
		_, err := t.writer.NewManagedStream(t.ctx, managedwriter.WithStreamName(writer.StreamName()), managedwriter.WithSchemaDescriptor(shape.descriptor))
		if err == nil {
			t.fatalf("the old stream is found on the new table")
		}
		t.rowsAre(on, 0)
		equal(t, "offset", t.open(on, managedwriter.CommittedStream, shape.descriptor).append(shape.ids(t, 0)), 0)
		t.rowsAre(on, 1)
	}},
	{"case 58: INSERT on a COMMITTED stream, then UPSERT and DELETE on the default stream", func(t *T) {
		on, shape := t.employees()
		t.open(on, managedwriter.CommittedStream, shape.descriptor).append([][]byte{
			t.encode(employee(1, "alice", 1, "INSERT", "product", "support")),
			t.encode(employee(2, "bob", 100000, "INSERT", "research")),
			t.encode(employee(3, "clarice", 100001, "INSERT", "product")),
		})
		t.rowsAre(on, 3)
		changes := t.open(on, managedwriter.DefaultStream, shape.descriptor)
		changes.append([][]byte{t.encode(employee(2, "bob", 105000, "UPSERT", "research", "product"))})
		changes.append([][]byte{t.encode(&testdata.ExampleEmployeeCDC{Id: proto.Int64(3), XCHANGE_TYPE: proto.String("DELETE")})})
		changes.append([][]byte{t.encode(employee(4, "dora", 7, "UPSERT"))})
		equal(t, "rows", t.query("SELECT id, username, departments, salary FROM "+on.sql+" ORDER BY id"), [][]bigquery.Value{
			{int64(1), "alice", []bigquery.Value{"product", "support"}, int64(1)},
			{int64(2), "bob", []bigquery.Value{"research", "product"}, int64(105000)},
			{int64(4), "dora", []bigquery.Value(nil), int64(7)},
		})
	}},
	{"case 58: an UPSERT replaces the whole row: what it leaves out is NULL", func(t *T) {
		on, shape := t.employees()
		changes := t.open(on, managedwriter.DefaultStream, shape.descriptor)
		changes.append([][]byte{t.encode(employee(1, "alice", 1, "UPSERT", "product"))})
		changes.append([][]byte{t.encode(&testdata.ExampleEmployeeCDC{Id: proto.Int64(1), Salary: proto.Int64(2), XCHANGE_TYPE: proto.String("UPSERT")})})
		equal(t, "row", t.row("id, username, departments, salary", on), []bigquery.Value{int64(1), nil, []bigquery.Value(nil), int64(2)})
	}},
	{"case 59: UPSERT on a COMMITTED stream is no valid change type", func(t *T) {
		on, shape := t.employees()
		err := t.open(on, managedwriter.CommittedStream, shape.descriptor).
			fails([][]byte{t.encode(employee(1, "alice", 1, "UPSERT"))}, codes.InvalidArgument)
		response := message(err)
		for _, row := range t.rowErrors(err, on, shape) {
			response += row
		}
		t.contains(response, "The given value is not a valid CHANGE_TYPE in insert mode: UPSERT")
		t.rowsAre(on, 0)
	}},
}

// rowErrors asks once more, for the text may be that of the row.
func (t *T) rowErrors(_ error, on *table, shape shape) []string {
	result := t.open(on, managedwriter.CommittedStream, shape.descriptor).send([][]byte{t.encode(employee(1, "alice", 1, "UPSERT"))})
	response, _ := result.FullResponse(t.ctx)
	var texts []string
	for _, row := range response.GetRowErrors() {
		texts = append(texts, row.GetMessage())
	}
	return texts
}
