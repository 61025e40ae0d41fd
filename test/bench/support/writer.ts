// The benchmark's writer, a process of its own: appends pre-encoded requests over several calls, each to a COMMITTED stream of its
// own with explicit offsets, a fixed number of requests in flight per call. Every acknowledged offset is checked.
// Prints `ready`, waits for a line on stdin, writes, prints one line of JSON.
import { once } from 'node:events'
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js'
import { decode, encode, encodeProtoRows, ROWS_PER_REQUEST } from './rows.ts'

export type WriterTask = {
  readonly address: string
  readonly table: string
  readonly rowCount: number
  readonly connections: number
  /** Requests in flight per connection. */
  readonly inFlight: number
}
export type WriterReport = {
  readonly rows: number
  readonly seconds: number
  readonly cpuSeconds: number
  readonly rssBytes: number
  readonly ackP50Ms: number
  readonly ackP99Ms: number
  readonly streams: readonly string[]
}

/** Room before a request's rows for what differs from request to request. */
const HEAD_BYTES_MAX = 512
const SERVICE = '/google.cloud.bigquery.storage.v1.BigQueryWrite/'
const raw = (bytes: Buffer): Buffer => bytes

/** A request's rows, encoded, with room for its head before them: nothing is copied to send them. */
class PreparedRequest {
  private readonly bytes: Buffer

  constructor(protoRows: Buffer) {
    this.bytes = Buffer.concat([Buffer.alloc(HEAD_BYTES_MAX), protoRows])
  }

  with(head: Buffer): Buffer {
    const start = HEAD_BYTES_MAX - head.length
    head.copy(this.bytes, start)
    return this.bytes.subarray(start)
  }
}

class Connection {
  readonly stream: string
  private readonly client: Client
  private readonly call: ClientDuplexStream<Buffer, Buffer>
  private next = 0
  private acked = 0
  private readonly sentAt: number[] = []
  private onAck: () => void = () => {}

  private constructor(client: Client, stream: string) {
    this.client = client
    this.stream = stream
    this.call = client.makeBidiStreamRequest(`${SERVICE}AppendRows`, raw, raw)
    this.call.on('error', error => fail(error.message))
    this.call.on('data', (bytes: Buffer) => this.acknowledge(decode('AppendRowsResponse', bytes)))
  }

  static async open({ address, table }: WriterTask, first: PreparedRequest): Promise<Connection> {
    const client = new Client(address, credentials.createInsecure(), {
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    })
    const stream = await new Promise<string>((resolve, reject) =>
      client.makeUnaryRequest(
        `${SERVICE}CreateWriteStream`,
        (value: Record<string, unknown>) => encode('CreateWriteStreamRequest', value),
        (bytes: Buffer) => decode('WriteStream', bytes),
        { parent: table, writeStream: { type: 'COMMITTED' } },
        (error, value) => (error ? reject(error) : resolve(String(value!.name))),
      ),
    )
    const connection = new Connection(client, stream)
    connection.send(first)
    await new Promise<void>(resolve => {
      connection.onAck = resolve
    })
    return connection
  }

  private send(request: PreparedRequest): void {
    // write_stream is for the first request only; the offset is for every one.
    const head = encode('AppendRowsRequest', {
      ...(this.next === 0 && { writeStream: this.stream }),
      offset: { value: String(this.next * ROWS_PER_REQUEST) },
    })
    this.next++
    this.sentAt.push(performance.now())
    this.call.write(request.with(head))
  }

  private acknowledge(response: Record<string, unknown>): void {
    const result = response.appendResult as { offset?: { value?: string } } | undefined
    if (!result || Number(result.offset?.value ?? 0) !== this.acked * ROWS_PER_REQUEST)
      fail(`request ${this.acked} of ${this.stream}: ${JSON.stringify(response)}`)
    this.acked++
    this.onAck()
  }

  /** Sends `requests`, the prepared ones in turn and each again once it is acknowledged; resolves to the milliseconds that took. */
  write(prepared: readonly PreparedRequest[], requests: number): Promise<number[]> {
    const ackMs: number[] = []
    const first = this.acked
    return new Promise(resolve => {
      const sendNext = (): void => {
        if (this.next < first + requests) this.send(prepared[this.next % prepared.length]!)
      }
      this.onAck = () => {
        ackMs.push(performance.now() - this.sentAt[this.acked - 1]!)
        if (ackMs.length === requests) resolve(ackMs)
        else sendNext()
      }
      for (let i = 0; i < prepared.length; i++) sendNext()
    })
  }

  close(): void {
    this.call.end()
    this.client.close()
  }
}

function fail(message: string): never {
  process.stderr.write(`writer: ${message}\n`)
  process.exit(1)
}

const task = JSON.parse(process.argv[2]!) as WriterTask
const rows = Array.from({ length: task.inFlight }, (_, i) => encodeProtoRows(i, ROWS_PER_REQUEST, false))
const rowsWithSchema = encodeProtoRows(0, ROWS_PER_REQUEST, true)
const connections = await Promise.all(
  Array.from({ length: task.connections }, () => Connection.open(task, new PreparedRequest(rowsWithSchema))),
)
// Answers come in request order, so a prepared request is acknowledged before its turn comes again.
const prepared = connections.map(() => rows.map(protoRows => new PreparedRequest(protoRows)))
const requests = Math.ceil(task.rowCount / ROWS_PER_REQUEST / connections.length)

process.stdout.write('ready\n')
await once(process.stdin, 'data')
const cpu = process.cpuUsage()
const started = performance.now()
const ackMs = (await Promise.all(connections.map((connection, i) => connection.write(prepared[i]!, requests))))
  .flat()
  .sort((a, b) => a - b)
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(cpu)
const report: WriterReport = {
  rows: requests * connections.length * ROWS_PER_REQUEST,
  seconds,
  cpuSeconds: (user + system) / 1e6,
  rssBytes: process.memoryUsage.rss(),
  ackP50Ms: ackMs[Math.floor(ackMs.length * 0.5)]!,
  ackP99Ms: ackMs[Math.floor(ackMs.length * 0.99)]!,
  streams: connections.map(connection => connection.stream),
}
process.stdout.write(`${JSON.stringify(report)}\n`)
for (const connection of connections) connection.close()
process.exit(0)
