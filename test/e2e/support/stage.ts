// What the end-to-end tests of one file share: real Kafka, real Redis, the emulator and workers as processes, and the few
// calls by which users reach them. KafkaJS's public client is the producer and the reader of dead letters: an independent one.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DataFolder,
  dataFolder,
  type EmulatorProcess,
  type Kafka,
  type KafkaOptions,
  type Redis,
  startEmulatorProcess,
  startKafka,
  startRedis,
  startWorkerProcess,
  type WorkerProcess,
} from '@millrace/testkit'
import {
  type Admin,
  type Consumer,
  Kafka as KafkaClient,
  logLevel,
  type Message,
  type Producer,
  type ProducerConfig,
} from 'kafkajs'

export const PROJECT = 'p'
export const DATASET = 'd'
export const OTHER_DATASET = 'other'
export const LEASE_TTL_MS = 3_000
/** On a busy machine; a healthy one needs a tenth. */
const PATIENCE_MS = 60_000
const POLL_MS = 50
const ASK_TIMEOUT_MS = 20_000

export type Answer = { readonly status: number; readonly body: never; readonly text: string }
export type Field = Readonly<Record<string, unknown>> & { readonly name: string; readonly type: string }
export type SqlValue = null | string | readonly { readonly v: unknown }[] | { readonly f: readonly unknown[] }
export type TaskShape = {
  readonly id: number
  readonly state: string
  readonly worker_id: string
  readonly trace?: string
}
export type StatusShape = {
  readonly name: string
  readonly connector: { readonly state: string; readonly worker_id: string; readonly trace?: string }
  readonly tasks: readonly TaskShape[]
  readonly type: string
}
export type PartitionShape = {
  readonly topic: string
  readonly partition: number
  readonly worker: string
  readonly worker_id: string
  readonly state: string
  readonly epoch: number
  readonly next_offset: number | null
  readonly lag: number | null
  readonly in_flight_rows: number
  /** Streams that its lanes write to. */
  readonly streams: readonly string[]
  readonly waiting: { readonly code: string; readonly message: string } | null
  readonly takeovers: number
  readonly failures: number
  readonly dead_letters_total: number
  readonly dropped_total: number
  readonly trace?: string
}

/** Columns of the tables most tests write to; `textOf` says what belongs in `text`. */
export const PLAIN: readonly Field[] = [
  { name: 'id', type: 'INT64' },
  { name: 'text', type: 'STRING' },
]
export const textOf = (id: number): string => `row ${id}`

export class Stage implements AsyncDisposable {
  readonly kafka: Kafka
  redis: Redis
  emulator: EmulatorProcess
  readonly folder: DataFolder
  readonly admin: Admin
  readonly workers: WorkerProcess[] = []
  readonly #strangers: WorkerProcess[] = []
  readonly #client: KafkaClient
  #producer: Producer | null = null
  #names = 0

  protected constructor(parts: { kafka: Kafka; redis: Redis; emulator: EmulatorProcess; folder: DataFolder }) {
    this.kafka = parts.kafka
    this.redis = parts.redis
    this.emulator = parts.emulator
    this.folder = parts.folder
    this.#client = new KafkaClient({ brokers: parts.kafka.bootstrapServers.split(','), logLevel: logLevel.NOTHING })
    this.admin = this.#client.admin()
  }

  /** Starts everything but workers. */
  static async open(kafkaOptions: KafkaOptions = {}): Promise<Stage> {
    const folder = dataFolder('e2e')
    const started = await Promise.allSettled([
      startKafka(kafkaOptions),
      startRedis(),
      startEmulatorProcess({ dataDir: join(folder.path, 'emulator'), args: emulatorArgs(folder) }),
    ] as const)
    const [kafka, redis, emulator] = started
    if (kafka.status === 'rejected' || redis.status === 'rejected' || emulator.status === 'rejected') {
      for (const one of started) if (one.status === 'fulfilled') await one.value.stop()
      await folder.remove()
      throw started.find(one => one.status === 'rejected')?.reason
    }
    const stage = new Stage({ kafka: kafka.value, redis: redis.value, emulator: emulator.value, folder })
    await stage.admin.connect()
    for (const datasetId of [DATASET, OTHER_DATASET])
      await stage.askEmulator('POST', `/bigquery/v2/projects/${PROJECT}/datasets`, {
        datasetReference: { projectId: PROJECT, datasetId },
      })
    return stage
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#producer?.disconnect()
    await this.admin.disconnect()
    await Promise.all(this.#everyWorker().map(worker => worker.stop()))
    await Promise.all([this.emulator.stop(), this.redis.stop(), this.kafka.stop()])
    await this.folder.remove()
  }

  // ── workers ──

  properties(over: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      'bootstrap.servers': this.kafka.bootstrapServers,
      'group.id': 'e2e',
      'config.storage.replication.factor': '1',
      'journal.storage.replication.factor': '1',
      'redis.url': this.redis.url,
      'session.timeout.ms': String(LEASE_TTL_MS),
      'heartbeat.interval.ms': '1000',
      'offset.flush.interval.ms': '500',
      'auto.restart.backoff.ms': '500',
      'auto.restart.backoff.max.ms': '1000',
      'bigquery.endpoint': `http://${this.emulator.grpc}`,
      'bigquery.rest.endpoint': this.emulator.rest,
      ...over,
    }
  }

  async startWorker(over: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
    const worker = await this.#start(over)
    this.workers.push(worker)
    return worker
  }

  /** A worker of another cluster: `rest` does not ask it. */
  async startStranger(group: string, over: Readonly<Record<string, string>>): Promise<WorkerProcess> {
    const worker = await this.#start({ 'group.id': group, ...over })
    this.#strangers.push(worker)
    return worker
  }

  async #start(over: Readonly<Record<string, string>>): Promise<WorkerProcess> {
    const name = this.unique('worker')
    return await startWorkerProcess(this.properties(over), { name, dataDir: join(this.folder.path, name) })
  }

  /** Workers that run. */
  get alive(): readonly WorkerProcess[] {
    return this.workers.filter(worker => worker.child.exit() === null)
  }

  async workerId(worker: WorkerProcess): Promise<string> {
    const { body } = await ask('GET', `${worker.rest}/api/v1/worker`)
    return (body as { worker: string }).worker
  }

  logs(): string {
    return this.#everyWorker()
      .map(worker => readFileSync(worker.child.logFile, 'utf8'))
      .join('\n')
  }

  #everyWorker(): readonly WorkerProcess[] {
    return [...this.workers, ...this.#strangers]
  }

  // ── the admin REST API ──

  /** Asks any worker that runs. */
  async rest(method: string, path: string, body?: unknown): Promise<Answer> {
    const worker = this.alive.at(-1)
    assert.ok(worker !== undefined, 'a worker runs')
    return await ask(method, worker.rest + path, body)
  }

  async createConnector(name: string, config: Readonly<Record<string, string>>): Promise<void> {
    const answer = await this.rest('POST', '/connectors', { name, config })
    assert.equal(answer.status, 201, answer.text)
  }

  /** Leaves the cluster to the next test as it was found. */
  async deleteConnectors(): Promise<void> {
    const { body } = await this.rest('GET', '/connectors')
    for (const name of body as readonly string[]) await this.rest('DELETE', `/connectors/${name}`)
    await this.until('no partition is left', async () => {
      const { body } = await this.rest('GET', '/api/v1/workers')
      return (body as { workers: { partitions: number }[] }).workers.every(w => w.partitions === 0) ? true : null
    })
  }

  async status(name: string): Promise<StatusShape> {
    const { status, body, text } = await this.rest('GET', `/connectors/${name}/status`)
    assert.equal(status, 200, text)
    return body
  }

  async partitions(name: string): Promise<readonly PartitionShape[]> {
    const { status, body, text } = await this.rest('GET', `/api/v1/connectors/${name}/partitions`)
    assert.equal(status, 200, text)
    return (body as { partitions: readonly PartitionShape[] }).partitions
  }

  async untilRunning(name: string, partitionCount: number): Promise<readonly PartitionShape[]> {
    return await this.until(`${partitionCount} partitions of ${name} are RUNNING`, async () => {
      const partitions = await this.partitions(name)
      const isSo = partitions.length === partitionCount && partitions.every(p => p.state === 'RUNNING' && p.epoch > 0)
      return isSo ? partitions : null
    })
  }

  // ── Kafka ──

  /** A name nobody else has: letters, digits and underscores, so that it names topic, table and connector alike. */
  unique(prefix: string): string {
    return `${prefix}_${++this.#names}`
  }

  async createTopic(topic: string, partitions: number, replicationFactor: number = 1): Promise<void> {
    // KafkaJS's own wait gives up when the broker does not know the topic yet a moment after it made it.
    await this.admin.createTopics({
      topics: [{ topic, numPartitions: partitions, replicationFactor }],
      waitForLeaders: false,
    })
    await this.until(`topic ${topic} has leaders`, async () => {
      const { topics } = await this.admin.fetchTopicMetadata({ topics: [topic] }).catch(() => ({ topics: [] }))
      const found = topics[0]?.partitions ?? []
      return found.length === partitions && found.every(p => p.leader >= 0) ? true : null
    })
  }

  async produce(topic: string, messages: Message[]): Promise<void> {
    this.#producer ??= await this.newProducer()
    await this.#producer.send({ topic, messages })
  }

  /**
   * KafkaJS knows partitions added later only after it looked again: it skips them silently until then. And when one partition of
   * a request fails, as it may just after its topic was made, it sends all of them again: twice, were it not idempotent.
   */
  async newProducer(options: ProducerConfig = {}): Promise<Producer> {
    const producer = this.#client.producer({ idempotent: true, maxInFlightRequests: 1, ...options })
    await producer.connect()
    return producer
  }

  /** Rows for PLAIN tables, spread over the partitions. */
  async produceRows(topic: string, ids: readonly number[], partitions: number): Promise<void> {
    await this.produce(
      topic,
      ids.map(id => plainRecord(id, id % partitions)),
    )
  }

  /** Every message of a topic, once there are as many. */
  async consume(topic: string, count: number): Promise<readonly Message[]> {
    const consumer = this.#client.consumer({ groupId: this.unique('reader') })
    const messages: Message[] = []
    await consumer.connect()
    try {
      await consumer.subscribe({ topic, fromBeginning: true })
      await consumer.run({ eachMessage: async ({ message }) => void messages.push(message as Message) })
      await this.until(`${count} messages in ${topic}`, () => (messages.length >= count ? true : null))
      return messages
    } finally {
      await consumer.disconnect()
    }
  }

  /** A live member of a consumer group that reads nothing: as another sink would be. */
  async joinGroup(groupId: string, topic: string): Promise<Consumer> {
    const consumer = this.#client.consumer({ groupId })
    await consumer.connect()
    await consumer.subscribe({ topic })
    const joined = new Promise<void>(resolve => void consumer.on('consumer.group_join', () => resolve()))
    await consumer.run({ autoCommit: false, eachMessage: async () => {} })
    await joined
    return consumer
  }

  async endOffsets(topic: string): Promise<ReadonlyMap<number, bigint>> {
    return new Map((await this.admin.fetchTopicOffsets(topic)).map(p => [p.partition, BigInt(p.offset)]))
  }
  async groupOffsets(group: string, topic: string): Promise<ReadonlyMap<number, bigint>> {
    const [one] = await this.admin.fetchOffsets({ groupId: group, topics: [topic] })
    return new Map((one?.partitions ?? []).filter(p => p.offset !== '-1').map(p => [p.partition, BigInt(p.offset)]))
  }

  // ── Redis ──

  /** One inline command, its answer as it stands on the wire. */
  redisCommand(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port: this.redis.port, host: '127.0.0.1' }, () => socket.write(`${command}\r\n`))
      socket.once('error', reject)
      socket.once('data', chunk => {
        socket.destroy()
        resolve(chunk.toString())
      })
    })
  }

  // ── BigQuery ──

  async askEmulator(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await ask(method, this.emulator.rest + path, body)
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`)
    return answer
  }

  /** @param name of a table in DATASET, or `dataset.table` */
  async createTable(name: string, fields: readonly Field[] = PLAIN): Promise<void> {
    const [tableId, datasetId = DATASET] = name.split('.').reverse()
    await this.askEmulator('POST', `/bigquery/v2/projects/${PROJECT}/datasets/${datasetId}/tables`, {
      tableReference: { projectId: PROJECT, datasetId, tableId },
      schema: { fields },
    })
  }

  async alterTable(table: string, fields: readonly Field[]): Promise<void> {
    const path = `/bigquery/v2/projects/${PROJECT}/datasets/${DATASET}/tables/${table}`
    await this.askEmulator('PATCH', path, { schema: { fields } })
  }

  async sql(query: string): Promise<readonly (readonly SqlValue[])[]> {
    const body = { query, useLegacySql: false, maxResults: 100_000 }
    const answer = await this.askEmulator('POST', `/bigquery/v2/projects/${PROJECT}/queries`, body)
    const { rows = [] } = answer.body as { rows?: readonly { f: readonly { v: SqlValue }[] }[] }
    return rows.map(row => row.f.map(cell => cell.v))
  }

  /** Streams of a table that were ever created. */
  async streams(table: string): Promise<readonly { readonly name: string; readonly finalized: boolean }[]> {
    const { body } = await this.askEmulator('GET', '/emulator/state')
    const { streams } = body as { streams: readonly { name: string; finalized: boolean }[] }
    return streams.filter(({ name }) => name.includes(`/tables/${table}/streams/`) && !name.endsWith('/_default'))
  }

  async fault(fault: Readonly<Record<string, unknown>>): Promise<void> {
    await this.askEmulator('POST', '/emulator/faults', fault)
  }

  async countRows(table: string): Promise<number> {
    const [row] = await this.sql(`SELECT COUNT(*) FROM ${sqlName(table)}`)
    return Number(row?.[0])
  }

  async untilRows(table: string, count: number): Promise<void> {
    let last = 0
    await this.until(
      () => `${count} rows in ${table}, of which ${last} came`,
      async () => {
        last = await this.countRows(table)
        return last >= count ? true : null
      },
    )
  }

  /** The PLAIN table holds exactly these rows, each once, each whole. Waits until as many are there, and a little for more. */
  async assertDelivered(table: string, ids: Iterable<number>): Promise<void> {
    const expected = new Set(ids)
    await this.untilRows(table, expected.size)
    const rows = await this.sql(`SELECT id, text FROM ${sqlName(table)} ORDER BY id`)
    const found = new Map<number, number>()
    for (const [id, text] of rows) {
      found.set(Number(id), (found.get(Number(id)) ?? 0) + 1)
      assert.equal(text, textOf(Number(id)), `the row of id ${id} is whole`)
    }
    const missing = [...expected].filter(id => !found.has(id))
    const doubled = [...found].filter(([, count]) => count > 1).map(([id]) => id)
    const foreign = [...found.keys()].filter(id => !expected.has(id))
    const few = (list: readonly number[]) => ({ count: list.length, first: list.slice(0, 5) })
    const none = few([])
    assert.deepEqual(
      { missing: few(missing), doubled: few(doubled), foreign: few(foreign) },
      { missing: none, doubled: none, foreign: none },
      `${table} holds what was produced`,
    )
  }

  // ── waiting ──

  /** Polls until `probe` answers something other than null; a failure says what was waited for, with the workers' last lines. */
  async until<T>(
    what: string | (() => string),
    probe: () => Promise<T | null> | T | null,
    patienceMs: number = PATIENCE_MS,
  ): Promise<T> {
    const deadline = performance.now() + patienceMs
    for (;;) {
      const answer = await probe()
      if (answer !== null) return answer
      const sentence = typeof what === 'string' ? what : what()
      if (performance.now() > deadline)
        assert.fail(`Waited ${patienceMs} ms in vain: ${sentence}.\n${this.logs().slice(-4_000)}`)
      await sleep(POLL_MS)
    }
  }
}

/** Kept over a restart: ports are chosen by the first start. */
export const emulatorArgs = (folder: DataFolder): readonly string[] => ['--data-dir', join(folder.path, 'bigquery')]

/** Ends the emulator as a crash would and starts it again with the same ports and data. */
export async function restartEmulator(stage: Stage): Promise<void> {
  const { grpc, rest, child } = stage.emulator
  child.kill('SIGKILL')
  await child.exited
  stage.emulator = await startEmulatorProcess({
    dataDir: join(stage.folder.path, stage.unique('emulator')),
    args: [...emulatorArgs(stage.folder), '--grpc-port', portOf(`http://${grpc}`), '--rest-port', portOf(rest)],
  })
}
const portOf = (url: string): string => new URL(url).port

/** @param name of a table in DATASET, or `dataset.table` */
export const sqlName = (name: string): string => `\`${PROJECT}.${name.includes('.') ? name : `${DATASET}.${name}`}\``

export const plainRecord = (id: number, partition: number): Message => ({
  key: `k${id}`,
  value: JSON.stringify({ id, text: textOf(id) }),
  partition,
})

export const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

/** As one would write it for Kafka Connect; the table has the topic's name. */
export const connectorConfig = (
  topics: string,
  over: Readonly<Record<string, string>> = {},
): Record<string, string> => ({
  'connector.class': 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector',
  'tasks.max': '2',
  topics,
  project: PROJECT,
  defaultDataset: DATASET,
  autoCreateTables: 'false',
  'append.linger.ms': '20',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  ...over,
})

export const DLQ = (topic: string): Record<string, string> => ({
  'errors.tolerance': 'all',
  'errors.deadletterqueue.topic.name': topic,
  'errors.deadletterqueue.topic.replication.factor': '1',
  'errors.deadletterqueue.context.headers.enable': 'true',
})

/** JSON over HTTP with a bound on time. */
export async function ask(method: string, url: string, body?: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const text = await response.text()
  return { status: response.status, body: parsed(text) as never, text }
}

function parsed(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    return text
  }
}
