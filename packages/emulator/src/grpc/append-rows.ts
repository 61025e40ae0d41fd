// One AppendRows call: requests in, one response for each in their order, or the end of the call. What a request is answered is decided
// in append-decision.ts, where it goes in append-destinations.ts.
// A1 a request is decided before the next is looked at, so no successor of a refused offset append can be accepted.
import type { ServerDuplexStream } from '@grpc/grpc-js'
import { UNAUTHENTICATED_TEXT } from '../access.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import type { Struck } from '../faults/faults.ts'
import { Refused } from '../streams/streams.ts'
import { type AppendRequest, readAppendRequest } from '../wire/append-request.ts'
import { MalformedProto } from '../wire/cursor.ts'
import { grpcError, invalid, type Refusal } from '../wire/storage-error.ts'
import { AppendDecision } from './append-decision.ts'
import { Destinations } from './append-destinations.ts'
import { close, type Outcome, refuse, SILENCE } from './append-outcome.ts'
import type { ConnectionView, OpenCall } from './connections.ts'
import type { Delays } from './delays.ts'
import { checkRouting, type Routing } from './routing.ts'

/** Answers in request order; undefined = not known yet. */
type Slot = { outcome: Outcome | undefined }

/** Requests whose answers a delayed one keeps back, ~200 bytes each: beyond it, reading stops. */
const SLOTS_MAX = 10_000
/** Answers the caller does not read: beyond it, reading stops. Most have 100 bytes; one with a thousand row errors has 200 kB. */
const UNREAD_RESPONSES_MAX = 100

export type Opened = {
  readonly authorization: string | undefined
  readonly routing: Routing | undefined
  /** Called once, when the call is over. */
  readonly onOver: () => void
}

export class AppendRowsCall implements OpenCall {
  readonly view: ConnectionView
  readonly authorization: string | undefined
  private readonly call: ServerDuplexStream<Buffer, Buffer>
  private readonly core: EmulatorCore
  private readonly delays: Delays
  private readonly opened: Opened
  private readonly destinations: Destinations
  private readonly decision: AppendDecision
  private readonly slots: Slot[] = []
  private hasEnded = false
  /** Set when the call is to end or be silent: what arrives later is not looked at. */
  private isDone = false
  private isOver = false
  private callOffExpiry: (() => void) | undefined
  /** Why reading stands still. */
  private isHeld = false
  private isWaitingForRoom = false
  private isUnread = false
  /** Requests behind a held one; the call is paused meanwhile, so these are few. */
  private held: Buffer[] = []

  constructor(call: ServerDuplexStream<Buffer, Buffer>, core: EmulatorCore, delays: Delays, opened: Opened) {
    this.call = call
    this.core = core
    this.delays = delays
    this.opened = opened
    this.authorization = opened.authorization
    this.view = core.connections.newView()
    this.destinations = new Destinations(core, this)
    this.decision = new AppendDecision(core, this.destinations)
  }

  start(): void {
    this.core.connections.add(this)
    this.awaitExpiry()
    this.call.on('data', (bytes: Buffer) => this.receive(bytes))
    this.call.on('end', () => this.halfClosed())
    this.call.on('cancelled', () => this.over())
    this.call.on('error', () => this.over())
    this.call.on('drain', () => {
      this.isUnread = false
      this.goOnReading()
    })
  }

  end(refusal: Refusal): void {
    if (this.isDone && this.isOver) return
    this.isDone = true
    // By then all that is accepted is answered, but for what a fault holds back.
    this.core.committer.whenStored(() => this.fail(refusal))
  }

  /** The service judges a token when the call is opened; a knob has it judged again when it runs out. */
  private awaitExpiry(): void {
    const { access, behavior, clock } = this.core
    const remainingMs = access.remainingMs(this.authorization)
    if (remainingMs === Number.POSITIVE_INFINITY) return
    this.callOffExpiry = clock.after(remainingMs, () => {
      if (behavior.tokenExpiry === 'closes') this.end({ code: 'UNAUTHENTICATED', message: UNAUTHENTICATED_TEXT })
    })
  }

  private over(): void {
    if (this.isOver) return
    this.isOver = true
    this.callOffExpiry?.()
    this.core.connections.remove(this)
    this.opened.onOver()
  }

  private fail(refusal: Refusal): void {
    if (this.isOver) return
    this.slots.length = 0
    this.over()
    this.call.emit('error', grpcError(refusal))
  }

  private receive(bytes: Buffer): void {
    if (this.isDone) return
    if (this.isHeld) {
      this.held.push(bytes)
      return
    }
    this.handle(bytes)
    if (this.core.committer.isFull && !this.isWaitingForRoom) {
      this.isWaitingForRoom = true
      this.call.pause()
      this.core.committer.onRoom(() => {
        this.isWaitingForRoom = false
        this.goOnReading()
      })
    }
    if (this.slots.length > SLOTS_MAX) this.call.pause()
  }

  private goOnReading(): void {
    if (!this.isHeld && !this.isWaitingForRoom && !this.isUnread) this.call.resume()
  }

  private handle(bytes: Buffer): void {
    const slot: Slot = { outcome: undefined }
    this.slots.push(slot)
    const { view } = this
    view.requests++
    view.inFlight++
    view.lastTrafficMs = this.core.nowMs()
    const request = this.read(bytes)
    if ('code' in request) return this.settle(slot, close(request))
    const name = this.destinations.nameFor(request)
    if (view.requests === 1) {
      view.traceId = request.traceId.slice(0, 200)
      const misrouted = checkRouting(this.core.behavior, this.opened.routing, name)
      if (misrouted) return this.settle(slot, close(misrouted))
    }
    view.stream = name
    const fault = this.core.faults.strike('AppendRows', name, request.offset)
    if (fault?.effect === 'delayApply') this.hold(slot, bytes, fault.delayMs)
    else if (fault) this.injure(slot, request, fault)
    else this.settle(slot, this.decide(request))
  }

  private read(bytes: Buffer): AppendRequest | Refusal {
    try {
      return readAppendRequest(bytes)
    } catch (error) {
      if (!(error instanceof MalformedProto)) throw error
      return invalid(`AppendRowsRequest cannot be read: ${error.message}`)
    }
  }

  private decide(request: AppendRequest): Outcome {
    const outcome = this.decision.decide(request)
    if (outcome.kind !== 'respond' || outcome.rowCount === 0) this.view.refused++
    else this.view.rows += outcome.rowCount
    return outcome
  }

  /** Nothing more is looked at until the request is applied, even if its caller is gone by then. */
  private hold(slot: Slot, bytes: Buffer, delayMs: number): void {
    this.isHeld = true
    this.call.pause()
    this.delays.after(delayMs, () => {
      this.isHeld = false
      this.settle(slot, this.decide(readAppendRequest(bytes)))
      const waiting = this.held
      this.held = []
      for (const next of waiting) this.receive(next)
      this.goOnReading()
      if (this.hasEnded) this.flush()
    })
  }

  private injure(slot: Slot, request: AppendRequest, { effect, refusal, delayMs }: Struck): void {
    const name = this.destinations.nameFor(request)
    const later = (outcome: Outcome): void => {
      this.isDone ||= outcome.kind !== 'respond'
      this.delays.after(delayMs, () => this.settle(slot, outcome))
    }
    if (effect === 'close') return later(close(refusal))
    if (effect === 'inBand') {
      this.view.refused++
      return later(this.refuseAimed(request, refusal))
    }
    if (effect === 'blackhole') return this.settle(slot, SILENCE)
    const outcome = this.decide(request)
    if (outcome.kind !== 'respond' || effect === 'delayReply') return later(outcome)
    if (effect === 'closeAfterApply') return later(close(refusal))
    if (effect === 'inBandAfterApply') return later(refuse(refusal, name))
    this.settle(slot, effect === 'blackholeAfterApply' ? SILENCE : outcome)
  }

  /** A refused request says all the same where the next ones go: Go's writer names its stream once per call. */
  private refuseAimed(request: AppendRequest, refusal: Refusal): Outcome {
    try {
      return refuse(refusal, this.destinations.aim(request).name)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return close(error.refusal)
    }
  }

  /** The answer goes out once all it speaks of is stored. */
  private settle(slot: Slot, outcome: Outcome): void {
    if (outcome.kind !== 'respond') this.isDone = true
    this.core.committer.whenStored(() => {
      slot.outcome = outcome
      this.flush()
    })
  }

  private flush(): void {
    if (this.isOver) return
    const wasFull = this.slots.length > SLOTS_MAX
    while (this.slots.length > 0) {
      const { outcome } = this.slots[0]!
      if (!outcome || outcome.kind === 'silence') return
      this.slots.shift()
      this.view.inFlight--
      if (outcome.kind === 'close') return this.fail(outcome.refusal)
      this.call.write(outcome.bytes)
    }
    this.view.lastTrafficMs = this.core.nowMs()
    if (this.call.writableLength > UNREAD_RESPONSES_MAX) {
      this.isUnread = true
      this.call.pause()
    } else if (wasFull) this.goOnReading()
    if (this.hasEnded && !this.isHeld && this.held.length === 0) {
      this.over()
      this.call.end()
    }
  }

  private halfClosed(): void {
    this.hasEnded = true
    if (this.view.requests > 0) this.flush()
    else this.fail(invalid("Cannot route on empty project id ''"))
  }
}
