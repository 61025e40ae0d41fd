// What each worker publishes about itself on the status board, as JSON. Decoding trusts nothing: the board is Redis.
import { ERROR_CODES, type ErrorCode } from '../errors/codes.ts'
import { MillraceError } from '../errors/error.ts'
import type { Incarnation, KafkaOffset, WorkerId } from '../ids.ts'

export const PARTITION_STATES = ['STARTING', 'RUNNING', 'PAUSED', 'FAILED', 'RESTARTING', 'IN_DOUBT'] as const
export type PartitionState = (typeof PARTITION_STATES)[number]

/** Where in its way a partition is: what it is at, or stuck in. */
export const PARTITION_STAGES = [
  'opening',
  'claiming',
  'reading',
  'waitingForMemory',
  'openingTable',
  'converting',
  'openingStream',
  'logging',
  'savingDeadLetters',
  'appending',
  'releasing',
] as const
export type PartitionStage = (typeof PARTITION_STAGES)[number]

/** What somebody asks for again and again, or stands in line for. Times by the clock of the worker. */
export type Waiting = { readonly code: ErrorCode; readonly message: string; readonly sinceMs: number }

/** Rows and dead letters of the last minute or so. */
export type RecentOutcomes = { readonly rows: number; readonly deadLetters: number }

export type PartitionReport = {
  readonly connector: string
  readonly incarnation: Incarnation
  readonly topic: string
  readonly partition: number
  readonly taskId: number
  readonly state: PartitionState
  /** Why it is FAILED or IN_DOUBT; required then. */
  readonly trace?: string
  /** `restartToken` of the entry it runs under: a failure under an older token is shown as RESTARTING. */
  readonly restartToken?: string
  /** Epoch of its claim; 0 before the first one. */
  readonly epoch: number
  /** Next record to settle (the frontier), and the end of the log; null while not known. */
  readonly nextOffset: KafkaOffset | null
  readonly endOffset: KafkaOffset | null
  readonly lag: number | null
  readonly inFlightRows: number
  /** Open write streams, by full name; at most STREAMS_REPORTED_MAX. */
  readonly streams: readonly string[]
  /** Recoveries from a claim that had not released, by this worker, for this partition. */
  readonly takeovers: number
  readonly rowsTotal: number
  readonly deadLettersTotal: number
  readonly droppedTotal: number
  readonly failures: number
  /** When it last read a record: what makes its topic active. */
  readonly lastRecordAtMs?: number
  // What follows, a worker of an older version does not tell.
  /** Age of the oldest record that is not settled, by its own timestamp; absent while not known. */
  readonly lagMs?: number
  /** Timestamp of the newest settled record. */
  readonly settledRecordAtMs?: number
  /** Tables it writes to; at most STREAMS_REPORTED_MAX. */
  readonly tables?: readonly string[]
  readonly stage?: PartitionStage
  /** What it waits for longest, while it does. */
  readonly waiting?: Waiting
  /** When the position last moved, or there was nothing left to do. */
  readonly progressAtMs?: number
  /** What it failed of, until its position moves again: a partition that starts anew is not well yet. */
  readonly failure?: Waiting
  /** What it failed of lately, oldest first; at most FAILURES_REPORTED_MAX. Begins anew with each config and restart request. */
  readonly pastFailures?: readonly Waiting[]
  /** When it starts again by itself, while it is FAILED and does. */
  readonly restartsAtMs?: number
  readonly recent?: RecentOutcomes
  /** Offsets skipped by offset.lost.policy=skip since the position was set last; absent: none. */
  readonly lostOffsets?: number
}

/** A connector that cannot run at all: bad credentials, journal lost. One partition's trouble is its own report. */
export type ConnectorFailure = {
  readonly connector: string
  readonly incarnation: Incarnation
  readonly trace: string
  /** `connectorRestartToken` it failed under. */
  readonly restartToken?: string
}

export type WorkerReport = {
  readonly worker: WorkerId
  /** `rest.advertised.host.name:port`: the `worker_id` of the REST API. */
  readonly advertised: string
  readonly pid: number
  readonly version: string
  readonly startedAtMs: number
  readonly publishedAtMs: number
  readonly rssBytes: number
  /** Sum over all partitions this process ever took over. */
  readonly takeovers: number
  readonly partitions: readonly PartitionReport[]
  readonly connectorFailures: readonly ConnectorFailure[]
  /** Services this worker as a whole does not reach; empty when there is nothing to tell. */
  readonly troubles: readonly Waiting[]
}

/** 20 names of about 100 bytes: 2 kB per partition at most. */
export const STREAMS_REPORTED_MAX = 20
/** 5 messages of at most 300 characters: 2 kB per partition that failed. */
export const FAILURES_REPORTED_MAX = 5
/** 8 kB of trace name a cause; the first 20 failed partitions of a worker have them whole, the others their beginning. */
export const TRACE_CHARS_MAX = 8192
export const TRACES_WHOLE_MAX = 20
export const TRACE_BEGINNING_CHARS = 256

export function encodeWorkerReport(report: WorkerReport): string {
  let wholeTraces = 0
  const partitions = report.partitions.map(partition => {
    const streams = partition.streams.slice(0, STREAMS_REPORTED_MAX)
    const tables = partition.tables?.slice(0, STREAMS_REPORTED_MAX)
    const nextOffset = partition.nextOffset?.toString() ?? null
    const endOffset = partition.endOffset?.toString() ?? null
    const bounded = { ...partition, nextOffset, endOffset, streams, ...(tables === undefined ? {} : { tables }) }
    if (partition.trace === undefined) return bounded
    const charsMax = wholeTraces++ < TRACES_WHOLE_MAX ? TRACE_CHARS_MAX : TRACE_BEGINNING_CHARS
    return { ...bounded, trace: partition.trace.slice(0, charsMax) }
  })
  return JSON.stringify({ ...report, partitions }) // a replacer would be called for every value
}

/** Throws CONFIG_INVALID naming the field; the caller shows the worker as unknown and goes on. */
export function decodeWorkerReport(body: string): WorkerReport {
  const fields = new Fields(parseObject(body), 'report')
  return {
    worker: fields.string('worker') as WorkerId,
    advertised: fields.string('advertised'),
    pid: fields.count('pid'),
    version: fields.string('version'),
    startedAtMs: fields.count('startedAtMs'),
    publishedAtMs: fields.count('publishedAtMs'),
    rssBytes: fields.count('rssBytes'),
    takeovers: fields.count('takeovers'),
    partitions: fields.list('partitions', decodePartition),
    connectorFailures: fields.list('connectorFailures', decodeFailure),
    troubles: fields.optionalList('troubles', decodeWaiting).flatMap(trouble => trouble ?? []),
  }
}

function decodePartition(fields: Fields): PartitionReport {
  const state = fields.oneOf('state', PARTITION_STATES)
  const trace = fields.optionalString('trace')
  const restartToken = fields.optionalString('restartToken')
  const lastRecordAtMs = fields.optionalCount('lastRecordAtMs')
  const progressAtMs = fields.optionalCount('progressAtMs')
  const lagMs = fields.optionalCount('lagMs')
  const settledRecordAtMs = fields.optionalCount('settledRecordAtMs')
  const tables = fields.optionalStrings('tables')
  const stage = fields.optionalOneOf('stage', PARTITION_STAGES)
  const waiting = fields.optionalObject('waiting', decodeWaiting)
  const failure = fields.optionalObject('failure', decodeWaiting)
  const pastFailures = fields.optionalList('pastFailures', decodeWaiting).flatMap(failure => failure ?? [])
  const restartsAtMs = fields.optionalCount('restartsAtMs')
  const lostOffsets = fields.optionalCount('lostOffsets')
  const recent = fields.optionalObject('recent', decodeRecent)
  return {
    connector: fields.string('connector'),
    incarnation: fields.string('incarnation') as Incarnation,
    topic: fields.string('topic'),
    partition: fields.count('partition'),
    taskId: fields.count('taskId'),
    state,
    ...(trace === undefined ? {} : { trace }),
    ...(restartToken === undefined ? {} : { restartToken }),
    epoch: fields.count('epoch'),
    nextOffset: fields.offset('nextOffset'),
    endOffset: fields.offset('endOffset'),
    lag: fields.countOrNull('lag'),
    inFlightRows: fields.count('inFlightRows'),
    streams: fields.strings('streams'),
    takeovers: fields.count('takeovers'),
    rowsTotal: fields.count('rowsTotal'),
    deadLettersTotal: fields.count('deadLettersTotal'),
    droppedTotal: fields.count('droppedTotal'),
    failures: fields.count('failures'),
    ...(lastRecordAtMs === undefined ? {} : { lastRecordAtMs }),
    ...(lagMs === undefined ? {} : { lagMs }),
    ...(settledRecordAtMs === undefined ? {} : { settledRecordAtMs }),
    ...(tables === undefined ? {} : { tables }),
    ...(stage === undefined ? {} : { stage }),
    ...(waiting === undefined ? {} : { waiting }),
    ...(progressAtMs === undefined ? {} : { progressAtMs }),
    ...(failure === undefined ? {} : { failure }),
    ...(pastFailures.length === 0 ? {} : { pastFailures }),
    ...(restartsAtMs === undefined ? {} : { restartsAtMs }),
    ...(recent === undefined ? {} : { recent }),
    ...(lostOffsets === undefined ? {} : { lostOffsets }),
  }
}

/** A newer worker may know codes this one does not: then only the state is shown. */
function decodeWaiting(fields: Fields): Waiting | undefined {
  const code = knownCode(fields.string('code'))
  const [message, sinceMs] = [fields.string('message'), fields.count('sinceMs')]
  return code === undefined ? undefined : { code, message, sinceMs }
}

const knownCode = (code: string | undefined): ErrorCode | undefined =>
  code !== undefined && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : undefined

const decodeRecent = (fields: Fields): RecentOutcomes => ({
  rows: fields.count('rows'),
  deadLetters: fields.count('deadLetters'),
})

function decodeFailure(fields: Fields): ConnectorFailure {
  const restartToken = fields.optionalString('restartToken')
  return {
    connector: fields.string('connector'),
    incarnation: fields.string('incarnation') as Incarnation,
    trace: fields.string('trace'),
    ...(restartToken === undefined ? {} : { restartToken }),
  }
}

function parseObject(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (cause) {
    throw new MillraceError('CONFIG_INVALID', 'failPartition', 'A worker report is not JSON.', { cause })
  }
}

/** Reads typed fields of an unknown value; every refusal names the path. */
class Fields {
  readonly #source: Readonly<Record<string, unknown>>
  readonly #path: string

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(path, 'an object')
    this.#source = value as Readonly<Record<string, unknown>>
    this.#path = path
  }

  string(name: string): string {
    const value = this.#source[name]
    if (typeof value !== 'string') throw this.#refused(name, 'a string')
    return value
  }

  optionalString(name: string): string | undefined {
    return this.#source[name] === undefined ? undefined : this.string(name)
  }

  optionalStrings(name: string): readonly string[] | undefined {
    return this.#source[name] === undefined ? undefined : this.strings(name)
  }

  strings(name: string): readonly string[] {
    const value = this.#source[name]
    if (!Array.isArray(value) || !value.every(item => typeof item === 'string'))
      throw this.#refused(name, 'a list of strings')
    return value
  }

  count(name: string): number {
    const value = this.#source[name]
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw this.#refused(name, 'a whole number')
    return value
  }

  optionalCount(name: string): number | undefined {
    return this.#source[name] === undefined ? undefined : this.count(name)
  }

  countOrNull(name: string): number | null {
    return this.#source[name] === null ? null : this.count(name)
  }

  offset(name: string): KafkaOffset | null {
    const value = this.#source[name]
    if (value === null) return null
    if (typeof value !== 'string' || !/^\d{1,19}$/.test(value)) throw this.#refused(name, 'an offset')
    return BigInt(value) as KafkaOffset
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T {
    const found = allowed.find(candidate => candidate === this.#source[name])
    if (found === undefined) throw this.#refused(name, allowed.join(', '))
    return found
  }

  /** What is not known here is left out: a newer worker has stages this one does not. */
  optionalOneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    return allowed.find(candidate => candidate === this.#source[name])
  }

  optionalObject<T>(name: string, decode: (fields: Fields) => T): T | undefined {
    const value = this.#source[name]
    return value === undefined ? undefined : decode(new Fields(value, `${this.#path}.${name}`))
  }

  optionalList<T>(name: string, decode: (fields: Fields) => T): readonly T[] {
    return this.#source[name] === undefined ? [] : this.list(name, decode)
  }

  list<T>(name: string, decode: (fields: Fields) => T): readonly T[] {
    const value = this.#source[name]
    if (!Array.isArray(value)) throw this.#refused(name, 'a list')
    return value.map((item, index) => decode(new Fields(item, `${this.#path}.${name}[${index}]`)))
  }

  #refused(name: string, expected: string): MillraceError {
    return refused(`${this.#path}.${name}`, expected)
  }
}

function refused(path: string, expected: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', 'failPartition', `In a worker report, ${path} must be ${expected}.`)
}
