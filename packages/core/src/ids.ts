// Names and positions of the domain. Offsets are branded bigints: a Kafka offset can never be passed where a stream offset is meant.

declare const brand: unique symbol
type Brand<T, B extends string> = T & { readonly [brand]: B }

/** Offset in a Kafka partition. As a position it always means *the next record to read*. */
export type KafkaOffset = Brand<bigint, 'KafkaOffset'>
/** Row number in a BigQuery write stream. As a position it always means *the next row to append*. */
export type StreamOffset = Brand<bigint, 'StreamOffset'>

export const kafkaOffset = (value: bigint | number | string): KafkaOffset => BigInt(value) as KafkaOffset
export const streamOffset = (value: bigint | number | string): StreamOffset => BigInt(value) as StreamOffset

export type TopicPartition = { readonly topic: string; readonly partition: number }
/** `topic-partition`, Kafka's usual spelling; unique because the partition is the part after the last dash. */
export const formatTopicPartition = (tp: TopicPartition): string => `${tp.topic}-${tp.partition}`
export const parseTopicPartition = (text: string): TopicPartition => {
  const dash = text.lastIndexOf('-')
  return { topic: text.slice(0, dash), partition: Number(text.slice(dash + 1)) }
}

/** One connector under one name from create to delete; a connector re-created with the same name is another incarnation. */
export type Incarnation = Brand<string, 'Incarnation'>
/** Random id of one process start; what leases, membership and claims carry. Never `host:port`, which a restart would share. */
export type WorkerId = Brand<string, 'WorkerId'>

/** Full resource name `projects/P/datasets/D/tables/T`. */
export type TableName = Brand<string, 'TableName'>
/** Full resource name `projects/P/datasets/D/tables/T/streams/S`. */
export type StreamName = Brand<string, 'StreamName'>

export const tableName = (project: string, dataset: string, table: string): TableName =>
  `projects/${project}/datasets/${dataset}/tables/${table}` as TableName
export const parseTableName = (name: TableName): { project: string; dataset: string; table: string } => {
  const parts = name.split('/')
  return { project: parts[1] ?? '', dataset: parts[3] ?? '', table: parts[5] ?? '' }
}
/** The table a write stream belongs to. */
export const tableOfStream = (stream: StreamName): TableName =>
  stream.slice(0, stream.indexOf('/streams/')) as TableName
