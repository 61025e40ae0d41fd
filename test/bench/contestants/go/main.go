// franz-go and Google's managedwriter, written as their documentation has it: one COMMITTED stream per partition with explicit
// offsets, several appends in flight on each, Kafka offsets committed for what is acknowledged. Rows are messages of the table's own
// descriptor (adapt, dynamicpb), read from JSON by protojson. The task is JSON in the first argument: see ../task.ts.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"cloud.google.com/go/bigquery/storage/managedwriter"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// As much as a request of the others carries.
const fetchBytes = 2 << 20

// HTTP/2 connections take 100 calls at a time.
const streamsPerConnection = 50

type task struct {
	Broker  string `json:"broker"`
	GroupID string `json:"groupId"`
	Grpc    string `json:"grpc"`
	Project string `json:"project"`
	Dataset string `json:"dataset"`
	Topics  []struct {
		Topic string `json:"topic"`
		Table string `json:"table"`
	} `json:"topics"`
	Partitions int             `json:"partitions"`
	Fields     json.RawMessage `json:"fields"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var told task
	check(json.Unmarshal([]byte(os.Args[1]), &told))
	rows, err := newRowEncoder(told.Fields)
	check(err)
	connections := 1 + len(told.Topics)*told.Partitions/streamsPerConnection
	writer, err := managedwriter.NewClient(ctx, told.Project,
		option.WithEndpoint(told.Grpc), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
		option.WithGRPCConnectionPool(connections))
	check(err)
	tables := map[string]string{}
	topics := []string{}
	for _, one := range told.Topics {
		tables[one.Topic] = "projects/" + told.Project + "/datasets/" + told.Dataset + "/tables/" + one.Table
		topics = append(topics, one.Topic)
	}
	kafka, err := kgo.NewClient(
		kgo.SeedBrokers(told.Broker), kgo.ConsumerGroup(told.GroupID), kgo.ConsumeTopics(topics...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxPartitionBytes(fetchBytes), kgo.AutoCommitMarks())
	check(err)
	consume(ctx, kafka, func(topic string, partition int32) *partitionWriter {
		return openWriter(ctx, writer, tables[topic], rows, kafka.MarkCommitRecords)
	})
}

type place struct {
	topic     string
	partition int32
}

// consume gives the records of each partition to a goroutine of its own.
func consume(ctx context.Context, kafka *kgo.Client, open func(topic string, partition int32) *partitionWriter) {
	writers := map[place]*partitionWriter{}
	for {
		fetches := kafka.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fetches.EachError(func(topic string, partition int32, err error) { log.Fatal(topic, partition, err) })
		var polled sync.WaitGroup
		fetches.EachPartition(func(part kgo.FetchTopicPartition) {
			if len(part.Records) == 0 {
				return
			}
			at := place{part.Topic, part.Partition}
			if writers[at] == nil {
				writers[at] = open(part.Topic, part.Partition)
			}
			polled.Go(func() { writers[at].take(part.Records) })
		})
		polled.Wait()
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
