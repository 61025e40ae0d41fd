// REST v2 through cloud.google.com/go/bigquery: what programs do around the Write API.
package main

import (
	"errors"
	"net/http"

	"cloud.google.com/go/bigquery"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
)

func (t *T) httpStatus(err error, want int) {
	var api *googleapi.Error
	if !errors.As(err, &api) {
		t.fatalf("no API error: %v", err)
	}
	equal(t, "HTTP status", api.Code, want)
}

var restCases = []conformanceCase{
	{"REST: an endpoint without /bigquery/v2 works like one with it", func(t *T) {
		bare, err := bigquery.NewClient(t.ctx, t.project, option.WithEndpoint(t.rest), option.WithoutAuthentication())
		t.must(err)
		mine := &T{ctx: t.ctx, clients: &clients{bq: bare, project: t.project, dataset: t.dataset}}
		defer func() { t.failures = append(t.failures, mine.failures...) }()
		mine.rowsAre(mine.table(plain), 0)
	}},
	{"REST: a table is described as it was created, and is changed by its ETag only", func(t *T) {
		on := t.table(wider)
		metadata, err := on.Metadata(t.ctx)
		t.must(err)
		equal(t, "columns", len(metadata.Schema), 3)
		equal(t, "type", metadata.Schema[0].Type, bigquery.IntegerFieldType)
		updated, err := on.Update(t.ctx, bigquery.TableMetadataToUpdate{Description: "new"}, metadata.ETag)
		t.must(err)
		equal(t, "description", updated.Description, "new")
		_, err = on.Update(t.ctx, bigquery.TableMetadataToUpdate{Description: "late"}, metadata.ETag)
		t.httpStatus(err, http.StatusPreconditionFailed)
	}},
	{"REST: what is missing is 404, what is there already 409", func(t *T) {
		_, err := t.named("missing").Metadata(t.ctx)
		t.httpStatus(err, http.StatusNotFound)
		t.httpStatus(t.table(plain).Create(t.ctx, nil), http.StatusConflict)
		_, err = t.bq.Query("SELECT * FROM " + t.named("missing").sql).Read(t.ctx)
		t.httpStatus(err, http.StatusNotFound)
	}},
	{"REST: tables and data sets are listed", func(t *T) {
		on := t.table(plain)
		tables := t.bq.Dataset(t.dataset).Tables(t.ctx)
		tables.PageInfo().MaxSize = 3
		found := false
		for {
			table, err := tables.Next()
			if err == iterator.Done {
				break
			}
			t.must(err)
			found = found || table.TableID == on.TableID
		}
		equal(t, "listed", found, true)
		dataset, err := t.bq.Datasets(t.ctx).Next()
		t.must(err)
		if dataset.DatasetID == "" {
			t.fatalf("a data set without a name")
		}
	}},
	{"REST: rows of a table are read page by page, in the order they were written", func(t *T) {
		on, shape, writer := committed(t, 0)
		writer.append(shape.ids(t, from(0, 250)...))
		rows := on.Read(t.ctx)
		rows.PageInfo().MaxSize = 100
		for i := range 250 {
			var row []bigquery.Value
			t.must(rows.Next(&row))
			equal(t, "id", row[0], bigquery.Value(int64(i)))
		}
		equal(t, "end", rows.Next(&[]bigquery.Value{}), error(iterator.Done))
	}},
	{"REST: a query runs as a job too, with parameters", func(t *T) {
		on, shape := t.table(plain), t.shapeOf(plain)
		t.open(on, managedwriter.DefaultStream, shape.descriptor).append(shape.ids(t, 1, 2, 3))
		query := t.bq.Query("SELECT text FROM " + on.sql + " WHERE id = @id")
		query.Parameters = []bigquery.QueryParameter{{Name: "id", Value: 2}}
		job, err := query.Run(t.ctx)
		t.must(err)
		status, err := job.Wait(t.ctx)
		t.must(err)
		t.must(status.Err())
		rows, err := job.Read(t.ctx)
		t.must(err)
		var row []bigquery.Value
		t.must(rows.Next(&row))
		equal(t, "row", row, []bigquery.Value{"row 2"})
	}},
	{"REST: NULLs come first in ascending order", func(t *T) {
		on, shape := t.table(plain), t.shapeOf(plain)
		t.open(on, managedwriter.DefaultStream, shape.descriptor).append([][]byte{shape.row(t, `{"id": "1"}`), shape.row(t, `{}`)})
		equal(t, "rows", t.query("SELECT id FROM "+on.sql+" ORDER BY id"), [][]bigquery.Value{{nil}, {int64(1)}})
		equal(t, "rows", t.query("SELECT id FROM "+on.sql+" ORDER BY id DESC"), [][]bigquery.Value{{int64(1)}, {nil}})
	}},
}
