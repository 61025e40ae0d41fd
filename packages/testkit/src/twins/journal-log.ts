// Twin of the journal: one log in memory that any number of workers share, with compaction and the ambiguous faults of a
// real broker. Records travel as text, so that what cannot be encoded fails here too.
import {
  applyRecord,
  decodeGenesis,
  decodeRecord,
  EMPTY_KEY_SPACE,
  encodeGenesis,
  encodeRecord,
  formatKeySpace,
  type Genesis,
  type GenesisLog,
  genesisKey,
  type Incarnation,
  type JournalLog,
  type JournalRecord,
  type KeySpace,
  type KeySpaceState,
  MillraceError,
  recordKey,
} from '@millrace/core'

/** What the next append meets. `lost`: nothing lands. `landed`: it lands, the answer is lost. `late`: it lands when told to. */
export type JournalFault = 'lost' | 'landed' | 'late'

export type JournalEntry = {
  readonly offset: bigint
  readonly space: string
  readonly key: string
  readonly value: string | null
  /** The value as every reader decodes it; null for tombstones and Genesis. */
  readonly record: JournalRecord | null
}

export class JournalTwin {
  #entries: JournalEntry[] = []
  /** Told of every entry as it lands. */
  onLanded: ((entry: JournalEntry) => void) | null = null
  #end = 0n
  readonly #faults: JournalFault[] = []
  readonly #late: (() => void)[] = []
  #isLost = false

  /** One worker's view. */
  client(): JournalLog & GenesisLog {
    return new JournalLogTwin(this)
  }
  /** The log as a reader finds it now; offsets keep their gaps. */
  get entries(): readonly JournalEntry[] {
    return this.#entries
  }
  get end(): bigint {
    return this.#end
  }
  /** What stands at this offset and above. */
  from(offset: bigint): readonly JournalEntry[] {
    let first = this.#entries.length
    while (first > 0 && this.#entries[first - 1]!.offset >= offset) first--
    return this.#entries.slice(first)
  }
  failNextAppend(fault: JournalFault): void {
    this.#faults.push(fault)
  }
  /** Appends that were held back arrive now. */
  landLate(): void {
    for (const land of this.#late.splice(0)) land()
  }
  /** The log went backwards: every call from now on rejects JOURNAL_LOST. */
  lose(): void {
    this.#isLost = true
  }
  /** As Kafka's cleaner: of each key only the last record stays; tombstones go too when asked. */
  compact(options: { readonly dropTombstones?: boolean } = {}): void {
    const name = (e: JournalEntry): string => `${e.space}/${e.key}`
    const last = new Map(this.#entries.map(e => [name(e), e.offset]))
    this.#entries = this.#entries.filter(
      e => last.get(name(e)) === e.offset && !(options.dropTombstones === true && e.value === null),
    )
  }

  throwIfLost(): void {
    if (this.#isLost) throw new MillraceError('JOURNAL_LOST', 'failPartition', 'The twin lost its log.')
  }
  write(space: string, records: readonly { readonly key: string; readonly value: string | null }[]): void {
    this.throwIfLost()
    const fault = this.#faults.shift()
    const land = (): void => {
      for (const { key, value } of records) {
        const isRecord = value !== null && key !== genesisKey(space as Incarnation)
        const entry = { offset: this.#end, space, key, value, record: isRecord ? decodeRecord(value) : null }
        this.#entries.push(entry)
        this.#end += 1n
        this.onLanded?.(entry)
      }
    }
    if (fault === 'late') this.#late.push(land)
    else if (fault !== 'lost') land()
    if (fault !== undefined)
      throw new MillraceError('JOURNAL_OUTCOME_UNKNOWN', 'fenced', `The outcome of a write to ${space} is not known.`)
  }
}

class JournalLogTwin implements JournalLog, GenesisLog {
  readonly #journal: JournalTwin
  readonly #states = new Map<string, KeySpaceState>()
  readonly #genesis = new Map<Incarnation, Genesis>()
  #position = 0n

  constructor(journal: JournalTwin) {
    this.#journal = journal
  }

  async append(space: KeySpace, records: readonly JournalRecord[]): Promise<void> {
    const encoded = records.map(record => ({ key: recordKey(record), value: encodeRecord(space, record).value }))
    await Promise.resolve()
    this.#journal.write(formatKeySpace(space), encoded)
  }
  async delete(space: KeySpace, keys: readonly string[]): Promise<void> {
    await Promise.resolve()
    this.#journal.write(
      formatKeySpace(space),
      keys.map(key => ({ key, value: null })),
    )
  }
  async readToEnd(space: KeySpace, { signal }: { signal: AbortSignal }): Promise<KeySpaceState> {
    signal.throwIfAborted()
    await Promise.resolve()
    this.#journal.throwIfLost()
    this.#follow()
    return this.peek(space)
  }
  async writeGenesis(incarnation: Incarnation, genesis: Genesis): Promise<void> {
    await Promise.resolve()
    this.#journal.write(incarnation, [encodeGenesis(incarnation, genesis)])
  }
  async readGenesis(incarnation: Incarnation, { signal }: { signal: AbortSignal }): Promise<Genesis | null> {
    signal.throwIfAborted()
    await Promise.resolve()
    this.#journal.throwIfLost()
    this.#follow()
    return this.#genesis.get(incarnation) ?? null
  }
  peek(space: KeySpace): KeySpaceState {
    return this.#states.get(formatKeySpace(space)) ?? EMPTY_KEY_SPACE
  }

  #follow(): void {
    if (this.#position === this.#journal.end) return
    for (const { offset, space, key, value, record } of this.#journal.from(this.#position)) {
      if (key === genesisKey(space as Incarnation)) {
        if (value !== null) this.#genesis.set(space as Incarnation, decodeGenesis(value))
        continue
      }
      this.#states.set(space, applyRecord(this.#states.get(space) ?? EMPTY_KEY_SPACE, key, record, offset))
    }
    this.#position = this.#journal.end
  }
}
