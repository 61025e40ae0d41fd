// One topic-partition and everything around it in virtual time: Kafka, BigQuery, journal, dead letter queue and Redis as twins.
// Any number of processes may work on the partition at once: there are no leases here, only the journal.
import assert from 'node:assert/strict'
import { compileValueConverter } from '@millrace/convert'
import {
  type DeadLetter,
  type Incarnation,
  type JournalRecord,
  type KafkaOffset,
  type KeySpace,
  type Logger,
  type TableName,
  type TableSchema,
  type TopicPartition,
  tableName,
} from '@millrace/core'
import {
  type AppendFate,
  type AppendSeen,
  BigQueryTwin,
  CoordinationTwin,
  DeadLettersTwin,
  GroupOffsetsTwin,
  JournalTwin,
  SourceTopicsTwin,
  VirtualTime,
} from '@millrace/testkit'
import type { ErrorPolicy } from '../../src/batch-builder.ts'
import type { Destination } from '../../src/destination.ts'
import { Partition, type PartitionDeps, type PartitionEnd } from '../../src/index.ts'
import type { LostOffsetsHost, OffsetLostPolicy } from '../../src/lost-offsets.ts'
import { Process, type ProcessOptions } from './process.ts'
import { SeededRandom } from './seeded-random.ts'
import { NAME_LENGTH_MAX, type RecordKind, TopicRecords } from './topic-records.ts'

export const TP: TopicPartition = { topic: 'flights', partition: 0 }
export const TABLE: TableName = tableName('p', 'd', 'flights')
export const SPACE: KeySpace = { ...TP, incarnation: 'inc1' as Incarnation }
export const DLQ = { topic: 'dead', connector: 'c', taskId: 0, contextHeaders: false, replicationFactor: 1 }

export const TABLE_SCHEMA: TableSchema = {
  columns: [
    { name: 'id', type: 'INT64', mode: 'NULLABLE' },
    { name: 'name', type: 'STRING', mode: 'NULLABLE', maxLength: NAME_LENGTH_MAX },
    { name: 'blob', type: 'STRING', mode: 'NULLABLE' },
  ],
}
/** Schemaless JSON; records with a header `skip` are filtered out. */
export const CONVERTER_SETTINGS: Readonly<Record<string, string>> = {
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  transforms: 'drop',
  'transforms.drop.type': 'org.apache.kafka.connect.transforms.Filter',
  'transforms.drop.predicate': 'skip',
  predicates: 'skip',
  'predicates.skip.type': 'org.apache.kafka.connect.transforms.predicates.HasHeaderKey',
  'predicates.skip.name': 'skip',
}
export const QUIET: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => QUIET }

export type Run = {
  readonly partition: Partition
  readonly process: Process
  /** null while it runs; `died` with its process. */
  end: PartitionEnd | { readonly kind: 'died' } | null
}
export type WorldOptions = { readonly seed?: number; readonly sliceRecords?: number; readonly latencyMsMax?: number }

export class World {
  readonly time: VirtualTime = new VirtualTime()
  readonly random: SeededRandom
  readonly topics: SourceTopicsTwin
  readonly records: TopicRecords
  readonly journal: JournalTwin = new JournalTwin()
  readonly bigQuery: BigQueryTwin
  readonly letters: DeadLettersTwin = new DeadLettersTwin()
  readonly groupOffsets: GroupOffsetsTwin = new GroupOffsetsTwin()
  readonly redis: CoordinationTwin
  readonly processes: Process[] = []
  /** As `from..to`, in the order the audit got them. */
  readonly auditedLosses: string[] = []
  /** What becomes of each append; replace it at any time. */
  fateOf: (seen: AppendSeen) => AppendFate = () => ({ kind: 'apply' })

  private constructor({ seed = 1, sliceRecords = 5, latencyMsMax = 5 }: WorldOptions) {
    this.random = new SeededRandom(seed)
    this.topics = new SourceTopicsTwin({ sliceRecords })
    this.topics.createTopic(TP.topic, 1)
    this.records = new TopicRecords(this.topics, TP)
    const { time } = this
    this.bigQuery = new BigQueryTwin({
      clock: time,
      timers: time,
      latencyMs: () => 1 + this.random.below(latencyMsMax),
    })
    this.redis = new CoordinationTwin({ clock: time, timers: time })
  }

  /** With the table and the dead letter topic made. */
  static async open(options: WorldOptions = {}): Promise<World> {
    const world = new World(options)
    const { signal } = new AbortController()
    const created = world.bigQuery.tables.create(TABLE, { schema: TABLE_SCHEMA }, { signal })
    await world.time.advance(100)
    await created
    await world.letters.ensureTopic(DLQ, { signal })
    return world
  }

  process(options: ProcessOptions = {}): Process {
    const name = `worker${this.processes.length + 1}`
    const process = new Process(name, this.#processWorld(), options)
    this.processes.push(process)
    return process
  }
  #processWorld() {
    return {
      journal: this.journal,
      bigQuery: this.bigQuery,
      letters: this.letters,
      fateOf: (seen: AppendSeen) => this.fateOf(seen),
    }
  }

  /** One claim of a process, begun now. */
  begin(overrides: Partial<PartitionDeps> = {}, process: Process = this.process()): Run {
    const partition = new Partition({ ...this.deps(process), ...overrides })
    const run: Run = { partition, process, end: null }
    partition.run({ signal: process.signal }).then(
      end => {
        run.end = end
      },
      () => {
        run.end = { kind: 'died' }
      },
    )
    return run
  }

  deps(process: Process): PartitionDeps {
    const { time, random, redis } = this
    return {
      tp: TP,
      incarnation: SPACE.incarnation,
      workerId: process.workerId,
      generation: 1,
      journal: process.journal,
      source: this.topics,
      lostOffsets: this.lostOffsets('fail'),
      streams: process.streams,
      permits: redis.permits,
      destination: this.destination(),
      policy: 'deadLetter' satisfies ErrorPolicy,
      noteBadRecord: () => {},
      limits: { bytesMax: 2_000_000, rowsMax: 3, rowBytesMax: 9_000_000 },
      lingerMs: 20,
      intentBytesMax: 100_000,
      budget: process.budget,
      clock: time,
      timers: time,
      random,
      logger: QUIET,
      resolveStart: async () => ({ start: 0n as KafkaOffset }),
      produceDeadLetters: (letters, options) => process.deadLetters.produce(DLQ, letters, options),
      findDeadLetters: (offsets, options) => process.deadLetters.find(DLQ, TP, offsets, options),
      onProgress: () => {},
    }
  }

  lostOffsets(policy: OffsetLostPolicy): LostOffsetsHost {
    return {
      policy,
      audit: async ({ range }) => {
        this.auditedLosses.push(`${range.from}..${range.to}`)
      },
    }
  }

  destination(): Destination {
    const { tables } = this.bigQuery
    return {
      open: async (topic, _slices, options) => {
        const info = await tables.get(TABLE, options)
        assert(info !== null, 'The table is there.')
        const converter = compileValueConverter(CONVERTER_SETTINGS, info.schema, topic)
        return { table: TABLE, tableCreationTime: info.creationTime, converter }
      },
    }
  }

  // ── waiting ──

  /** Lets time pass until it holds; fails when it does not within ten virtual minutes. */
  async until(what: string, holds: () => boolean, withinMs = 600_000): Promise<void> {
    const endMs = this.time.monotonicMs() + withinMs
    await this.time.settle()
    for (let stepMs = 5; !holds(); stepMs = Math.min(1_000, Math.ceil(stepMs * 1.1))) {
      assert(this.time.monotonicMs() < endMs, `Waited in vain until ${what}. Journal:\n${this.journalText()}`)
      await this.time.advance(stepMs)
    }
  }
  ended(run: Run): Promise<void> {
    return this.until('the run ends', () => run.end !== null)
  }
  /** Its frontier is at the end of the log. */
  delivered(run: Run): Promise<void> {
    return this.until('everything is delivered', () => {
      assert(run.end === null, `The run ended: ${describeEnd(run)}`)
      return run.partition.view().nextKafkaOffset === this.records.end
    })
  }
  async letGo(run: Run): Promise<void> {
    run.partition.letGo()
    await this.ended(run)
  }
  /** New processes take over, one after the other, until all is delivered and released. */
  async finish(overrides: Partial<PartitionDeps> = {}): Promise<void> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const run = this.begin(overrides)
      await this.until(
        'a new owner delivers everything',
        () => run.end !== null || run.partition.view().nextKafkaOffset === this.records.end,
      )
      if (run.end === null) return await this.letGo(run)
      assert(run.end.kind === 'fenced', `A new owner ended: ${describeEnd(run)}`)
    }
    assert.fail('Ten new owners were fenced.')
  }

  // ── judging ──

  rowIds(): readonly bigint[] {
    return this.bigQuery.rows(TABLE).map(row => row['id'] as bigint)
  }
  /** Offsets with a letter, copies once. */
  deadOffsets(): readonly KafkaOffset[] {
    return [...new Set(this.letterList().map(letter => letter.kafkaOffset))].sort(byNumber)
  }
  letterList(): readonly DeadLetter[] {
    return this.letters.letters(DLQ.topic)
  }

  /** `NoDup`, `NoLoss`, `OneOutcome`: by content, every record is where it belongs and nowhere else. */
  assertExactlyOnce(policy: ErrorPolicy = 'deadLetter'): void {
    const of = (...kinds: readonly RecordKind[]): KafkaOffset[] =>
      [...this.records.kinds].filter(([, kind]) => kinds.includes(kind)).map(([offset]) => offset)
    assert.deepEqual([...this.rowIds()].sort(byNumber), of('row'), `rows of the table\n${this.journalText()}`)
    assert.deepEqual(this.deadOffsets(), policy === 'deadLetter' ? of('unreadable', 'refused') : [], 'dead letters')
  }
  assertBudgetsEmpty(): void {
    for (const { workerId, budget } of this.processes) assert.equal(budget.usedBytes, 0, `bytes held by ${workerId}`)
  }

  journalRecords(): readonly JournalRecord[] {
    return this.journal.entries.flatMap(({ value }) => (value === null ? [] : [JSON.parse(value) as JournalRecord]))
  }
  journalText(): string {
    return this.journal.entries.map(e => `${e.offset} ${e.key} ${e.value}`).join('\n')
  }
}

export const byNumber = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

export function describeEnd({ end }: Run): string {
  if (end === null) return 'not at all'
  if (end.kind === 'failed') return `failed: ${end.error instanceof Error ? end.error.stack : String(end.error)}`
  return JSON.stringify(end)
}
