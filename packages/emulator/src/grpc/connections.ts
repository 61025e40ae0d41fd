// The AppendRows calls that are open: who is idle, who shares a stream, and how they are ended from outside.
import type { Behavior } from '../behavior.ts'
import type { Clock } from '../clock.ts'
import type { Refusal } from '../wire/storage-error.ts'

/** One open AppendRows call, for /emulator/state. */
export type ConnectionView = {
  readonly id: number
  readonly openedMs: number
  lastTrafficMs: number
  /** Where the last request went. */
  stream: string
  /** Destinations so far; more than one when multiplexing. */
  destinations: number
  requests: number
  rows: number
  refused: number
  /** Requests without an answer. */
  inFlight: number
  traceId: string
}

export interface OpenCall {
  readonly view: ConnectionView
  readonly authorization: string | undefined
  /** Ends the call; what is accepted already is stored and answered first. Nothing that arrives from now on is looked at. */
  end(refusal: Refusal): void
}

/** The end a stream had before the calls that were on it closed. */
export type StaleEnd = { readonly untilMs: number; readonly end: bigint }

/** The calls on an application-created stream, and the end it had when the first of them came. */
type Shared = { readonly calls: Set<OpenCall>; readonly end: bigint }

/** Streams whose stale ends are kept, about 300 bytes each; the oldest are forgotten first. */
const STALE_ENDS_MAX = 10_000
/** Idle calls are looked for at most so often. */
const SWEEP_MS_MIN = 10

export class Connections {
  private readonly behavior: Behavior
  private readonly clock: Clock
  private readonly open = new Set<OpenCall>()
  private readonly streamOf = new Map<OpenCall, string>()
  private readonly shared = new Map<string, Shared>()
  private readonly staleEnds = new Map<string, StaleEnd>()
  private nextId = 1
  private callOffSweep: (() => void) | undefined

  constructor(behavior: Behavior, clock: Clock) {
    this.behavior = behavior
    this.clock = clock
  }

  get count(): number {
    return this.open.size
  }

  views(): readonly ConnectionView[] {
    return [...this.open].map(call => call.view)
  }

  newView(): ConnectionView {
    const nowMs = this.clock.nowMs()
    return {
      id: this.nextId++,
      openedMs: nowMs,
      lastTrafficMs: nowMs,
      stream: '',
      destinations: 0,
      requests: 0,
      rows: 0,
      refused: 0,
      inFlight: 0,
      traceId: '',
    }
  }

  add(call: OpenCall): void {
    this.open.add(call)
    if (!this.callOffSweep) this.scheduleSweep()
  }

  remove(call: OpenCall): void {
    if (!this.open.delete(call)) return
    const stream = this.streamOf.get(call)
    if (stream !== undefined) this.leave(call, stream)
    if (this.open.size === 0) this.stop()
  }

  /**
   * The call writes to an application-created stream that ends at `end` now. The refusal, when another call keeps it out.
   * Google documents "a single active connection" and nobody has reported what a second one meets: hence the knob.
   */
  join(call: OpenCall, stream: string, end: bigint): Refusal | undefined {
    // A held request may be applied when its caller is gone.
    if (!this.open.has(call)) return undefined
    const shared = this.shared.get(stream) ?? { calls: new Set(), end }
    if (shared.calls.size > 0 && this.behavior.secondConnection === 'reject')
      return {
        code: 'ABORTED',
        message: `Only a single active connection is allowed on application-created streams. Entity: ${stream}`,
      }
    if (this.behavior.secondConnection === 'preempt')
      for (const other of [...shared.calls])
        other.end({
          code: 'ABORTED',
          message: `Closing the stream because another connection was opened on it. Entity: ${stream}`,
        })
    shared.calls.add(call)
    this.shared.set(stream, shared)
    this.streamOf.set(call, stream)
    return undefined
  }

  private leave(call: OpenCall, stream: string): void {
    this.streamOf.delete(call)
    const shared = this.shared.get(stream)!
    shared.calls.delete(call)
    if (shared.calls.size > 0) return
    this.shared.delete(stream)
    const { staleEndMs } = this.behavior
    if (staleEndMs === 0) return
    this.staleEnds.delete(stream)
    this.staleEnds.set(stream, { untilMs: this.clock.nowMs() + staleEndMs, end: shared.end })
    if (this.staleEnds.size > STALE_ENDS_MAX) this.staleEnds.delete(this.staleEnds.keys().next().value!)
  }

  /** The end that a stream seems to have after a reconnect, while it is not the real one. */
  staleEnd(stream: string): StaleEnd | undefined {
    const stale = this.staleEnds.get(stream)
    if (!stale || this.clock.nowMs() < stale.untilMs) return stale
    this.staleEnds.delete(stream)
    return undefined
  }

  /** No sweep is due any more. */
  stop(): void {
    this.callOffSweep?.()
    this.callOffSweep = undefined
  }

  /** Ends the calls that `isMeant`; returns how many. */
  end(isMeant: (call: OpenCall) => boolean, refusalFor: (call: OpenCall) => Refusal): number {
    const calls = [...this.open].filter(isMeant)
    for (const call of calls) call.end(refusalFor(call))
    return calls.length
  }

  /** As the service does when it replaces a server. */
  restart(isMeant: (call: OpenCall) => boolean = () => true): number {
    return this.end(isMeant, ({ view }) => ({
      code: 'ABORTED',
      message: `Closing the stream because server is restarted. This is expected and client is advised to reconnect. Entity: ${view.stream}`,
    }))
  }

  /** Idle times are counted anew: the knob has changed. */
  reschedule(): void {
    this.stop()
    if (this.open.size > 0) this.scheduleSweep()
  }

  private scheduleSweep(): void {
    const { idleMs } = this.behavior
    if (idleMs === 0) return
    const nowMs = this.clock.nowMs()
    let firstMs = Number.POSITIVE_INFINITY
    for (const { view } of this.open) firstMs = Math.min(firstMs, view.lastTrafficMs)
    const waitMs = Math.max(firstMs + idleMs - nowMs, idleMs / 100, SWEEP_MS_MIN)
    this.callOffSweep = this.clock.after(Math.min(waitMs, idleMs), () => this.sweep())
  }

  private sweep(): void {
    this.callOffSweep = undefined
    const idleSinceMs = this.clock.nowMs() - this.behavior.idleMs
    this.end(
      ({ view }) => view.lastTrafficMs <= idleSinceMs,
      // Clients know this text by its 600, whatever the knob says.
      ({ view }) => ({
        code: 'ABORTED',
        message: `Closing the stream because it has been inactive for 600 seconds. Entity: ${view.stream}`,
      }),
    )
    if (this.open.size > 0 && !this.callOffSweep) this.scheduleSweep()
  }
}
