// What a benchmark of workers runs on, each a process of its own: real Kafka, real Redis, the emulator that counts and discards.
import assert from 'node:assert/strict'
import { globSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type DataFolder,
  dataFolder,
  type EmulatorProcess,
  type Kafka,
  type Redis,
  startEmulatorProcess,
  startKafka,
  startRedis,
  startWorkerProcess,
  type WorkerProcess,
  type WorkerProcessOptions,
} from '@millrace/testkit'
import { type Admin, Kafka as KafkaClient, logLevel } from 'kafkajs'
import { type Answer, ask, DATASET, type Field, PROJECT } from '../../e2e/support/stage.ts'

const PATIENCE_MS = 120_000
const LEADER_LOOK_EVERY_MS = 20

export type StreamView = { readonly name: string; readonly rows: number; readonly lastTrafficMs: number }

export class Services implements AsyncDisposable {
  readonly kafka: Kafka
  readonly redis: Redis
  readonly emulator: EmulatorProcess
  readonly admin: Admin
  readonly #folder: DataFolder
  readonly #stack: AsyncDisposableStack
  #names = 0

  private constructor(
    parts: Pick<Services, 'kafka' | 'redis' | 'emulator' | 'admin'>,
    folder: DataFolder,
    stack: AsyncDisposableStack,
  ) {
    this.kafka = parts.kafka
    this.redis = parts.redis
    this.emulator = parts.emulator
    this.admin = parts.admin
    this.#folder = folder
    this.#stack = stack
  }

  static async open(): Promise<Services> {
    await using stack = new AsyncDisposableStack()
    const folder = dataFolder('bench')
    stack.defer(() => folder.remove())
    const kafka = stack.use(await startKafka())
    const redis = stack.use(await startRedis())
    const emulator = stack.use(
      await startEmulatorProcess({
        dataDir: join(folder.path, 'emulator'),
        args: ['--storage', 'null', '--project', PROJECT, '--dataset', DATASET],
      }),
    )
    const admin = new KafkaClient({ brokers: [kafka.bootstrapServers], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    stack.defer(() => admin.disconnect())
    return new Services({ kafka, redis, emulator, admin }, folder, stack.move())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  /** Of the whole benchmark; gone with it. */
  get folder(): string {
    return this.#folder.path
  }

  unique(prefix: string): string {
    return `${prefix}_${++this.#names}`
  }

  /** A worker of the cluster `group`; everything it is not told here stands at its default. */
  async startWorker(
    group: string,
    over: Readonly<Record<string, string>>,
    options: Pick<WorkerProcessOptions, 'main' | 'nodeFlags' | 'env'> = {},
  ): Promise<WorkerProcess> {
    const name = this.unique(group)
    const properties = {
      'bootstrap.servers': this.kafka.bootstrapServers,
      'group.id': group,
      'config.storage.replication.factor': '1',
      'journal.storage.replication.factor': '1',
      'redis.url': this.redis.url,
      'bigquery.endpoint': `http://${this.emulator.grpc}`,
      'bigquery.rest.endpoint': this.emulator.rest,
      ...over,
    }
    return await startWorkerProcess(properties, { name, dataDir: join(this.#folder.path, name), ...options })
  }

  async createTable(tableId: string, fields: readonly Field[]): Promise<void> {
    await this.#emulator('POST', `/bigquery/v2/projects/${PROJECT}/datasets/${DATASET}/tables`, {
      tableReference: { projectId: PROJECT, datasetId: DATASET, tableId },
      schema: { fields },
    })
  }

  /** Its streams go with it. */
  async dropTable(tableId: string): Promise<void> {
    await this.#emulator('DELETE', `/bigquery/v2/projects/${PROJECT}/datasets/${DATASET}/tables/${tableId}`)
  }

  /** Rows in all tables whose names begin so. */
  async rowsBehind(prefix: string): Promise<number> {
    const { body } = await this.#emulator('GET', '/emulator/state')
    const { tables } = body as { tables: readonly { table: string; rows: string }[] }
    const start = `${PROJECT}.${DATASET}.${prefix}`
    return tables.reduce((sum, { table, rows }) => (table.startsWith(start) ? sum + Number(rows) : sum), 0)
  }

  async rowsIn(table: string): Promise<number> {
    const { body } = await this.#emulator('GET', `/emulator/state?limit=1&table=${DATASET}.${table}`)
    const { tables } = body as { tables: readonly { rows: string }[] }
    return Number(tables[0]?.rows ?? 0)
  }

  async streamsOf(table: string): Promise<readonly StreamView[]> {
    const { body } = await this.#emulator('GET', `/emulator/state?limit=100000&table=${DATASET}.${table}`)
    const { streams } = body as { streams: readonly { name: string; rows: string; lastTrafficMs: number }[] }
    return streams.map(({ name, rows, lastTrafficMs }) => ({ name, rows: Number(rows), lastTrafficMs }))
  }

  async #emulator(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await ask(method, this.emulator.rest + path, body)
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`)
    return answer
  }

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

  createTopic(topic: string, partitions: number): Promise<void> {
    return this.createTopics([topic], partitions)
  }

  /** Resolves when every partition has its leader. */
  async createTopics(topics: readonly string[], partitions: number): Promise<void> {
    await this.admin.createTopics({
      topics: topics.map(topic => ({ topic, numPartitions: partitions })),
      waitForLeaders: false,
    })
    // The controller knows a leader some time before the leader does.
    for (const topic of topics)
      await until(`topic ${topic} has leaders`, LEADER_LOOK_EVERY_MS, async () => {
        const offsets = await this.admin.fetchTopicOffsets(topic).catch(() => [])
        return offsets.length === partitions ? true : null
      })
  }

  async deleteTopics(prefix: string): Promise<void> {
    const topics = (await this.admin.listTopics()).filter(topic => topic.startsWith(prefix))
    if (topics.length > 0) await this.admin.deleteTopics({ topics })
  }

  /** Records and bytes of a topic as the broker stores them. */
  async sizeOf(topic: string): Promise<{ readonly records: number; readonly bytes: number }> {
    const offsets = await this.admin.fetchTopicOffsets(topic)
    const files = globSync(`broker-*/log/${topic}-*/*.log`, { cwd: this.kafka.dataDir })
    return {
      records: offsets.reduce((sum, { high }) => sum + Number(high), 0),
      bytes: files.reduce((sum, file) => sum + statSync(join(this.kafka.dataDir, file)).size, 0),
    }
  }
}

/** Asks until the answer is not null. */
export async function until<T>(what: string, everyMs: number, probe: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const answer = await probe()
    if (answer !== null) return answer
    if (performance.now() > deadline) throw new Error(`Waited ${PATIENCE_MS} ms in vain: ${what}.`)
    await sleep(everyMs)
  }
}
