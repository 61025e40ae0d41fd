// The journal as one process has it: rule W's one produce in flight with group commit, on a network that delays, loses and returns.
import {
  type Genesis,
  type GenesisLog,
  type Incarnation,
  type JournalLog,
  type JournalRecord,
  type KeySpace,
  type KeySpaceState,
  MillraceError,
} from '@millrace/core'
import { type Machine, neverAborted } from '@millrace/testkit'
import type { Stores } from './stores.ts'

/** From the first try of a produce until its outcome counts as unknown. */
const GIVE_UP_MS = 5_000
const LATE_MS_MAX = 60_000

type Append = {
  readonly perform: () => Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}
type Fate = 'lands' | 'lost' | 'late' | 'landsUnheard'

export class JournalPort implements JournalLog, GenesisLog {
  readonly #stores: Stores
  readonly #machine: Machine
  readonly #log: JournalLog & GenesisLog
  readonly #onDurableStep: (when: 'before' | 'after') => void
  #waiting: Append[] = []
  #isFlying = false

  constructor(stores: Stores, machine: Machine, onDurableStep: (when: 'before' | 'after') => void) {
    this.#stores = stores
    this.#machine = machine
    this.#log = stores.journal.client()
    this.#onDurableStep = onDurableStep
  }

  append(space: KeySpace, records: readonly JournalRecord[]): Promise<void> {
    return this.#write(() => this.#log.append(space, records))
  }
  delete(space: KeySpace, keys: readonly string[]): Promise<void> {
    return this.#write(() => this.#log.delete(space, keys))
  }
  writeGenesis(incarnation: Incarnation, genesis: Genesis): Promise<void> {
    return this.#write(() => this.#log.writeGenesis(incarnation, genesis))
  }
  readToEnd(space: KeySpace, { signal }: { signal: AbortSignal }): Promise<KeySpaceState> {
    return this.#stores.toKafka.call(
      this.#machine,
      'read',
      () => this.#log.readToEnd(space, { signal: neverAborted() }),
      signal,
    )
  }
  readGenesis(incarnation: Incarnation, { signal }: { signal: AbortSignal }): Promise<Genesis | null> {
    const perform = () => this.#log.readGenesis(incarnation, { signal: neverAborted() })
    return this.#stores.toKafka.call(this.#machine, 'genesis', perform, signal)
  }
  /** The follower goes on by itself: whoever looks again later sees more. */
  peek(space: KeySpace): KeySpaceState {
    void this.#log.readToEnd(space, { signal: neverAborted() })
    return this.#log.peek(space)
  }

  #write(perform: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ perform, resolve, reject })
      if (!this.#isFlying) this.#produce()
    })
  }

  #produce(): void {
    const group = this.#waiting
    this.#waiting = []
    this.#isFlying = true
    this.#onDurableStep('before')
    if (!this.#machine.isAlive) return
    const { scheduler, chance, kafkaDownMs } = this.#stores
    const name = `${this.#machine.name} journal.append`
    const fate = this.#fate()
    const land = (): void => {
      for (const { perform } of group) void perform()
    }
    const requestMs = fate === 'lands' ? Math.max(chance.latencyMs(), kafkaDownMs) : chance.latencyMs()
    scheduler.at(requestMs, `${name} ${fate}`, () => {
      if (fate === 'late') scheduler.at(chance.for('journalLate').below(LATE_MS_MAX), `${name} lands late`, land)
      else if (fate !== 'lost') land()
      if (fate !== 'lost') this.#onDurableStep('after')
      const isKnown = fate === 'lands'
      this.#machine.deliver(isKnown ? chance.latencyMs() : GIVE_UP_MS, `${name} answered`, () => {
        for (const { resolve, reject } of group) isKnown ? resolve() : reject(unknown())
        this.#isFlying = false
        if (this.#waiting.length > 0) this.#produce()
      })
    })
  }

  #fate(): Fate {
    const { chance, kafkaDownMs } = this.#stores
    if (chance.strikes('journalLost', 0.3) || kafkaDownMs > GIVE_UP_MS) return 'lost'
    if (chance.strikes('journalLate', 0.3)) return 'late'
    return chance.strikes('journalReplyLost', 0.3) ? 'landsUnheard' : 'lands'
  }
}

const unknown = (): MillraceError =>
  new MillraceError('JOURNAL_OUTCOME_UNKNOWN', 'fenced', 'A write was rejected or its outcome is unknown.')
