// What the processes of a world share: the twins of Kafka and BigQuery, the network to each of them, the ledger and the checker.
import {
  MillraceError,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type TableName,
  type TableSchema,
  type TopicPartition,
  tableName,
} from '@millrace/core'
import {
  BigQueryTwin,
  type Crossing,
  DeadLettersTwin,
  GroupOffsetsTwin,
  JournalTwin,
  Link,
  Machine,
  neverAborted,
  Scheduler,
  SourceTopicsTwin,
} from '@millrace/testkit'
import { Chance } from './chance.ts'
import { Checker } from './checker.ts'
import { Ledger, NAME_LENGTH_MAX } from './ledger.ts'
import type { Plan } from './plan.ts'

export const TOPIC = 'flights'
export const TABLE: TableName = tableName('p', 'd', TOPIC)
export const DLQ_TOPIC = 'dead'
export const TABLE_SCHEMA: TableSchema = {
  columns: [
    { name: 'id', type: 'INT64', mode: 'NULLABLE' },
    { name: 'name', type: 'STRING', mode: 'NULLABLE', maxLength: NAME_LENGTH_MAX },
  ],
}
/** Of the caller of an append that nobody answers. */
const APPEND_DEADLINE_MS = 10_000
const GIVE_UP_MS = 3_000

const partitionsOf = (count: number): readonly TopicPartition[] =>
  Array.from({ length: count }, (_, partition) => ({ topic: TOPIC, partition }))

export class Stores {
  readonly plan: Plan
  #partitions: readonly TopicPartition[]
  #isWide = false
  #hasName = true
  readonly chance: Chance
  readonly scheduler: Scheduler
  /** Never dies: the clock of the services, and of whoever watches from outside. */
  readonly outside: Machine
  readonly topics: SourceTopicsTwin
  readonly bigQuery: BigQueryTwin
  readonly journal: JournalTwin
  readonly letters: DeadLettersTwin = new DeadLettersTwin()
  readonly groupOffsets: GroupOffsetsTwin = new GroupOffsetsTwin()
  readonly ledger: Ledger
  readonly checker: Checker
  readonly toBigQuery: Link
  readonly toKafka: Link
  readonly toLetters: Link
  readonly toAudit: Link
  readonly toRedis: Link
  /** Streams that are gone, with the rows they held: what an operator finds in the table. */
  readonly expired: Map<StreamName, StreamOffset> = new Map()
  /** Places of streams that rows were sent for. */
  readonly attempted: Set<string> = new Set()
  /** Told what landed where; null costs nothing. */
  onEvent: ((line: string) => void) | null = null

  constructor(plan: Plan, onDurableStep: (machine: Machine, when: 'before' | 'after') => void) {
    this.plan = plan
    this.chance = new Chance(plan)
    this.#partitions = partitionsOf(plan.partitions)
    this.journal = new JournalTwin({ isText: plan.isJournalText })
    this.scheduler = new Scheduler(this.chance.for('order'))
    this.outside = new Machine('outside', this.scheduler)
    this.topics = new SourceTopicsTwin({ sliceRecords: plan.sliceRecords })
    const { clock, timers } = this.outside
    this.bigQuery = new BigQueryTwin({ clock, timers, appendDeadlineMs: APPEND_DEADLINE_MS })
    this.ledger = new Ledger(this.topics, plan.faults)
    this.checker = new Checker(this.ledger)
    this.bigQuery.onLanded = (stream, firstRow, rows) => {
      this.#note(`rows ${rows.map(row => Number(row['id'])).join()} land in ${stream}@${firstRow}`)
      this.checker.rowsLanded(stream, firstRow, rows)
    }
    this.journal.onLanded = entry => {
      this.#note(`journal ${entry.offset} ${entry.space} ${entry.key} ${entry.value}`)
      this.checker.journalLanded(entry)
    }
    this.letters.onLanded = letter => {
      this.#note(`dead letter ${letter.tp.topic}-${letter.tp.partition}@${letter.kafkaOffset}`)
      this.checker.letterLanded(letter)
    }
    this.toBigQuery = new Link(this.scheduler, {
      name: 'bigquery',
      crossing: () =>
        this.#crossing(this.chance.strikes('callLost') || this.isBigQueryDown, this.chance.strikes('callReplyLost')),
      lostError: what => new MillraceError('BIGQUERY_UNREACHABLE', 'retry', `The ${what} call was lost.`),
      onCall: (machine, what, when) => {
        if (what !== 'exists') onDurableStep(machine, when)
      },
    })
    this.toKafka = new Link(this.scheduler, {
      name: 'kafka',
      // Reads and the like are tried again inside the adapters, until there is an answer.
      crossing: () => {
        const { requestMs, replyMs } = this.#crossing()
        return { requestMs: Math.max(requestMs, this.kafkaDownMs), replyMs }
      },
      lostError: what => new MillraceError('KAFKA_UNREACHABLE', 'retry', `The ${what} call was lost.`),
    })
    this.toRedis = new Link(this.scheduler, {
      name: 'redis',
      crossing: () => this.#crossing(),
      lostError: what => new MillraceError('REDIS_UNREACHABLE', 'retry', `${what} was lost.`),
    })
    this.toAudit = new Link(this.scheduler, {
      name: 'audit',
      crossing: () => this.#crossing(this.chance.strikes('lettersLost', 2), this.chance.strikes('lettersReplyLost', 2)),
      lostError: () => new MillraceError('KAFKA_UNREACHABLE', 'retry', 'The audit record may not have been produced.'),
      onCall: (machine, _what, when) => onDurableStep(machine, when),
    })
    this.toLetters = new Link(this.scheduler, {
      name: 'letters',
      crossing: () => this.#crossing(this.chance.strikes('lettersLost', 2), this.chance.strikes('lettersReplyLost', 2)),
      lostError: () => new MillraceError('DEAD_LETTER_FAILED', 'retry', 'The dead letters may not have been produced.'),
      onCall: (machine, _what, when) => onDurableStep(machine, when),
    })
  }

  /** How long Kafka will not answer yet. */
  get kafkaDownMs(): number {
    return Math.max(0, this.chance.kafkaUpAtMs - this.scheduler.elapsedMs)
  }
  get isBigQueryDown(): boolean {
    return this.chance.bigQueryUpAtMs > this.scheduler.elapsedMs
  }

  /** The topics and the table are there. */
  async open(): Promise<void> {
    const { plan, topics, bigQuery, letters } = this
    topics.createTopic(TOPIC, plan.partitions)
    await bigQuery.tables.create(TABLE, { schema: TABLE_SCHEMA }, { signal: neverAborted() })
    const queue = { topic: DLQ_TOPIC, connector: 'c', taskId: 0, contextHeaders: false, replicationFactor: 1 }
    await letters.ensureTopic(queue, { signal: neverAborted() })
  }

  /** One partition more, from now on. */
  grow(): void {
    this.#partitions = partitionsOf(this.#partitions.length + 1)
    this.topics.createTopic(TOPIC, this.#partitions.length)
  }

  get partitions(): readonly TopicPartition[] {
    return this.#partitions
  }

  /** What the table refused so far it takes from now on. */
  widenColumn(): void {
    this.#isWide = true
    this.bigQuery.alterTable(TABLE, this.#schema)
  }
  dropColumn(): void {
    this.#hasName = false
    this.bigQuery.alterTable(TABLE, this.#schema)
  }
  restoreColumn(): void {
    this.#hasName = true
    this.bigQuery.alterTable(TABLE, this.#schema)
  }

  /** Its streams are gone with it; what was in them an operator knows. */
  dropTable(): void {
    for (const stream of this.bigQuery.streams(TABLE))
      this.expired.set(stream, streamOffset(this.bigQuery.rowCount(stream)))
    this.bigQuery.dropTable(TABLE)
  }
  /** Unless it is there. */
  createTable(): void {
    void this.bigQuery.tables.create(TABLE, { schema: this.#schema }, { signal: neverAborted() })
  }

  get #schema(): TableSchema {
    const columns = TABLE_SCHEMA.columns.filter(({ name }) => this.#hasName || name !== 'name')
    return { columns: this.#isWide ? columns.map(({ maxLength: _, ...column }) => column) : columns }
  }

  /** Its time to live is over, or so the service says: it is not found any more, whatever landed in it stays. */
  expire(stream: StreamName): void {
    this.expired.set(stream, streamOffset(this.bigQuery.rowCount(stream)))
    this.bigQuery.dropStream(stream)
  }

  #note(line: string): void {
    this.scheduler.note(line)
    this.onEvent?.(line)
  }

  #crossing(isRequestLost = false, isReplyLost = false): Crossing {
    const requestMs = this.chance.latencyMs()
    const replyMs = this.chance.latencyMs()
    if (isRequestLost) return { requestMs, replyMs: GIVE_UP_MS, lost: 'request' }
    if (isReplyLost) return { requestMs, replyMs: GIVE_UP_MS, lost: 'reply' }
    return { requestMs, replyMs }
  }
}
