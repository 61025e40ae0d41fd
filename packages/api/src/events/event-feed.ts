// The cluster's changes as one numbered stream, as this worker sees them. It follows the config log always, and the status board
// while somebody listens, or did a moment ago. Ids are of this process: with another worker's, or one too old, a client is told
// that it may have missed something.
import type { ConfigStore, ControlState } from '@millrace/core'
import type { ApiDeps } from '../deps.ts'
import { type ApiEvent, clusterEvents, controlEvents, type Snapshot } from './changes.ts'

export type NumberedEvent = ApiEvent & { readonly id: string; readonly atMs: number }
/** The place of one client in the stream. It takes events as fast as it can; nothing is buffered for it. */
export type Subscription = {
  /** Nothing was missed between `lastId` and the first event it takes. */
  readonly isWhole: boolean
  /** null: none yet. 'lost': it was so slow that events fell out of the ring; it goes on after the feed's `lastId` of now. */
  take(): NumberedEvent | 'lost' | null
  close(): void
}
type Subscriber = { next: number; readonly wake: () => void }

/** 2,000 events of about 250 bytes. */
export const EVENTS_KEPT_MAX = 2_000
/** As often as status is published, twice. */
const LOOK_EVERY_MS = 1_000
/** A client that reconnects within this time finds all it missed. */
const LISTENED_AFTER_MS = 60_000

export type EventFeedDeps = Pick<ApiDeps, 'clock' | 'timers' | 'random' | 'logger'> & {
  readonly configStore: ConfigStore
  snapshot(): Promise<Snapshot>
}

export class EventFeed {
  readonly #deps: EventFeedDeps
  readonly #boot: string
  readonly #keptMax: number
  /** The latest, up to number `#count`; null stands for what nobody saw. */
  #kept: (NumberedEvent | null)[] = []
  #count = 0
  /** Nothing was missed from this number on. */
  #wholeSince = 1
  readonly #subscribers = new Set<Subscriber>()
  #lastListenedMs = Number.NEGATIVE_INFINITY
  #snapshot: Snapshot | null = null
  #lookNow: (() => void) | null = null

  constructor(deps: EventFeedDeps, keptMax: number = EVENTS_KEPT_MAX) {
    this.#keptMax = keptMax
    this.#deps = deps
    this.#boot = deps.random.nextId().slice(0, 12)
  }

  get subscriberCount(): number {
    return this.#subscribers.size
  }

  /** Follows until aborted. */
  async run({ signal }: { signal: AbortSignal }): Promise<void> {
    await Promise.all([this.#followControl(signal), this.#followCluster(signal)])
  }

  /** From what came after `lastId` on, or from now on. `wake` is called when there is something to take. */
  subscribe(wake: () => void, lastId: string | null): Subscription {
    const since = this.#numberOf(lastId)
    const isWhole = lastId === null || (since !== null && since + 1 >= Math.max(this.#wholeSince, this.#oldest()))
    const subscriber: Subscriber = { next: since !== null && isWhole ? since + 1 : this.#count + 1, wake }
    this.#subscribers.add(subscriber)
    this.#lastListenedMs = this.#deps.clock.monotonicMs()
    if (this.#snapshot === null) this.#lookNow?.()
    return { isWhole, take: () => this.#take(subscriber), close: () => this.#close(subscriber) }
  }

  #take(subscriber: Subscriber): NumberedEvent | 'lost' | null {
    while (subscriber.next <= this.#count) {
      const event = this.#kept[subscriber.next - this.#oldest()]
      if (event === undefined) {
        subscriber.next = this.#count + 1
        return 'lost'
      }
      subscriber.next++
      if (event !== null) return event
    }
    return null
  }

  #close(subscriber: Subscriber): void {
    if (this.#subscribers.delete(subscriber)) this.#lastListenedMs = this.#deps.clock.monotonicMs()
  }

  /** The id of now: what a client that was told of a gap goes on from. */
  get lastId(): string {
    return `${this.#boot}-${this.#count}`
  }

  #oldest(): number {
    return this.#count - this.#kept.length + 1
  }

  #numberOf(id: string | null): number | null {
    if (id === null || !id.startsWith(`${this.#boot}-`)) return null
    const number = Number(id.slice(this.#boot.length + 1))
    return Number.isSafeInteger(number) && number >= 0 && number <= this.#count ? number : null
  }

  #publish(events: readonly ApiEvent[]): void {
    if (events.length === 0) return
    for (const event of events)
      this.#kept.push({ ...event, id: `${this.#boot}-${++this.#count}`, atMs: this.#deps.clock.nowMs() })
    if (this.#kept.length > this.#keptMax) this.#kept = this.#kept.slice(-this.#keptMax)
    for (const { wake } of [...this.#subscribers]) wake()
  }

  /** From now on nobody looks at the cluster: who comes back later has missed something, whatever it saw last. */
  #rest(): void {
    this.#snapshot = null
    this.#kept.push(null)
    this.#count++
    this.#wholeSince = this.#count + 1
  }

  async #followControl(signal: AbortSignal): Promise<void> {
    let before: ControlState | null = null
    for await (const state of this.#deps.configStore.changes({ signal })) {
      if (before !== null) this.#publish(controlEvents(before, state))
      before = state
    }
  }

  async #followCluster(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps
    while (!signal.aborted) {
      const isListened = this.#subscribers.size > 0 || clock.monotonicMs() - this.#lastListenedMs < LISTENED_AFTER_MS
      if (!isListened && this.#snapshot !== null) this.#rest()
      if (isListened)
        await this.#look().catch(error => logger.debug({ err: error }, 'The cluster cannot be looked at for events.'))
      await this.#pause(signal)
    }
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    this.#lookNow = () => over.abort()
    await this.#deps.timers.sleep(LOOK_EVERY_MS, { signal: AbortSignal.any([signal, over.signal]) }).catch(() => {})
    this.#lookNow = null
  }

  /** The first look after nobody listened has nothing to compare with: what was kept before is not the whole story. */
  async #look(): Promise<void> {
    const now = await this.#deps.snapshot()
    if (this.#snapshot === null) this.#wholeSince = this.#count + 1
    else this.#publish(clusterEvents(this.#snapshot, now))
    this.#snapshot = now
  }
}
