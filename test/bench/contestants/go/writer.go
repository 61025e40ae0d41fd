// One partition's stream.
package main

import (
	"context"
	"log"

	"cloud.google.com/go/bigquery/storage/managedwriter"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// Of JSON, per request: a batch of the others.
	requestBytes = 2 << 20
	inFlightMax  = 4
)

type pending struct {
	result   *managedwriter.AppendResult
	firstRow int64
	last     *kgo.Record
}

type partitionWriter struct {
	ctx        context.Context
	stream     *managedwriter.ManagedStream
	rows       *rowEncoder
	nextRow    int64
	unanswered chan pending
}

// openWriter makes the stream; `acknowledged` is told the last record of each append that landed.
func openWriter(ctx context.Context, client *managedwriter.Client, table string, rows *rowEncoder, acknowledged func(...*kgo.Record)) *partitionWriter {
	stream, err := client.NewManagedStream(ctx,
		managedwriter.WithDestinationTable(table),
		managedwriter.WithType(managedwriter.CommittedStream),
		managedwriter.WithSchemaDescriptor(rows.descriptor))
	check(err)
	writer := &partitionWriter{ctx: ctx, stream: stream, rows: rows, unanswered: make(chan pending, inFlightMax)}
	go func() {
		for one := range writer.unanswered {
			offset, err := one.result.GetResult(ctx)
			if ctx.Err() != nil {
				return
			}
			check(err)
			if offset != one.firstRow {
				log.Fatalf("an append at %d landed at %d", one.firstRow, offset)
			}
			acknowledged(one.last)
		}
	}()
	return writer
}

// take sends the records; it blocks while too much is in flight.
func (w *partitionWriter) take(records []*kgo.Record) {
	encoded := make([][]byte, 0, len(records))
	bytes := 0
	for i, record := range records {
		encoded = append(encoded, w.rows.encode(record.Value))
		bytes += len(record.Value)
		if bytes >= requestBytes || i == len(records)-1 {
			w.send(encoded, record)
			encoded, bytes = make([][]byte, 0, len(records)-i), 0
		}
	}
}

func (w *partitionWriter) send(encoded [][]byte, last *kgo.Record) {
	result, err := w.stream.AppendRows(w.ctx, encoded, managedwriter.WithOffset(w.nextRow))
	if w.ctx.Err() != nil {
		return
	}
	check(err)
	w.unanswered <- pending{result, w.nextRow, last}
	w.nextRow += int64(len(encoded))
}
