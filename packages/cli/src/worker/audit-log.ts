// The audit of changes, and of offsets that were skipped. Changes: each to the log at once, and to a topic unless `audit.topic` is disabled. No request waits for it; what
// the topic does not get is counted and said, and stands in the log all the same.
import type { AuditRecord, AuditSink } from '@millrace/api'
import type { Logger } from '@millrace/core'
import type { LostOffsetsRecord } from '@millrace/worker'

/** Under way to the topic: 1,000 records of about 600 bytes; of bulk requests, 1 MB each at the very worst. */
const PENDING_MAX = 1_000

export type AuditTopic = { append(key: string, value: string, options: { signal: AbortSignal }): Promise<void> }

export class AuditLog implements AuditSink {
  readonly #logger: Logger
  readonly #topic: AuditTopic | null
  readonly #signal: AbortSignal
  #pending: Promise<void> = Promise.resolve()
  #pendingCount = 0
  #lostCount = 0
  #isLosing = false

  /** @param topic null: the log alone. */
  constructor(topic: AuditTopic | null, logger: Logger, { signal }: { signal: AbortSignal }) {
    this.#topic = topic
    this.#logger = logger
    this.#signal = signal
  }

  get lostCount(): number {
    return this.#lostCount
  }

  write(record: AuditRecord): void {
    this.#logger.info({ audit: record }, 'A change was asked for.')
    if (this.#topic === null) return
    if (this.#pendingCount >= PENDING_MAX) return this.#lost(new Error(`${PENDING_MAX} records are waiting already`))
    this.#pendingCount++
    const key = record.connector ?? record.route
    const written = this.#topic.append(key, JSON.stringify(record), { signal: this.#signal }).then(
      () => {
        this.#pendingCount--
        if (!this.#isLosing) return
        this.#isLosing = false
        this.#logger.info({ lost: this.#lostCount }, 'The audit topic takes records again; it lacks those lost.')
      },
      error => {
        this.#pendingCount--
        this.#lost(error)
      },
    )
    this.#pending = Promise.all([this.#pending, written]).then(() => {})
  }

  /** Resolves when the topic has it, rejects when it may not: whoever skips offsets waits for this. The log has it by then. */
  async keepLostOffsets(record: LostOffsetsRecord, options: { signal: AbortSignal }): Promise<void> {
    await this.#topic?.append(record.connector, JSON.stringify(record), options)
  }

  /** What was written before is in the topic, or lost and counted; or the signal has aborted, and what is still under way is said. */
  async flush({ signal }: { signal: AbortSignal }): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
    await Promise.race([this.#pending, promise])
    if (this.#pendingCount === 0) return
    const pending = this.#pendingCount
    this.#logger.warn({ pending }, 'The worker ends before the audit topic has all records; they are in this log.')
  }

  #lost(error: unknown): void {
    this.#lostCount++
    if (this.#isLosing) return
    this.#isLosing = true
    this.#logger.warn(
      { err: error, lost: this.#lostCount },
      'The audit topic does not take records; they are in this log only.',
    )
  }
}
