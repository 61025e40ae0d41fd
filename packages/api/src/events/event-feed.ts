// The cluster's changes as one numbered stream, as this worker sees them. It follows the config log always, and the status board
// while somebody listens, or did a moment ago. Ids are of this process: with another worker's, or one too old, a client is told
// that it may have missed something.
import type { ConfigStore, ControlState } from '@millrace/core'
import type { ApiDeps } from '../deps.ts'
import { type ApiEvent, clusterEvents, controlEvents, type Snapshot } from './changes.ts'

export type NumberedEvent = ApiEvent & { readonly id: string; readonly atMs: number }
export type Subscriber = { send(event: NumberedEvent): void }

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
  #kept: NumberedEvent[] = []
  #count = 0
  /** Nothing was missed from this number on. */
  #wholeSince = 1
  readonly #subscribers = new Set<Subscriber>()
  #lastListenedMs = Number.NEGATIVE_INFINITY
  #snapshot: Snapshot | null = null

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

  /** Sends what came after `lastId`, then what comes. Answers false when something in between is not known any more. */
  subscribe(subscriber: Subscriber, lastId: string | null): boolean {
    const since = this.#numberOf(lastId)
    const isWhole = lastId === null || (since !== null && since + 1 >= Math.max(this.#wholeSince, this.#oldest()))
    if (since !== null && isWhole)
      for (const event of this.#kept) if ((this.#numberOf(event.id) ?? 0) > since) subscriber.send(event)
    this.#subscribers.add(subscriber)
    this.#lastListenedMs = this.#deps.clock.monotonicMs()
    return isWhole
  }

  unsubscribe(subscriber: Subscriber): void {
    if (this.#subscribers.delete(subscriber)) this.#lastListenedMs = this.#deps.clock.monotonicMs()
  }

  /** The id of now: what a client that was told of a gap goes on from. */
  get lastId(): string {
    return `${this.#boot}-${this.#count}`
  }

  #oldest(): number {
    return this.#kept.length === 0 ? this.#count + 1 : this.#count - this.#kept.length + 1
  }

  #numberOf(id: string | null): number | null {
    if (id === null || !id.startsWith(`${this.#boot}-`)) return null
    const number = Number(id.slice(this.#boot.length + 1))
    return Number.isSafeInteger(number) && number >= 0 && number <= this.#count ? number : null
  }

  #publish(events: readonly ApiEvent[]): void {
    for (const event of events) {
      const numbered = { ...event, id: `${this.#boot}-${++this.#count}`, atMs: this.#deps.clock.nowMs() }
      this.#kept.push(numbered)
      for (const subscriber of this.#subscribers) subscriber.send(numbered)
    }
    if (this.#kept.length > this.#keptMax) this.#kept = this.#kept.slice(-this.#keptMax)
  }

  async #followControl(signal: AbortSignal): Promise<void> {
    let before: ControlState | null = null
    for await (const state of this.#deps.configStore.changes({ signal })) {
      if (before !== null) this.#publish(controlEvents(before, state))
      before = state
    }
  }

  async #followCluster(signal: AbortSignal): Promise<void> {
    const { clock, timers, logger } = this.#deps
    while (!signal.aborted) {
      const isListened = this.#subscribers.size > 0 || clock.monotonicMs() - this.#lastListenedMs < LISTENED_AFTER_MS
      if (!isListened) this.#snapshot = null
      else
        await this.#look().catch(error => logger.debug({ err: error }, 'The cluster cannot be looked at for events.'))
      await timers.sleep(LOOK_EVERY_MS, { signal }).catch(() => {})
    }
  }

  /** The first look after nobody listened has nothing to compare with: what was kept before is not the whole story. */
  async #look(): Promise<void> {
    const now = await this.#deps.snapshot()
    if (this.#snapshot === null) this.#wholeSince = this.#count + 1
    else this.#publish(clusterEvents(this.#snapshot, now))
    this.#snapshot = now
  }
}
