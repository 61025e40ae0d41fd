// Whether a connector gets on, and if not, why. Connect's states say what was asked for and what runs; RUNNING says nothing
// about progress. Here, work without progress always has a named cause. Pure: one look at entry and cluster.
//
// Times are compared with the clock of the worker that stated them (`publishedAtMs`): clocks of workers may differ.
import { ERROR_CODES, type ErrorCode } from '../errors/codes.ts'
import { formatTopicPartition, type WorkerId } from '../ids.ts'
import type { ConnectorEntry } from './control-state.ts'
import { type ClusterView, type PartitionView, partitionState, partitionViews } from './lifecycle.ts'
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
  /** `unreportedKey` → since when nobody reports the partition, by this worker's clock: see noteUnreported. */
  readonly unreportedSinceMs: ReadonlyMap<string, number>
  /** Since when the status board cannot be read: then silence of other workers means nothing. */
  readonly boardAwaySinceMs: number | null
}

/** 100 reasons of about 500 bytes: the first ones name the cause. */
export const HEALTH_REASONS_MAX = 100
/** What is over so soon is daily life: a rebalance, a retry, a reconnect. */
const TRANSIENT_MAX_MS = 10_000
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
  const { nowMs, stallMs, boardAwaySinceMs } = context
  const graceMs = Math.min(TRANSIENT_MAX_MS, stallMs / 2)
  const failed = (cluster.failuresOf.get(entry.name) ?? [])
    .filter(item => item.failure.incarnation === entry.incarnation)
    .map(({ worker, failure }) => ({
      ...wholeConnector('CONNECTOR_FAILED', 'STALLED', null, firstLine(failure.trace)),
      workerId: worker.advertised,
    }))
  const ageMs = nowMs - entry.updatedAtMs
  if (cluster.workers.length === 0) {
    const message = 'No worker is known to run.'
    return ageMs < graceMs ? failed : [...failed, wholeConnector('NO_WORKER', 'STALLED', null, message)]
  }
  const views = partitionViews(entry, cluster)
  if (views.length === 0 && failed.length === 0 && boardAwaySinceMs === null && ageMs >= graceMs)
    return [wholeConnector('NO_PARTITIONS', 'DEGRADED', entry.updatedAtMs, 'It has no topic-partition to work on.')]
  const partitions = views.flatMap(
    view => partitionReason(entry, view, cluster.workerOf.get(view.worker), { ...context, graceMs }) ?? [],
  )
  return [...failed, ...partitions, ...boardReason(context, graceMs), ...deadLetterReason(views)]
}

type PartitionContext = HealthContext & { readonly graceMs: number }

/** null: it gets on, or nothing has lasted long enough to be more than daily life. */
function partitionReason(
  entry: ConnectorEntry,
  view: PartitionView,
  worker: WorkerReport | undefined,
  context: PartitionContext,
): HealthReason | null {
  const { report } = view
  if (report === null || worker === undefined) return unreported(entry, view, context)
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

function unreported(entry: ConnectorEntry, view: PartitionView, context: PartitionContext): HealthReason | null {
  if (context.boardAwaySinceMs !== null) return null // told once, for all of them
  const sinceMs = context.unreportedSinceMs.get(unreportedKey(entry, view))
  const forMs = sinceMs === undefined ? 0 : context.nowMs - sinceMs
  if (forMs < context.graceMs) return null
  const severity = forMs >= context.stallMs ? 'STALLED' : 'DEGRADED'
  return of(view, 'UNASSIGNED', severity, sinceMs ?? null, `Worker ${view.worker} has it and does not report it.`)
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

const unreportedKey = (
  { name, incarnation }: Pick<ConnectorEntry, 'name' | 'incarnation'>,
  view: { readonly topic: string; readonly partition: number; readonly worker: WorkerId },
): string => `${name}/${incarnation}/${formatTopicPartition(view)}/${view.worker}`

/**
 * Which partitions of a connector nobody reports, and since when: what a worker has to remember between two looks, of all
 * connectors together. Bounded by the assignment.
 */
export function noteUnreported(
  before: ReadonlyMap<string, number>,
  entry: ConnectorEntry,
  cluster: ClusterView,
  nowMs: number,
): readonly (readonly [key: string, sinceMs: number])[] {
  if (entry.targetState !== 'STARTED') return []
  return partitionViews(entry, cluster)
    .filter(view => view.report === null)
    .map(view => unreportedKey(entry, view))
    .map(key => [key, before.get(key) ?? nowMs])
}
