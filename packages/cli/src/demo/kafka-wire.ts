// The few requests the demo's producer needs, spoken to one broker over one plain connection: produce and transactions.
// Versions without tagged fields; https://kafka.apache.org/protocol. Not for anything but the demo's own single broker.
import { connect, type Socket } from 'node:net'

const CLIENT_ID = 'millrace-demo-producer'
const ACKS_ALL = -1
const REQUEST_TIMEOUT_MS = 30_000
const TRANSACTION_TIMEOUT_MS = 60_000
const COORDINATOR_ATTEMPTS_MAX = 100
const COORDINATOR_RETRY_MS = 100
/** COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, CONCURRENT_TRANSACTIONS */
const RETRIABLE = new Set([14, 15, 16, 51])

export type PartitionBatch = { readonly partition: number; readonly batch: Buffer }
export type ProducerIdentity = { readonly producerId: bigint; readonly producerEpoch: number }

export class BrokerError extends Error {
  override readonly name = 'BrokerError'
  readonly code: number
  constructor(api: string, code: number) {
    super(`The broker answered ${api} with error ${code}.`)
    this.code = code
  }
}

/** One connection; answers come in the order of the requests. */
export class BrokerWire {
  readonly #socket: Socket
  readonly #waiting: { resolve: (body: Reader) => void; reject: (error: Error) => void }[] = []
  #unread: Buffer[] = []
  #unreadBytes = 0
  #failure: Error | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('The broker closed the connection.')))
  }

  static open(bootstrapServer: string): Promise<BrokerWire> {
    const colon = bootstrapServer.lastIndexOf(':')
    return new Promise((resolve, reject) => {
      const socket = connect({ host: bootstrapServer.slice(0, colon), port: Number(bootstrapServer.slice(colon + 1)) })
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new BrokerWire(socket))
      })
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  /** CreateTopics v2, one replica. */
  async createTopic(topic: string, partitions: number): Promise<void> {
    const writer = new Writer().int32(1).string(topic).int32(partitions).int16(1).int32(0).int32(0)
    const answer = await this.#request(19, 2, writer.int32(REQUEST_TIMEOUT_MS).int8(0))
    answer.skip(4 + 4)
    answer.string()
    check('CreateTopics', answer.int16())
  }

  /** Produce v7, acknowledged by all in-sync replicas. */
  async produce(topic: string, batches: readonly PartitionBatch[], transactionalId: string | null): Promise<void> {
    const writer = new Writer().string(transactionalId).int16(ACKS_ALL).int32(REQUEST_TIMEOUT_MS)
    writer.int32(1).string(topic).int32(batches.length)
    for (const { partition, batch } of batches) writer.int32(partition).bytes(batch)
    const answer = await this.#request(0, 7, writer)
    for (let topics = answer.int32(); topics > 0; topics--) {
      answer.string()
      for (let partitions = answer.int32(); partitions > 0; partitions--) {
        answer.int32()
        check('Produce', answer.int16())
        answer.skip(8 + 8 + 8)
      }
    }
  }

  /** FindCoordinator v1, until there is one, then InitProducerId v1. */
  async beginProducing(transactionalId: string): Promise<ProducerIdentity> {
    return retried(async () => {
      const found = await this.#request(10, 1, new Writer().string(transactionalId).int8(1))
      found.skip(4)
      check('FindCoordinator', found.int16())
      const answer = await this.#request(22, 1, new Writer().string(transactionalId).int32(TRANSACTION_TIMEOUT_MS))
      answer.skip(4)
      check('InitProducerId', answer.int16())
      return { producerId: answer.int64(), producerEpoch: answer.int16() }
    })
  }

  /** AddPartitionsToTxn v1: these partitions belong to the producer's transaction from now on. */
  async addPartitions(
    transactionalId: string,
    identity: ProducerIdentity,
    topic: string,
    partitions: readonly number[],
  ): Promise<void> {
    await retried(async () => {
      const writer = new Writer().string(transactionalId).int64(identity.producerId).int16(identity.producerEpoch)
      writer.int32(1).string(topic).int32(partitions.length)
      for (const partition of partitions) writer.int32(partition)
      const answer = await this.#request(24, 1, writer)
      answer.skip(4)
      for (let topics = answer.int32(); topics > 0; topics--) {
        answer.string()
        for (let count = answer.int32(); count > 0; count--) {
          answer.int32()
          check('AddPartitionsToTxn', answer.int16())
        }
      }
    })
  }

  /** EndTxn v1. */
  async endTransaction(
    transactionalId: string,
    identity: ProducerIdentity,
    outcome: 'commit' | 'abort',
  ): Promise<void> {
    await retried(async () => {
      const writer = new Writer().string(transactionalId).int64(identity.producerId).int16(identity.producerEpoch)
      const answer = await this.#request(26, 1, writer.int8(outcome === 'commit' ? 1 : 0))
      answer.skip(4)
      check('EndTxn', answer.int16())
    })
  }

  #request(apiKey: number, apiVersion: number, body: Writer): Promise<Reader> {
    const failure = this.#failure
    if (failure !== null) return Promise.reject(failure)
    const header = new Writer().int16(apiKey).int16(apiVersion).int32(0).string(CLIENT_ID)
    const size = Buffer.alloc(4)
    size.writeInt32BE(header.length + body.length)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.cork()
      for (const part of [size, ...header.parts, ...body.parts]) this.#socket.write(part)
      this.#socket.uncork()
    })
  }

  #receive(chunk: Buffer): void {
    this.#unread.push(chunk)
    this.#unreadBytes += chunk.length
    let all = this.#unread.length === 1 ? chunk : Buffer.concat(this.#unread, this.#unreadBytes)
    while (all.length >= 4 && all.length >= 4 + all.readInt32BE(0)) {
      const end = 4 + all.readInt32BE(0)
      // Size, then the correlation id: answers come in order on one connection.
      this.#waiting.shift()?.resolve(new Reader(all.subarray(8, end)))
      all = all.subarray(end)
    }
    this.#unread = all.length === 0 ? [] : [all]
    this.#unreadBytes = all.length
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure)
  }
}

function check(api: string, code: number): void {
  if (code !== 0) throw new BrokerError(api, code)
}

async function retried<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof BrokerError) || !RETRIABLE.has(error.code) || attempt === COORDINATOR_ATTEMPTS_MAX)
        throw error
      await new Promise(resolve => setTimeout(resolve, COORDINATOR_RETRY_MS))
    }
  }
}

class Writer {
  readonly parts: Buffer[] = []
  length = 0

  int8(value: number): this {
    return this.#push(1, buffer => buffer.writeInt8(value))
  }
  int16(value: number): this {
    return this.#push(2, buffer => buffer.writeInt16BE(value))
  }
  int32(value: number): this {
    return this.#push(4, buffer => buffer.writeInt32BE(value))
  }
  int64(value: bigint): this {
    return this.#push(8, buffer => buffer.writeBigInt64BE(value))
  }
  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const bytes = Buffer.from(value)
    return this.int16(bytes.length).#append(bytes)
  }
  bytes(value: Buffer): this {
    return this.int32(value.length).#append(value)
  }
  #push(size: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.allocUnsafe(size)
    write(buffer)
    return this.#append(buffer)
  }
  #append(part: Buffer): this {
    this.parts.push(part)
    this.length += part.length
    return this
  }
}

class Reader {
  readonly #body: Buffer
  #at = 0
  constructor(body: Buffer) {
    this.#body = body
  }
  int16(): number {
    this.#at += 2
    return this.#body.readInt16BE(this.#at - 2)
  }
  int32(): number {
    this.#at += 4
    return this.#body.readInt32BE(this.#at - 4)
  }
  int64(): bigint {
    this.#at += 8
    return this.#body.readBigInt64BE(this.#at - 8)
  }
  string(): string {
    const length = this.int16()
    this.#at += Math.max(0, length)
    return this.#body.toString('utf8', this.#at - Math.max(0, length), this.#at)
  }
  skip(bytes: number): void {
    this.#at += bytes
  }
}
