// Twin of the compacted log: one shared topic in memory, with any number of clients, compaction on demand and faults.
import { type CompactedLog, type CompactedRecord, MillraceError } from '@millrace/core'

/** What the next append meets. `lost`: nothing lands. `landed`: it lands, the answer is lost. `late`: it lands when told to. */
export type AppendFault = 'lost' | 'landed' | 'late'

export class CompactedTopicTwin {
  /** The log as a reader finds it now; offsets keep their gaps. */
  records: CompactedRecord[] = []
  readonly #faults: AppendFault[] = []
  readonly #late: (() => void)[] = []
  readonly #waiting = new Set<() => void>()
  #end = 0n
  #isDown = false
  #isQuiet = false

  client(): CompactedLog {
    return new CompactedLogTwin(this)
  }

  get end(): bigint {
    return this.#end
  }

  failNextAppend(fault: AppendFault): void {
    this.#faults.push(fault)
  }

  /** Appends that were held back arrive now. */
  landLate(): void {
    for (const land of this.#late.splice(0)) land()
  }

  /** While down every call is rejected. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown
  }

  /** While quiet nobody who waits for more hears of it: replicas stay as old as they are. */
  setQuiet(isQuiet: boolean): void {
    this.#isQuiet = isQuiet
    for (const wake of this.#waiting) wake()
  }

  throwIfDown(): void {
    if (this.#isDown) throw new MillraceError('KAFKA_UNREACHABLE', 'retry', 'The twin is down.')
  }

  append(key: string, value: string | null): bigint {
    this.throwIfDown()
    const fault = this.#faults.shift()
    if (fault === 'late') this.#late.push(() => this.land(key, value))
    if (fault === 'lost' || fault === 'late') throw unknownOutcome(key)
    const offset = this.land(key, value)
    if (fault === 'landed') throw unknownOutcome(key)
    return offset
  }

  land(key: string, value: string | null): bigint {
    const offset = this.#end
    this.#end += 1n
    this.records.push({ offset, key, value })
    for (const wake of this.#waiting) wake()
    return offset
  }

  /** As Kafka's cleaner: of each key only the last record stays; tombstones go too when asked. */
  compact(options: { readonly dropTombstones?: boolean } = {}): void {
    const last = new Map(this.records.map(record => [record.key, record.offset]))
    this.records = this.records.filter(
      record => last.get(record.key) === record.offset && !(options.dropTombstones === true && record.value === null),
    )
  }

  async waitBeyond(position: bigint, signal: AbortSignal): Promise<void> {
    while (this.#isQuiet || this.#end <= position) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.add(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
      await promise
      this.#waiting.delete(resolve)
      signal.throwIfAborted()
    }
  }
}

class CompactedLogTwin implements CompactedLog {
  readonly #topic: CompactedTopicTwin
  #position = 0n
  #isReading = false

  constructor(topic: CompactedTopicTwin) {
    this.#topic = topic
  }

  async append(key: string, value: string | null, { signal }: { signal: AbortSignal }): Promise<bigint> {
    signal.throwIfAborted()
    return this.#topic.append(key, value)
  }

  async readToEnd({ signal }: { signal: AbortSignal }): Promise<readonly CompactedRecord[]> {
    signal.throwIfAborted()
    if (this.#isReading) throw new Error('readToEnd was called twice at once.')
    this.#isReading = true
    try {
      await Promise.resolve()
      this.#topic.throwIfDown()
      const records = this.#topic.records.filter(record => record.offset >= this.#position)
      this.#position = this.#topic.end
      return records
    } finally {
      this.#isReading = false
    }
  }

  async waitForMore({ signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted()
    this.#topic.throwIfDown()
    await this.#topic.waitBeyond(this.#position, signal)
  }
}

function unknownOutcome(key: string): MillraceError {
  return new MillraceError('JOURNAL_OUTCOME_UNKNOWN', 'fenced', `The outcome of writing ${key} is not known.`)
}
