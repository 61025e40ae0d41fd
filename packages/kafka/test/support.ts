// What the tests of this package share: system time, a quiet log, plain settings, KafkaJS with all codecs as a producer.
import { randomBytes, randomInt } from 'node:crypto'
import { createRequire } from 'node:module'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { Logger } from '@millrace/core'
import { compressFrameSync } from 'lz4-napi'
import type { ClientSettings, KafkaDeps } from '../src/client-settings-type.ts'
import { Cluster } from '../src/cluster.ts'

const require = createRequire(import.meta.url)

export type LogLine = { readonly level: string; readonly fields: object; readonly sentence: string }

export function recordingLog(lines: LogLine[]): Logger {
  const at =
    (level: string) =>
    (fields: object, sentence: string): void => {
      lines.push({ level, fields, sentence })
    }
  return {
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: () => recordingLog(lines),
  }
}

export function systemDeps(lines: LogLine[] = []): KafkaDeps {
  return {
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    timers: {
      sleep: (ms, { signal }) =>
        new Promise((resolve, reject) => {
          if (signal.aborted) return reject(signal.reason)
          const onAbort = (): void => {
            clearTimeout(timer)
            reject(signal.reason)
          }
          const timer = setTimeout(() => {
            signal.removeEventListener('abort', onAbort)
            resolve()
          }, ms)
          signal.addEventListener('abort', onAbort, { once: true })
        }),
    },
    random: { nextUint32: () => randomInt(2 ** 32), nextId: () => randomBytes(12).toString('hex') },
    log: recordingLog(lines),
  }
}

export function plainSettings(bootstrapServers: string): ClientSettings {
  return {
    bootstrap: bootstrapServers.split(',').map(text => {
      const colon = text.lastIndexOf(':')
      return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
    }),
    clientId: 'test',
    ssl: null,
    sasl: null,
    connectTimeoutMs: 5_000,
    requestTimeoutMs: 10_000,
  }
}

export const plainCluster = (bootstrapServers: string, lines: LogLine[] = []): Cluster =>
  new Cluster(plainSettings(bootstrapServers), systemDeps(lines))

export const within = (ms: number): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(ms) })

/** Waits for a condition, with a deadline. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('the condition did not come true in time')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

// --- KafkaJS's public API with every codec, as an independent producer.

export const compressors: Readonly<Record<number, (input: Buffer) => Buffer>> = {
  1: input => gzipSync(input),
  2: input => xerial(input),
  3: input => compressFrameSync(Buffer.from(input)),
  4: input => zstdCompressSync(input),
}

const snappy = require('snappyjs') as { compress(input: Buffer): Buffer }
export const rawSnappy = (input: Buffer): Buffer => snappy.compress(input)

/** Xerial framing with 32 KiB blocks, as snappy-java writes it. */
export function xerial(input: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])]
  for (let at = 0; at < input.length; at += 32 * 1024) {
    const block = snappy.compress(input.subarray(at, at + 32 * 1024))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

export type KafkaJsMessage = {
  readonly key?: string | Buffer | null
  readonly value: string | Buffer | null
  readonly partition?: number
  readonly headers?: Readonly<Record<string, string | Buffer>>
  readonly timestamp?: string
}
type Sender = {
  send(batch: {
    topic: string
    messages: readonly KafkaJsMessage[]
    compression?: number
    acks?: number
  }): Promise<unknown>
}
export type KafkaJsProducer = Sender & {
  connect(): Promise<void>
  disconnect(): Promise<void>
  transaction(): Promise<Sender & { commit(): Promise<void>; abort(): Promise<void> }>
}
export type KafkaJsAdmin = {
  connect(): Promise<void>
  disconnect(): Promise<void>
  createTopics(options: {
    topics: readonly {
      topic: string
      numPartitions: number
      replicationFactor: number
      configEntries?: readonly { name: string; value: string }[]
    }[]
  }): Promise<boolean>
  deleteTopicRecords(options: {
    topic: string
    partitions: readonly { partition: number; offset: string }[]
  }): Promise<void>
  deleteTopics(options: { topics: readonly string[] }): Promise<void>
  fetchTopicOffsets(topic: string): Promise<readonly { partition: number; offset: string; high: string; low: string }[]>
  fetchOffsets(options: {
    groupId: string
    topics: readonly string[]
  }): Promise<readonly { topic: string; partitions: readonly { partition: number; offset: string }[] }[]>
}
export type KafkaJs = {
  producer(options?: object): KafkaJsProducer
  consumer(options: { groupId: string }): {
    connect(): Promise<void>
    subscribe(options: { topics: readonly string[]; fromBeginning: boolean }): Promise<void>
    run(options: { eachMessage: () => Promise<void> }): Promise<void>
    disconnect(): Promise<void>
  }
  admin(): KafkaJsAdmin
}

const kafkajs = require('kafkajs') as {
  Kafka: new (options: object) => KafkaJs
  CompressionCodecs: Record<number, unknown>
  logLevel: { NOTHING: number }
  Partitioners: { DefaultPartitioner: unknown }
}
for (const [codec, compress] of Object.entries(compressors))
  kafkajs.CompressionCodecs[Number(codec)] = () => ({
    compress: async (encoder: { buffer: Buffer }) => compress(encoder.buffer),
    decompress: async () => {
      throw new Error('the tests never decompress with KafkaJS')
    },
  })

/** A producer that does not write twice what it sends again: on a busy machine an answer comes too late. */
export const SENDS_ONCE = { idempotent: true, maxInFlightRequests: 1 }

export const kafkaJs = (bootstrapServers: string): KafkaJs =>
  new kafkajs.Kafka({ brokers: bootstrapServers.split(','), logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 8 } })
