// A REST API on twins: real control log and config definitions, reports and time in the test's hands.
import {
  type Assignment,
  ConfigWriter,
  type Incarnation,
  kafkaOffset,
  type Logger,
  type StatusBoard,
  tableName,
  type VerifyReceipt,
  type WorkerId,
  type WorkerReport,
} from '@millrace/core'
import { CompactedTopicTwin, CoordinationTwin, partitionReport, VirtualTime, workerReport } from '@millrace/testkit'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import {
  type ApiDeps,
  type AuditRecord,
  buildApi,
  type ConnectorPosition,
  connectorConfigs,
  type LoggerLevel,
  type PositionChange,
  type Verdict,
} from '../../src/index.ts'

export const WORKER_ID = '127.0.0.1:8083'
export const CONFIG: Readonly<Record<string, string>> = {
  'connector.class': 'BigQuerySinkConnector',
  'tasks.max': '2',
  topics: 'flights',
  project: 'my-project',
  defaultDataset: 'my_dataset',
}

export const verifyReceipt = (): VerifyReceipt => ({
  verdict: 'DIFFERENT',
  reasons: [],
  partitions: [0, 1].map(partition => ({
    topic: 'flights',
    partition,
    table: tableName('p', 'd', 'flights'),
    verdict: partition === 1 ? 'DIFFERENT' : 'VERIFIED',
    reasons: [],
    from: kafkaOffset(0),
    to: kafkaOffset(10),
    logEnd: kafkaOffset(12),
    groupOffset: null,
    records: 10,
    tombstones: 1,
    filtered: 0,
    deadLetters: 0,
    dropped: 0,
    lost: partition === 1 ? [{ from: kafkaOffset(2), to: kafkaOffset(3) }] : [],
    rows: 9 - partition,
    missing: partition,
    doubled: 0,
    unexpected: 0,
    olderRows: 0,
    examples: partition === 1 ? ['flights-1@3 is missing'] : [],
    streams: [],
  })),
})

export class TestApi implements AsyncDisposable {
  readonly time: VirtualTime
  readonly topic: CompactedTopicTwin
  readonly store: ConfigWriter
  readonly app: FastifyInstance
  readonly logged: readonly string[]
  reports: WorkerReport[] = []
  assignment: Assignment | null = null
  isBoardDown = false
  readonly begun: string[] = []
  positions: ConnectorPosition[] = []
  altered: PositionChange[] | 'reset' | null = null
  readonly levels: Map<string, LoggerLevel> = new Map([['root', { level: 'INFO', lastModifiedMs: null }]])
  readonly closing: AbortController = new AbortController()
  deps: ApiDeps

  readonly verdicts: Verdict[] = []
  /** What a comparison answers. */
  verifying: (connector: string, signal: AbortSignal) => Promise<VerifyReceipt> = async () => verifyReceipt()
  readonly verifications: StatusBoard
  readonly audited: AuditRecord[] = []

  private constructor(
    topic: CompactedTopicTwin,
    store: ConfigWriter,
    base: Pick<ApiDeps, 'random' | 'logger'>,
    time: VirtualTime,
    logged: readonly string[],
  ) {
    this.logged = logged
    this.topic = topic
    this.store = store
    this.time = time
    this.verifications = new CoordinationTwin({ clock: time, timers: time }).status
    this.deps = {
      ...base,
      configStore: store,
      clock: time,
      timers: time,
      configs: connectorConfigs('0.1.0', {}),
      worker: { worker: 'w1' as WorkerId, advertised: WORKER_ID, pid: 42, version: '0.1.0', commit: 'abcdef' },
      cluster: {
        reports: async () => {
          if (this.isBoardDown) throw new Error('Redis is away')
          return this.reports
        },
        assignment: async () => this.assignment,
      },
      offsets: {
        get: async () => this.positions,
        alter: async (_entry, changes) => {
          this.altered = [...changes]
        },
        reset: async () => {
          this.altered = 'reset'
        },
      },
      loggers: {
        list: () => this.levels,
        set: (name, level) => {
          if (!['DEBUG', 'INFO', 'WARN', 'ERROR'].includes(level.toUpperCase())) return null
          this.levels.set(name, { level: level.toUpperCase(), lastModifiedMs: time.nowMs() })
          return [name]
        },
        setEverywhere: async (name, level) => this.deps.loggers.set(name, level) !== null,
      },
      verification: {
        verify: async (entry, { onProgress, signal }) => {
          onProgress({ stage: 'reading flights-0', partitions: 2, partitionsRead: 1, recordsRead: 100 })
          return await this.verifying(entry.name, signal)
        },
        board: this.verifications,
      },
      giveVerdict: async (_entry, verdict) => {
        this.verdicts.push(verdict)
      },
      topicTracking: { isEnabled: true, mayReset: true },
      clusterId: async () => 'kafka-cluster',
      health: async () => ({ status: 'healthy' }),
      audit: { write: record => void this.audited.push(record), lostCount: 0 },
      watch: { stallMs: 60_000, absentSinceMs: new Map(), boardAwaySinceMs: null },
      beginIncarnation: async (_name, incarnation) => {
        this.begun.push(incarnation)
        return 'journal-1'
      },
    }
    this.app = buildApi(this.deps, this.closing.signal)
  }

  static async open(topic: CompactedTopicTwin = new CompactedTopicTwin()): Promise<TestApi> {
    const logged: string[] = []
    const time = new VirtualTime()
    const logger = testLogger(logged)
    const random = { nextUint32: () => 7, nextId: () => `id${nextId++}` }
    const { signal } = new AbortController()
    const store = await ConfigWriter.open(
      { log: topic.client(), clock: time, timers: time, random, logger },
      { signal },
    )
    return new TestApi(topic, store, { random, logger }, time, logged)
  }

  async call(method: InjectOptions['method'], url: string, payload?: unknown): Promise<LightMyRequestResponse> {
    const headers = { 'content-type': 'application/json' }
    const body = payload === undefined ? undefined : typeof payload === 'string' ? payload : JSON.stringify(payload)
    return await this.app.inject({
      method: method ?? 'GET',
      url,
      headers,
      ...(body === undefined ? {} : { payload: body }),
    })
  }

  async create(
    name: string,
    config: Readonly<Record<string, unknown>> = {},
    more: object = {},
  ): Promise<LightMyRequestResponse> {
    return await this.call('POST', '/connectors', { name, config: { ...CONFIG, ...config }, ...more })
  }

  /** Creates without HTTP and validation. */
  async write(name: string): Promise<void> {
    const change = {
      kind: 'create',
      name,
      config: { ...CONFIG, name },
      targetState: 'STARTED',
      journalId: 'j',
    } as const
    await this.store.write({ ...change, incarnation: `inc-${name}` as Incarnation }, { signal: this.closing.signal })
  }

  /** Later than any view of the cluster that was kept: a worker that reports these partitions of a connector. */
  report(worker: string, connector: string, partitions: readonly Partial<WorkerReport['partitions'][number]>[]): void {
    const incarnation = this.store.read().connectors.get(connector)?.incarnation ?? ('none' as Incarnation)
    this.time.jump(1_000)
    this.reports = [
      ...this.reports.filter(report => report.worker !== worker),
      workerReport(
        worker,
        partitions.map((part, i) =>
          partitionReport({ connector, incarnation, topic: 'flights', partition: i, taskId: i, ...part }),
        ),
      ),
    ]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app.close()
    await this.store[Symbol.asyncDispose]()
  }
}

let nextId = 0

function testLogger(lines: string[]): Logger {
  const log = (fields: object, sentence: string): void => {
    lines.push(`${sentence} ${JSON.stringify(fields)}`)
  }
  const logger: Logger = { error: log, warn: log, info: log, debug: log, child: () => logger }
  return logger
}
