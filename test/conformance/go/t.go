// What a case is given: its clients, its tables, and checks that end it when they fail.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"

	"cloud.google.com/go/bigquery"
	storage "cloud.google.com/go/bigquery/storage/apiv1"
	"cloud.google.com/go/bigquery/storage/apiv1/storagepb"
	"cloud.google.com/go/bigquery/storage/managedwriter"
	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// clients are Google's, pointed at one emulator.
type clients struct {
	project, dataset, grpc, rest string
	writer                       *managedwriter.Client
	// The generated client under the managed writer, for what the writer cannot say.
	raw  *storage.BigQueryWriteClient
	bq   *bigquery.Client
	idle *clients
}

func grpcOptions(address string) []option.ClientOption {
	return []option.ClientOption{
		option.WithEndpoint(address),
		option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
}

func dial(ctx context.Context, address, rest, project, dataset string) (*clients, error) {
	writer, err := managedwriter.NewClient(ctx, project, grpcOptions(address)...)
	if err != nil {
		return nil, err
	}
	raw, err := storage.NewBigQueryWriteClient(ctx, grpcOptions(address)...)
	if err != nil {
		return nil, err
	}
	bq, err := bigquery.NewClient(ctx, project, option.WithEndpoint(rest+"/bigquery/v2/"), option.WithoutAuthentication())
	if err != nil {
		return nil, err
	}
	return &clients{project: project, dataset: dataset, grpc: address, rest: rest, writer: writer, raw: raw, bq: bq}, nil
}

// T is one run of one case.
type T struct {
	ctx context.Context
	*clients
	failures []string
	cleanups []func()
}

func (t *T) cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *T) cleanUp() {
	for i := len(t.cleanups) - 1; i >= 0; i-- {
		t.cleanups[i]()
	}
}

// fatalf ends the case.
func (t *T) fatalf(format string, args ...any) {
	_, file, line, _ := runtime.Caller(1)
	for depth := 2; strings.HasSuffix(file, "/t.go") && depth < 6; depth++ {
		_, file, line, _ = runtime.Caller(depth)
	}
	at := file[strings.LastIndex(file, "/")+1:]
	t.failures = append(t.failures, fmt.Sprintf("%s:%d: ", at, line)+fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// must ends the case when there is an error.
func (t *T) must(err error) {
	if err != nil {
		t.fatalf("%v", err)
	}
}

func equal[V any](t *T, what string, got, want V) {
	if !reflect.DeepEqual(got, want) {
		t.fatalf("%s: got %v, want %v", what, got, want)
	}
}

func (t *T) contains(text, part string) {
	if !strings.Contains(text, part) {
		t.fatalf("%q lacks %q", text, part)
	}
}

// failed checks the gRPC code of an error, however the client wrapped it.
func (t *T) failed(err error, code codes.Code) {
	if err == nil {
		t.fatalf("no error, want %v", code)
	}
	if got := codeOf(err); got != code {
		t.fatalf("got %v, want %v: %v", got, code, err)
	}
}

func codeOf(err error) codes.Code {
	var api *apierror.APIError
	if errors.As(err, &api) && api.GRPCStatus() != nil {
		return api.GRPCStatus().Code()
	}
	return status.Code(err)
}

// storageError is the StorageError in the details of an error, which is where Go programs find it.
func (t *T) storageError(err error) *storagepb.StorageError {
	api, ok := apierror.FromError(err)
	if !ok {
		t.fatalf("no API error: %v", err)
	}
	found := &storagepb.StorageError{}
	if e := api.Details().ExtractProtoMessage(found); e != nil {
		t.fatalf("no StorageError in %v: %v", err, e)
	}
	return found
}

// A table of the case's own.
type table struct {
	*bigquery.Table
	parent string
	sql    string
}

func (t *table) defaultStream() string { return t.parent + "/streams/_default" }

var tableCount atomic.Int64

func (t *T) table(schema bigquery.Schema) *table {
	return t.tableWith(&bigquery.TableMetadata{Schema: schema})
}

func (t *T) tableWith(metadata *bigquery.TableMetadata) *table {
	id := fmt.Sprintf("go_%d_", tableCount.Add(1))
	made := t.bq.Dataset(t.dataset).Table(id)
	t.must(made.Create(t.ctx, metadata))
	return t.named(id)
}

func (t *T) named(id string) *table {
	return &table{
		Table:  t.bq.Dataset(t.dataset).Table(id),
		parent: managedwriter.TableParentFromParts(t.project, t.dataset, id),
		sql:    fmt.Sprintf("`%s.%s.%s`", t.project, t.dataset, id),
	}
}

func (t *T) query(sql string) [][]bigquery.Value {
	rows, err := t.bq.Query(sql).Read(t.ctx)
	t.must(err)
	all := [][]bigquery.Value{}
	for {
		var row []bigquery.Value
		err := rows.Next(&row)
		if err == iterator.Done {
			return all
		}
		t.must(err)
		all = append(all, row)
	}
}

// row reads the one row of a table.
func (t *T) row(columns string, from *table) []bigquery.Value {
	rows := t.query("SELECT " + columns + " FROM " + from.sql)
	equal(t, "rows", len(rows), 1)
	return rows[0]
}

func (t *T) count(of *table) int64 { return t.row("COUNT(*)", of)[0].(int64) }

// rowsAre checks what a query sees.
func (t *T) rowsAre(of *table, want int64) {
	if got := t.count(of); got != want {
		t.fatalf("%d rows, want %d", got, want)
	}
}

// fault sets a fault for one table; see packages/emulator/README.md.
func (t *T) fault(of *table, fault map[string]any) {
	if fault["stream"] == nil {
		fault["stream"] = "/" + of.TableID + "/"
	}
	body, _ := json.Marshal(fault)
	answer, err := http.Post(t.rest+"/emulator/faults", "application/json", bytes.NewReader(body))
	t.must(err)
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		t.fatalf("fault: %d %s", answer.StatusCode, text)
	}
}
