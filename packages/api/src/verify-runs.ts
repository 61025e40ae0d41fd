// Comparisons of connectors with their tables, asked for over REST. A run belongs to the worker that was asked; what becomes of it is
// put on a board that every worker reads, so any of them may be asked about it.
import {
  type ConnectorEntry,
  formatTopicPartition,
  isMillraceError,
  type PartitionReceipt,
  type VerifyProgress,
  type VerifyReceipt,
  type WorkerId,
} from '@millrace/core'
import { ApiError, describeFailure } from './api-error.ts'
import type { ApiDeps } from './deps.ts'
import { jsonOffset, jsonOffsetOrNull } from './json-offset.ts'

/** As it is answered. */
export type VerifyRun = {
  readonly id: string
  readonly connector: string
  readonly worker_id: string
  readonly state: 'RUNNING' | 'DONE' | 'FAILED' | 'CANCELLED'
  readonly started_at_ms: number
  readonly ended_at_ms: number | null
  readonly progress: object
  /** Why it FAILED. */
  readonly error: string | null
  readonly receipt: object | null
}

/** Each reads a topic through: more would take the time of what the worker is there for. */
export const RUNNING_MAX = 2
/** Told to others while it runs; a worker that died is not told of for longer. */
const RUNNING_KEPT_MS = 30_000
const PUBLISH_EVERY_MS = 2_000
/** How long a receipt can be asked for. */
const DONE_KEPT_MS = 3_600_000
/** A receipt that is larger is cut: about 1,000 bytes a partition. */
export const PARTITIONS_SHOWN_MAX = 500

type Own = { run: VerifyRun; readonly abort: AbortController }

export class VerifyRuns {
  readonly #deps: ApiDeps
  readonly #closing: AbortSignal
  /** Running here, by connector. */
  readonly #own = new Map<string, Own>()

  constructor(deps: ApiDeps, closing: AbortSignal) {
    this.#deps = deps
    this.#closing = closing
  }

  /** The run that is under way, wherever that is, or a new one here. */
  async start(entry: ConnectorEntry): Promise<VerifyRun> {
    const present = await this.latest(entry.name)
    if (present?.state === 'RUNNING') return present
    if (this.#own.size >= RUNNING_MAX)
      throw new ApiError(
        429,
        `This worker compares ${RUNNING_MAX} connectors already: wait for one, or ask another worker.`,
      )
    const { clock, random, worker } = this.#deps
    const own: Own = {
      abort: new AbortController(),
      run: {
        id: random.nextId(),
        connector: entry.name,
        worker_id: worker.advertised,
        state: 'RUNNING',
        started_at_ms: clock.nowMs(),
        ended_at_ms: null,
        progress: progressShape({ stage: 'starting', partitions: 0, partitionsRead: 0, recordsRead: 0 }),
        error: null,
        receipt: null,
      },
    }
    this.#own.set(entry.name, own)
    await this.#publish(own.run)
    void this.#run(entry, own)
    return own.run
  }

  async latest(connector: string): Promise<VerifyRun | null> {
    const own = this.#own.get(connector)
    if (own !== undefined) return own.run
    // Without the board this worker knows its own runs only.
    const bodies = await this.#deps.verification.board.all().catch(() => null)
    return runOf(bodies?.get(connector as WorkerId), connector)
  }

  /** false: nothing runs. Rejects 409 naming the worker that can. */
  async cancel(connector: string): Promise<boolean> {
    const own = this.#own.get(connector)
    own?.abort.abort(new ApiError(503, 'It was cancelled.'))
    if (own !== undefined) return true
    const elsewhere = await this.latest(connector)
    if (elsewhere?.state !== 'RUNNING') return false
    throw new ApiError(409, `It runs on worker ${elsewhere.worker_id}: ask that one to cancel it.`)
  }

  async #run(entry: ConnectorEntry, own: Own): Promise<void> {
    const { clock, logger, verification } = this.#deps
    const signal = AbortSignal.any([own.abort.signal, this.#closing])
    let publishedAtMs = clock.monotonicMs()
    const onProgress = (progress: VerifyProgress): void => {
      own.run = { ...own.run, progress: progressShape(progress) }
      if (clock.monotonicMs() - publishedAtMs < PUBLISH_EVERY_MS) return
      publishedAtMs = clock.monotonicMs()
      void this.#publish(own.run)
    }
    try {
      const receipt = await verification.verify(entry, { onProgress, signal })
      own.run = { ...own.run, state: 'DONE', receipt: receiptShape(receipt) }
    } catch (error) {
      if (!signal.aborted && !isMillraceError(error))
        logger.error({ connector: entry.name, err: error }, 'A comparison failed.')
      const { message } = describeFailure(error)
      own.run = {
        ...own.run,
        ...(signal.aborted ? { state: 'CANCELLED' } : { state: 'FAILED', error: messageOf(error, message) }),
      }
    }
    own.run = { ...own.run, ended_at_ms: clock.nowMs() }
    // Whoever asks finds it on the board from now on; where there is none, here, until the next is asked for.
    if (await this.#publish(own.run)) this.#own.delete(entry.name)
  }

  async #publish(run: VerifyRun): Promise<boolean> {
    const keptMs = run.state === 'RUNNING' ? RUNNING_KEPT_MS : DONE_KEPT_MS
    try {
      await this.#deps.verification.board.publish(run.connector as WorkerId, JSON.stringify(run), keptMs)
      return true
    } catch {
      return false
    }
  }
}

const messageOf = (error: unknown, message: string): string =>
  isMillraceError(error) ? `${error.code}: ${message}` : message

/** The board is Redis: what is not ours is passed over. */
function runOf(body: string | undefined, connector: string): VerifyRun | null {
  if (body === undefined) return null
  try {
    const run = JSON.parse(body) as VerifyRun
    return run.connector === connector ? run : null
  } catch {
    return null
  }
}

const progressShape = ({ stage, partitions, partitionsRead, recordsRead }: VerifyProgress): object => ({
  stage,
  partitions,
  partitions_read: partitionsRead,
  records_read: recordsRead,
})

/** What differs comes first, so that it is never what is cut. */
function receiptShape({ verdict, reasons, partitions }: VerifyReceipt): object {
  const isFine = ({ verdict: each }: PartitionReceipt): boolean => each === 'VERIFIED' || each === 'VERIFIED_BY_COUNT'
  const ordered = [...partitions.filter(each => !isFine(each)), ...partitions.filter(isFine)]
  const shown = ordered.slice(0, PARTITIONS_SHOWN_MAX)
  const total = (of: (each: PartitionReceipt) => number | null): number =>
    partitions.reduce((sum, each) => sum + (of(each) ?? 0), 0)
  return {
    verdict,
    reasons,
    records: total(each => each.records),
    rows: total(each => each.rows),
    missing: total(each => each.missing),
    doubled: total(each => each.doubled),
    unexpected: total(each => each.unexpected),
    dead_letters: total(each => each.deadLetters),
    tombstones: total(each => each.tombstones),
    filtered: total(each => each.filtered),
    dropped: total(each => each.dropped),
    examples: partitions.flatMap(each => each.examples).slice(0, 20),
    partitions: shown.map(partitionShape),
    partitions_left_out: ordered.length - shown.length,
  }
}

function partitionShape(receipt: PartitionReceipt): object {
  return {
    topic: receipt.topic,
    partition: receipt.partition,
    name: formatTopicPartition(receipt),
    table: receipt.table,
    verdict: receipt.verdict,
    reasons: receipt.reasons,
    from_offset: jsonOffset(receipt.from),
    to_offset: jsonOffset(receipt.to),
    log_end_offset: jsonOffset(receipt.logEnd),
    group_offset: jsonOffsetOrNull(receipt.groupOffset),
    records: receipt.records,
    tombstones: receipt.tombstones,
    filtered: receipt.filtered,
    dead_letters: receipt.deadLetters,
    dropped: receipt.dropped,
    lost: receipt.lost.map(({ from, to }) => ({ from_offset: jsonOffset(from), to_offset: jsonOffset(to) })),
    rows: receipt.rows,
    missing: receipt.missing,
    doubled: receipt.doubled,
    unexpected: receipt.unexpected,
    older_rows: receipt.olderRows,
    examples: receipt.examples,
    streams: receipt.streams.map(({ stream, releasedAtRow }) => ({
      stream,
      released_at_row: releasedAtRow === null ? null : String(releasedAtRow),
    })),
  }
}
