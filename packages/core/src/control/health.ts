// Whether a connector gets on, and if not, why. Connect's states say what was asked for and what runs; RUNNING says nothing
// about progress. Here, work without progress always has a named cause. Pure: one look at entry and cluster.
//
// Times are compared with the clock of the worker that stated them (`publishedAtMs`): clocks of workers may differ.
import { ERROR_CODES, type ErrorCode } from '../errors/codes.ts'
import { formatTopicPartition } from '../ids.ts'
import type { ConnectorEntry } from './control-state.ts'
import { assignedTasks, type ClusterView, type PartitionView, partitionState, partitionViews } from './lifecycle.ts'
import type { PartitionReport, PartitionStage, Waiting, WorkerReport } from './reports.ts'

export const HEALTH_VERDICTS = ['OK', 'DEGRADED', 'STALLED'] as const
/**
 * OK: work is done, or there is none. DEGRADED: something is wrong or waited for, but what can go on goes on.
 * STALLED: a partition has work and its position has not moved for `stall.detection.ms`, or an operator must decide.
 */
export type HealthVerdict = (typeof HEALTH_VERDICTS)[number]

export type HealthReason = {
  readonly code: ErrorCode
  readonly severity: Exclude<HealthVerdict, 'OK'>
  /** null: about the connector as a whole. */
  readonly topic: string | null
  readonly partition: number | null
  readonly workerId: string | null
  readonly stage: PartitionStage | null
  /** By the clock of that worker; null where nobody saw it begin. */
  readonly sinceMs: number | null
  readonly message: string
}
export type ConnectorHealth = {
  readonly name: string
  readonly verdict: HealthVerdict
  /** Worst first, then oldest; at most HEALTH_REASONS_MAX of `reasonCount`. */
  readonly reasons: readonly HealthReason[]
  readonly reasonCount: number
}

export type HealthContext = {
  /** By the clock of this worker. */
  readonly nowMs: number
  /** stall.detection.ms */
  readonly stallMs: number
  /** What is not there → since when, by this worker's clock: see noteAbsent. */
  readonly absentSinceMs: ReadonlyMap<string, number>
  /** Since when the status board cannot be read: then silence of other workers means nothing. */
  readonly boardAwaySinceMs: number | null
}

/** 100 reasons of about 500 bytes: the first ones name the cause. */
export const HEALTH_REASONS_MAX = 100
/** What is over so soon is daily life: a rebalance, a retry, a reconnect. */
const TRANSIENT_MAX_MS = 10_000
/** A regex that matches nothing is shown up to here. */
const SELECTION_CHARS_MAX = 200
/** Fewer are not a rate. */
const DEAD_LETTERS_MIN = 10
const DEAD_LETTER_SHARE = 0.05

/** Cause and fix of a reason, from the errors manual. */
export const manualOf = (code: ErrorCode): { readonly cause: string; readonly fix: string } => ERROR_CODES[code]

export function connectorHealth(entry: ConnectorEntry, cluster: ClusterView, context: HealthContext): ConnectorHealth {
  const reasons = entry.targetState === 'STARTED' ? reasonsOf(entry, cluster, context) : []
  const sorted = reasons.toSorted(byUrgency)
  return {
    name: entry.name,
    verdict: sorted[0]?.severity ?? 'OK',
    reasons: sorted.slice(0, HEALTH_REASONS_MAX),
    reasonCount: sorted.length,
  }
}

/** STALLED, what an operator must answer, then the longest. */
function byUrgency(a: HealthReason, b: HealthReason): number {
  if (a.severity !== b.severity) return a.severity === 'STALLED' ? -1 : 1
  return (a.sinceMs ?? 0) - (b.sinceMs ?? 0)
}

function reasonsOf(entry: ConnectorEntry, cluster: ClusterView, context: HealthContext): readonly HealthReason[] {
  const { stallMs, boardAwaySinceMs } = context
  const graceMs = Math.min(TRANSIENT_MAX_MS, stallMs / 2)
  const failed = (cluster.failuresOf.get(entry.name) ?? [])
    .filter(item => item.failure.incarnation === entry.incarnation)
    .map(({ worker, failure }) => ({
      ...wholeConnector('CONNECTOR_FAILED', 'STALLED', null, firstLine(failure.trace)),
      workerId: worker.advertised,
    }))
  if (cluster.workers.length === 0)
    return [...failed, wholeConnector('NO_WORKER', 'STALLED', null, 'No worker is known to run.')]
  const views = partitionViews(entry, cluster)
  const inner = { ...context, graceMs }
  return [
    ...failed,
    ...views.flatMap(view => partitionReason(entry, view, cluster, inner) ?? []),
    ...(failed.length === 0 && boardAwaySinceMs === null ? absentReasons(entry, cluster, inner) : []),
    ...boardReason(context, graceMs),
    ...deadLetterReason(views),
  ]
}

type PartitionContext = HealthContext & { readonly graceMs: number }

/** null: it gets on, or nothing has lasted long enough to be more than daily life. */
function partitionReason(
  entry: ConnectorEntry,
  view: PartitionView,
  cluster: ClusterView,
  context: PartitionContext,
): HealthReason | null {
  const { report } = view
  const worker = cluster.workerOf.get(view.worker)
  if (report === null || worker === undefined) return unreported(entry, view, worker, context)
  const nowMs = worker.publishedAtMs
  const stalledMs = report.progressAtMs === undefined ? 0 : nowMs - report.progressAtMs
  const severity = stalledMs >= context.stallMs ? 'STALLED' : 'DEGRADED'
  const isFailed = partitionState(entry, view) === 'FAILED'
  if (isFailed && report.state === 'IN_DOUBT')
    return of(view, 'IN_DOUBT', 'STALLED', report.progressAtMs ?? null, firstLine(report.trace))
  const { failure } = report
  if (failure !== undefined) return of(view, failure.code, severity, failure.sinceMs, failure.message)
  if (isFailed) return of(view, 'PARTITION_FAILED', severity, report.progressAtMs ?? null, firstLine(report.trace))
  if (report.waiting !== undefined && nowMs - report.waiting.sinceMs >= patienceMs(report.waiting, context))
    return of(view, report.waiting.code, severity, report.waiting.sinceMs, report.waiting.message)
  if (severity !== 'STALLED') return null
  return withoutProgress(view, report, worker)
}

/** Producers that commit once a minute keep transactions open for as long: no news until it counts as a stall. */
const patienceMs = ({ code }: Waiting, { graceMs, stallMs }: PartitionContext): number =>
  code === 'SOURCE_TRANSACTION_OPEN' ? stallMs : graceMs

/** Work, no progress, and the partition itself does not know why: perhaps its worker does. */
function withoutProgress(view: PartitionView, report: PartitionReport, worker: WorkerReport): HealthReason {
  const sinceMs = report.progressAtMs ?? null
  const trouble = worker.troubles.toSorted((a: Waiting, b: Waiting) => a.sinceMs - b.sinceMs)[0]
  if (report.waiting !== undefined) return of(view, report.waiting.code, 'STALLED', sinceMs, report.waiting.message)
  if (trouble !== undefined) return of(view, trouble.code, 'STALLED', sinceMs, trouble.message)
  const { stage } = report
  const what = stage === undefined ? 'It does not say what it is at.' : STAGE_SENTENCES[stage]
  const lag = report.lag === null ? 'Its lag is not known.' : `Its lag is ${report.lag} records.`
  return of(view, 'NO_PROGRESS', 'STALLED', sinceMs, `${what} ${lag}`)
}

const STAGE_SENTENCES: Readonly<Record<PartitionStage, string>> = {
  opening: 'The connector is being opened on the worker (Genesis, credentials, dead letter topic).',
  claiming: 'The partition is being claimed: the journal topic, or FinalizeWriteStream, does not answer.',
  reading: 'Records are fetched from Kafka, and none come.',
  waitingForMemory: 'The buffers of the worker are full.',
  openingTable: 'The destination table is looked up or created.',
  converting: 'Records are converted, or wait for batches before them.',
  openingStream: 'A write stream is opened or finalized.',
  logging: 'An Intent is written to the journal topic.',
  savingDeadLetters: 'Dead letters are produced.',
  appending: 'Rows are sent, and BigQuery has not acknowledged them.',
  releasing: 'The partition is released.',
}

function unreported(
  entry: ConnectorEntry,
  view: PartitionView,
  worker: WorkerReport | undefined,
  context: PartitionContext,
): HealthReason | null {
  if (context.boardAwaySinceMs !== null) return null // told once, for all of them
  const absence = absenceOf(absentPartition(entry, view), context)
  if (absence === null) return null
  const { severity, sinceMs } = absence
  if (worker !== undefined) {
    const message = `${worker.advertised} is to work on it and does not: another worker holds its lease, or it lets go of it.`
    return of(view, 'UNASSIGNED', severity, sinceMs, message)
  }
  const message = 'It is assigned to a worker that is not known to run.'
  return { ...of(view, 'UNASSIGNED', severity, sinceMs, message), workerId: null }
}

/** What lasts for longer than a moment, and how bad that is. */
function absenceOf(
  key: string,
  { absentSinceMs, nowMs, graceMs, stallMs }: PartitionContext,
): { readonly sinceMs: number; readonly severity: HealthReason['severity'] } | null {
  const sinceMs = absentSinceMs.get(key)
  if (sinceMs === undefined || nowMs - sinceMs < graceMs) return null
  return { sinceMs, severity: nowMs - sinceMs >= stallMs ? 'STALLED' : 'DEGRADED' }
}

/** Nothing to work on at all, or topics named in the config that are not there. */
function absentReasons(
  entry: ConnectorEntry,
  cluster: ClusterView,
  context: PartitionContext,
): readonly HealthReason[] {
  if (partitionViews(entry, cluster).length > 0) {
    return absentTopics(entry, cluster).flatMap(topic => {
      const absence = absenceOf(absentTopic(entry, topic), context)
      if (absence === null) return []
      const message = `Topic ${topic} does not exist or may not be seen; the others go on.`
      return [{ ...wholeConnector('KAFKA_TOPIC_MISSING', 'DEGRADED', absence.sinceMs, message), topic }]
    })
  }
  const absence = absenceOf(absentConnector(entry), context)
  if (absence === null) return []
  const { severity, sinceMs } = absence
  if (assignedTasks(entry, cluster).length === 0)
    return [wholeConnector('UNASSIGNED', severity, sinceMs, 'No leader has assigned its tasks to workers.')]
  const { topics, 'topics.regex': regex } = entry.config
  const wanted = regex === undefined ? `topics=${topics ?? ''}` : `topics.regex=${regex}`
  const message = `No topic of the cluster matches ${wanted.slice(0, SELECTION_CHARS_MAX)}.`
  return [wholeConnector('NO_PARTITIONS', 'DEGRADED', sinceMs, message)]
}

/** Named in `topics`; those a config provider supplies are not known here. */
function absentTopics(entry: ConnectorEntry, cluster: ClusterView): readonly string[] {
  const names = (entry.config['topics'] ?? '').split(',').map(name => name.trim())
  const present = new Set(partitionViews(entry, cluster).map(view => view.topic))
  return names.filter(name => name !== '' && !name.includes('${') && !present.has(name))
}

function boardReason({ boardAwaySinceMs, nowMs }: HealthContext, graceMs: number): readonly HealthReason[] {
  if (boardAwaySinceMs === null || nowMs - boardAwaySinceMs < graceMs) return []
  const message = 'The status of other workers is not known; what they own goes on.'
  return [wholeConnector('REDIS_UNREACHABLE', 'DEGRADED', boardAwaySinceMs, message)]
}

function deadLetterReason(views: readonly PartitionView[]): readonly HealthReason[] {
  let [rows, deadLetters] = [0, 0]
  for (const { report } of views) {
    rows += report?.recent?.rows ?? 0
    deadLetters += report?.recent?.deadLetters ?? 0
  }
  const share = deadLetters / (rows + deadLetters)
  if (deadLetters < DEAD_LETTERS_MIN || share < DEAD_LETTER_SHARE) return []
  const message = `${deadLetters} of the last ${rows + deadLetters} records became dead letters (${Math.round(share * 100)} %).`
  return [wholeConnector('DEAD_LETTER_RATE', 'DEGRADED', null, message)]
}

const wholeConnector = (
  code: ErrorCode,
  severity: HealthReason['severity'],
  sinceMs: number | null,
  message: string,
): HealthReason => ({ code, severity, topic: null, partition: null, workerId: null, stage: null, sinceMs, message })

const of = (
  view: PartitionView,
  code: ErrorCode,
  severity: HealthReason['severity'],
  sinceMs: number | null,
  message: string,
): HealthReason => ({
  code,
  severity,
  topic: view.topic,
  partition: view.partition,
  workerId: view.workerId,
  stage: view.report?.stage ?? null,
  sinceMs,
  message,
})

const firstLine = (trace: string | undefined): string => trace?.split('\n', 1)[0] ?? 'The worker gave no reason.'

const absentConnector = ({ incarnation }: ConnectorEntry): string => incarnation
const absentTopic = ({ incarnation }: ConnectorEntry, topic: string): string => `${incarnation} ${topic}`
const absentPartition = ({ incarnation }: ConnectorEntry, view: PartitionView): string =>
  `${incarnation} ${formatTopicPartition(view)} ${view.worker}`

/**
 * What of a connector is not there, and since when: partitions nobody reports, topics without partitions, or all of it. A
 * worker has to remember it between two looks, of all connectors together. Bounded by the assignment and the configs.
 */
export function noteAbsent(
  before: ReadonlyMap<string, number>,
  entry: ConnectorEntry,
  cluster: ClusterView,
  nowMs: number,
): readonly (readonly [key: string, sinceMs: number])[] {
  if (entry.targetState !== 'STARTED') return []
  const views = partitionViews(entry, cluster)
  const unreported = views.filter(view => view.report === null).map(view => absentPartition(entry, view))
  const topics = absentTopics(entry, cluster).map(topic => absentTopic(entry, topic))
  const keys = views.length === 0 ? [absentConnector(entry)] : [...unreported, ...topics]
  return keys.map(key => [key, before.get(key) ?? nowMs])
}
