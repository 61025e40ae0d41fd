// KafkaJS and Google's Node writer, as their documentation has it: `eachBatch` with several partitions at a time, one COMMITTED
// stream per partition with explicit offsets, up to four appends in flight on each, Kafka offsets committed for what is
// acknowledged. Rows are encoded by a protobufjs type of the table's descriptor and go out through managedwriter.Writer, as in
// Google's samples; JSONWriter copies each row before it does the same, and is slower. A batch of KafkaJS is a request: up to 2 MiB
// of JSON. https://kafka.js.org/docs/consuming#each-batch https://cloud.google.com/bigquery/docs/write-api-streaming
import { adapt, managedwriter } from '@google-cloud/bigquery-storage'
import { credentials } from '@grpc/grpc-js'
import { PassThroughClient } from 'google-auth-library'
import { type EachBatchPayload, Kafka, logLevel } from 'kafkajs'
import type { Field } from '../../e2e/support/stage.ts'
import { rowTypeOf } from './google-row-type.ts'
import { type ProgramTask, programTask } from './task.ts'

const FETCH_BYTES = 2 * 1024 * 1024
const IN_FLIGHT_MAX = 4
/** As Kafka's own consumers do. */
const COMMIT_EVERY_MS = 5_000
/** HTTP/2 connections take 100 calls at a time. */
const STREAMS_PER_CLIENT = 50

const task = programTask()
const schema = adapt.convertBigQuerySchemaToStorageTableSchema({ fields: task.fields } as object)
const descriptor = adapt.convertStorageSchemaToProto2Descriptor(schema, 'root')
const rowType = rowTypeOf(descriptor)
const prepare = preparation(task.fields)

/** In place: JSON's strings and numbers where protobuf wants another type; null when all of them fit as they are. */
type Prepare = (record: Record<string, unknown>) => void
function preparation(fields: readonly Field[]): Prepare | null {
  const steps = fields.flatMap(field => {
    const change = changeOf(field)
    return change === null ? [] : [{ name: field.name, isRepeated: field['mode'] === 'REPEATED', change }]
  })
  if (steps.length === 0) return null
  return record => {
    for (const { name, isRepeated, change } of steps) {
      const value = record[name]
      if (value === null || value === undefined) continue
      record[name] = isRepeated ? (value as unknown[]).map(change) : change(value)
    }
  }
}
function changeOf(field: Field): ((value: unknown) => unknown) | null {
  if (field.type === 'TIMESTAMP') return value => Date.parse(value as string) * 1000
  if (field.type === 'NUMERIC') return String
  if (field.type !== 'STRUCT') return null
  const within = preparation(field['fields'] as readonly Field[])
  return within === null
    ? null
    : value => {
        within(value as Record<string, unknown>)
        return value
      }
}

function writerClient({ grpc, project }: ProgramTask): managedwriter.WriterClient {
  const [apiEndpoint = '', port] = grpc.split(':')
  return new managedwriter.WriterClient({
    projectId: project,
    apiEndpoint,
    port: Number(port),
    sslCreds: credentials.createInsecure(),
    authClient: new PassThroughClient() as never, // each of Google's packages brings its own google-auth-library
    'grpc.use_local_subchannel_pool': 1, // a connection of its own for each client
  } as ConstructorParameters<typeof managedwriter.WriterClient>[0])
}

const clients: managedwriter.WriterClient[] = []
let streams = 0
function nextClient(): managedwriter.WriterClient {
  if (streams++ % STREAMS_PER_CLIENT === 0) clients.push(writerClient(task))
  return clients.at(-1)!
}

class PartitionWriter {
  readonly #writer: managedwriter.Writer
  readonly #unanswered: Promise<void>[] = []
  #nextRow = 0

  private constructor(writer: managedwriter.Writer) {
    this.#writer = writer
  }

  static async open(topic: string, partition: number, table: string): Promise<PartitionWriter> {
    const client = nextClient()
    const streamId = await client.createWriteStream({
      streamType: managedwriter.CommittedStream,
      destinationTable: `projects/${task.project}/datasets/${task.dataset}/tables/${table}`,
    })
    process.stdout.write(`${JSON.stringify({ topic, partition, stream: streamId })}\n`)
    const connection = await client.createStreamConnection({ streamId })
    return new PartitionWriter(new managedwriter.Writer({ connection, protoDescriptor: descriptor }))
  }

  /** Resolves when there is room for the next one. */
  async append(serializedRows: Uint8Array[], onAcknowledged: () => void): Promise<void> {
    if (this.#unanswered.length === IN_FLIGHT_MAX) await this.#unanswered.shift()
    const firstRow = this.#nextRow
    this.#nextRow += serializedRows.length
    const landed = this.#writer
      .appendRows({ serializedRows }, firstRow)
      .getResult()
      .then(({ error, rowErrors, appendResult }) => {
        if (error || rowErrors?.length || Number(appendResult?.offset?.value) !== firstRow)
          throw new Error(`append at ${firstRow}: ${JSON.stringify({ error, rowErrors, appendResult })}`)
        onAcknowledged()
      })
    landed.catch(fail) // it may be long before it is awaited
    this.#unanswered.push(landed)
  }
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
}

const tables = new Map(task.topics.map(({ topic, table }) => [topic, table]))
const writers = new Map<string, Promise<PartitionWriter>>()
function writerOf(topic: string, partition: number): Promise<PartitionWriter> {
  const name = `${topic}-${partition}`
  const known = writers.get(name)
  if (known !== undefined) return known
  const opened = PartitionWriter.open(topic, partition, tables.get(topic)!)
  writers.set(name, opened)
  return opened
}

function encode(value: Buffer | null): Uint8Array {
  const record = JSON.parse(String(value)) as Record<string, unknown>
  prepare?.(record)
  return rowType.encode(record).finish()
}

/** The offset behind the last record whose row is acknowledged, by topic and partition; what is committed. */
const acknowledged = new Map<string, { readonly topic: string; readonly partition: number; readonly offset: string }>()

async function eachBatch({ batch, heartbeat }: EachBatchPayload): Promise<void> {
  const { topic, partition } = batch
  const writer = await writerOf(topic, partition)
  const rows = batch.messages.map(message => encode(message.value))
  const offset = String(BigInt(batch.lastOffset()) + 1n)
  await writer.append(rows, () => acknowledged.set(`${topic}-${partition}`, { topic, partition, offset }))
  await heartbeat()
}

const kafka = new Kafka({ brokers: [task.broker], logLevel: logLevel.ERROR })
const consumer = kafka.consumer({ groupId: task.groupId, maxBytesPerPartition: FETCH_BYTES })
consumer.on(consumer.events.CRASH, ({ payload }) => {
  if (!payload.restart) fail(payload.error)
})
await consumer.connect()
await consumer.subscribe({ topics: task.topics.map(({ topic }) => topic), fromBeginning: true })
await consumer.run({
  autoCommit: false,
  partitionsConsumedConcurrently: task.topics.length * task.partitions,
  eachBatch: payload => eachBatch(payload).catch(fail),
})
setInterval(() => {
  const offsets = [...acknowledged.values()]
  acknowledged.clear()
  if (offsets.length > 0) consumer.commitOffsets(offsets).catch(fail)
}, COMMIT_EVERY_MS)
