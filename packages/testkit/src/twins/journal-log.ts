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
  /** null for tombstones, and where records do not travel as text. */
  readonly value: string | null
  /** As every reader decodes it; null for tombstones and Genesis. */
  readonly record: JournalRecord | null
  readonly isTombstone: boolean
}
type Written = Pick<JournalEntry, 'key' | 'value' | 'record'>

export class JournalTwin {
  #entries: JournalEntry[] = []
  /** Told of every entry as it lands. */
  onLanded: ((entry: JournalEntry) => void) | null = null
  #end = 0n
  readonly #faults: JournalFault[] = []
  readonly #late: (() => void)[] = []
  #isLost = false
  readonly #isText: boolean

  /** @param options.isText false: records are handed over as they are, which takes a tenth of the time; for simulations. */
  constructor({ isText = true }: { readonly isText?: boolean } = {}) {
    this.#isText = isText
  }

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
      e => last.get(name(e)) === e.offset && !(options.dropTombstones === true && e.isTombstone),
    )
  }

  throwIfLost(): void {
    if (this.#isLost) throw new MillraceError('JOURNAL_LOST', 'failPartition', 'The twin lost its log.')
  }
  /** What of a record travels; null: it is removed. */
  written(space: KeySpace, key: string, record: JournalRecord | null): Written {
    if (record === null || !this.#isText) return { key, value: null, record }
    const { value } = encodeRecord(space, record)
    return { key, value, record: decodeRecord(value) }
  }
  write(space: string, records: readonly Written[]): void {
    this.throwIfLost()
    const fault = this.#faults.shift()
    const land = (): void => {
      for (const { key, value, record } of records) {
        const isTombstone = value === null && record === null
        const entry = { offset: this.#end, space, key, value, record, isTombstone }
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
    const written = records.map(record => this.#journal.written(space, recordKey(record), record))
    await Promise.resolve()
    this.#journal.write(formatKeySpace(space), written)
  }
  async delete(space: KeySpace, keys: readonly string[]): Promise<void> {
    await Promise.resolve()
    this.#journal.write(
      formatKeySpace(space),
      keys.map(key => this.#journal.written(space, key, null)),
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
    const { key, value } = encodeGenesis(incarnation, genesis)
    this.#journal.write(incarnation, [{ key, value, record: null }])
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
