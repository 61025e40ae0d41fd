// What can happen to a worker that owns the partition: conversions, each effect of its lanes, each answer, each break, letting go.
import {
  assertLaneInvariants,
  type Batch,
  hasRoom,
  type IntervalSet,
  isDrained,
  isSettled,
  type JournalRecord,
  kafkaOffset,
  type LaneEffect,
  type LaneEvent,
  type LaneState,
  type LaneStep,
  MillraceError,
  offsetSetOf,
  type Progress,
  subtract,
  union,
  unsettled,
} from '@millrace/core'
import type { Ask, Asks, Logged } from './asks.ts'
import { acknowledged } from './claim-actions.ts'
import { type Doing, doing, type Heard } from './doing.ts'
import type { Rules } from './rules.ts'
import type { Outcome, Scope } from './scope.ts'
import type { Over, Pending, Request, Running, Sent, Slot } from './world.ts'

const GONE_PERSISTS_MS = 600_000
/** Kinds in which an open stream is clean once the window is empty, as packages/worker has it. */
const CAN_RELEASE: ReadonlySet<string> = new Set(['appending', 'draining', 'pausing'])

const BROKEN = new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', 'broken')
const NOT_NOW = new MillraceError('BIGQUERY_QUOTA', 'retry', 'not now')
const TABLE_CHANGED = new MillraceError('SCHEMA_MISMATCH', 'reopenStream', 'the table changed')
const TROUBLE = new MillraceError('BIGQUERY_UNREACHABLE', 'retry', 'trouble of its own')

export class LaneActions {
  readonly #scope: Scope
  readonly #rules: Rules
  readonly #asks: Asks
  constructor(scope: Scope, rules: Rules, asks: Asks) {
    this.#scope = scope
    this.#rules = rules
    this.#asks = asks
  }

  *of(me: Running): Generator<Doing> {
    if (me.deletes.length > 0)
      yield doing(`${me.claimId} deletes what is below`, this.#asks.remove(me.deletes), () => ({
        worker: { ...me, deletes: [] },
      }))
    for (const [lane, { pending, wire }] of me.lanes.entries()) {
      for (const effect of pending) yield* this.#goOn(me, lane, effect)
      yield* this.#wire(me, lane, wire)
    }
    yield* this.#convert(me)
    if (me.lanes.every(({ state }) => isDrained(state))) yield* this.#letGo(me)
  }

  // ── effects: each happens, and is heard of in the same moment or later ──

  *#goOn(me: Running, lane: number, pending: Pending): Generator<Doing> {
    const label = `${me.claimId} ${nameOf(me, lane)}: ${pending.effect.kind}`
    const others = slotOf(me, lane).pending.filter(p => p !== pending)
    const without = withSlot(me, lane, { pending: others })
    const { answer } = pending
    if (answer !== null) {
      yield doing(`${label} is heard of`, this.#asks.now, () => this.#hear(without, lane, answer))
      return
    }
    const isLate = this.#scope.lateAnswers && isOutside(pending.effect)
    const heard = (worker: Running, event: LaneEvent | null): Heard => {
      if (event === null) return { worker }
      if (!isLate) return this.#hear(worker, lane, event)
      return { worker: withSlot(worker, lane, { pending: [...others, { ...pending, answer: event }] }) }
    }
    yield* this.#perform(me, lane, pending, label, without, heard)
  }

  *#perform(
    me: Running,
    lane: number,
    { effect, record }: Pending,
    label: string,
    without: Running,
    heard: (worker: Running, event: LaneEvent | null) => Heard,
  ): Generator<Doing> {
    const { state } = slotOf(me, lane)
    const asks = this.#asks
    const then = <A extends object>(ask: Ask<A>, event: (answer: A) => LaneEvent | null): Doing =>
      doing(label, ask, answer => heard(without, event(answer)))
    const log = (event: (answer: Logged) => LaneEvent | null): Doing => {
      if (record === null) throw new Error('Nothing to log')
      return doing(label, asks.append(record), answer => heard(acknowledged(without, answer.log), event(answer)))
    }
    const judge = (own: string, event: (isHead: boolean) => LaneEvent): readonly Doing[] =>
      [null, ...(me.acked === null ? [] : [me.acked])].map(known =>
        then(asks.isHead(me, own, known), answer => event(answer.isHead)),
      )
    switch (effect.kind) {
      case 'openStream':
        if (state.table === null) throw new Error('A lane without a table opens a stream')
        yield then(asks.open(state.table, effect.adoptable), opened => ({
          kind: 'streamReady',
          tableCreationTime: '',
          ...opened,
        }))
        return
      case 'logOpen':
        yield log(() => ({ kind: 'openLogged' }))
        return
      case 'confirmOpen':
        yield* judge(`open/${me.claimId}/${state.stream}`, isHead => ({ kind: 'openConfirmed', isHead }))
        return
      case 'recheck':
        yield then(asks.recheck(me.finalized), () => ({ kind: 'rechecked' }))
        return
      case 'logIntent':
        yield log(() => (this.#rules.intentIsHeard === 'atOnce' ? null : { kind: 'intentLogged' }))
        if (this.#rules.fault === 'intentIsLost')
          yield { ...then(asks.now, () => ({ kind: 'intentLogged' })), label: `${label} is lost`, spends: 'faults' }
        return
      case 'confirmIntent': {
        const { batchId } = effect
        yield* judge(`intent/${me.claimId}/${state.stream ?? '-'}`, isHead => ({
          kind: 'intentConfirmed',
          batchId,
          isHead,
        }))
        return
      }
      case 'saveDeadLetters': {
        // A second saving of letters that were safe meanwhile writes copies, which identity headers make harmless.
        const { batchId, dead } = effect
        const lost = lostOf(state, batchId)
        yield then(asks.saveLetters(me.epoch, dead, lost), () => ({ kind: 'deadLettersSafe', batchId, dead }))
        return
      }
      case 'split': {
        const batch = withoutRows(me, lane, effect)
        yield then(asks.now, () => ({ kind: 'split', batch }))
        return
      }
      case 'pause':
        yield then(asks.now, () => ({ kind: 'pauseOver' }))
        return
      case 'finalize': {
        const goneMs = state.goneSinceMs === null ? 0 : GONE_PERSISTS_MS
        yield then(asks.finalize(effect.stream, this.#rules.finalizes.lane, null), ({ rows, nowMs }) =>
          rows === 'gone' ? { kind: 'streamGone', nowMs: nowMs + goneMs } : { kind: 'finalized', rows, nowMs },
        )
        return
      }
      case 'logSettled':
        yield log(({ nowMs }) => ({ kind: 'settledLogged', nowMs }))
        return
      case 'deleteKeys':
        yield then(asks.remove(effect.keys), () => null)
        return
      default:
        throw new Error(`${effect.kind} is performed at once`)
    }
  }

  /** A lane takes an event; what the shell does at once is done, the rest is under way. */
  #hear(me: Running, lane: number, event: LaneEvent): Heard {
    const before = slotOf(me, lane)
    let step: LaneStep
    try {
      step = this.#rules.stepLane(before.state, event)
      assertLaneInvariants(step.state)
    } catch (error) {
      return { worker: over(me), violation: { invariant: 'LaneInvariants', what: String(error) } }
    }
    const { state, effects } = step
    let worker = me
    let { wire } = before
    let end: Extract<LaneEffect, { kind: 'fenced' | 'failed' | 'inDoubt' }> | null = null
    const pending = [...before.pending]
    for (const effect of effects) {
      switch (effect.kind) {
        case 'settled':
          worker = { ...worker, progress: this.#settle(worker.progress, effect, before.state) }
          break
        case 'send':
          wire = [...wire, { request: requestOf(state, effect), answer: null }]
          break
        case 'closeConnection':
          worker = { ...worker, lingering: [...worker.lingering, ...unanswered(wire)] }
          wire = []
          break
        case 'fenced':
        case 'failed':
        case 'inDoubt':
          end = effect
          break
        case 'logIntent':
          worker = { ...worker, isUnsettled: this.#scope.idleSettled }
          pending.push({ effect, record: this.#rules.intentOf(state, worker.progress), answer: null })
          break
        default:
          pending.push({ effect, record: recordOf(effect, state, worker), answer: null })
      }
    }
    const after = withSlot(worker, lane, { state, pending, wire })
    if (end !== null) return ended(after, end)
    if (worker.finalized.size === 0 && effects.some(e => e.kind === 'recheck'))
      return this.#hear(withSlot(worker, lane, { state, pending: before.pending, wire }), lane, { kind: 'rechecked' })
    const isHeardAtOnce = this.#rules.intentIsHeard === 'atOnce' && effects.some(e => e.kind === 'logIntent')
    return isHeardAtOnce ? this.#hear(after, lane, { kind: 'intentLogged' }) : { worker: after }
  }

  #settle(
    progress: Progress,
    { offsets, batchId }: Extract<LaneEffect, { kind: 'settled' }>,
    before: LaneState,
  ): Progress {
    return this.#rules.settle(progress, offsets, null, lostOf(before, batchId))
  }

  // ── the wire: one connection keeps its order ──

  *#wire(me: Running, lane: number, wire: readonly Sent[]): Generator<Doing> {
    const [first, ...later] = wire
    if (first === undefined) return
    const answered = withSlot(me, lane, { wire: later })
    const { answer } = first
    if (answer !== null)
      yield doing(`${me.claimId} hears of ${nameOfRequest(first.request)}`, this.#asks.now, () =>
        this.#hear(answered, lane, answer),
      )
    const next = wire.findIndex(sent => sent.answer === null)
    if (next >= 0) {
      const { request } = wire[next] as Sent
      yield doing(`${nameOfRequest(request)} arrives`, this.#asks.arrive(request), ({ event }) =>
        this.#scope.lateAnswers
          ? { worker: withSlot(me, lane, { wire: wire.with(next, { request, answer: event }) }) }
          : this.#hear(answered, lane, event),
      )
    }
    if (answer === null) yield* this.#refusals(lane, first.request, answered)
    if (this.#scope.may.breaks !== undefined) yield* this.#breaks(me, lane, wire)
  }

  *#refusals(lane: number, request: Request, answered: Running): Generator<Doing> {
    const { batchId } = request
    const refused = (error: MillraceError, nowMs: number): Heard =>
      this.#hear(answered, lane, { kind: 'refused', batchId, refusal: { kind: 'other', error }, nowMs })
    const name = nameOfRequest(request)
    const { may } = this.#scope
    if (may.tableChanges !== undefined)
      yield doing(
        `${name} is refused, the table has changed`,
        this.#asks.now,
        ({ nowMs }) => refused(TABLE_CHANGED, nowMs),
        'tableChanges',
      )
    if (may.refusals === undefined) return
    yield doing(`${name} is refused for now`, this.#asks.now, ({ nowMs }) => refused(NOT_NOW, nowMs), 'refusals')
    yield doing(
      `${name} lands, and is refused all the same`,
      this.#asks.arrive(request),
      ({ landed, event }) => (landed && 'nowMs' in event ? refused(TROUBLE, event.nowMs) : null),
      'refusals',
    )
  }

  /** What arrived before is not heard of; what did not may land late, or never. */
  *#breaks(me: Running, lane: number, wire: readonly Sent[]): Generator<Doing> {
    const name = `the connection of ${me.claimId} ${nameOf(me, lane)} breaks`
    const broken = (rest: readonly Sent[], nowMs: number): Heard => {
      const lingering = [...me.lingering, ...unanswered(rest)]
      return this.#hear({ ...withSlot(me, lane, { wire: [] }), lingering }, lane, {
        kind: 'broken',
        error: BROKEN,
        nowMs,
      })
    }
    yield doing(name, this.#asks.now, ({ nowMs }) => broken(wire, nowMs), 'breaks')
    if (this.#scope.lateAnswers) return
    for (let count = 1; count <= wire.length; count++) {
      const arrived = wire.slice(0, count).map(({ request }) => request)
      const label = `${name}, ${count} arrived unheard`
      yield doing(label, this.#asks.arriveAll(arrived), ({ nowMs }) => broken(wire.slice(count), nowMs), 'breaks')
    }
  }

  // ── coming in ──

  *#convert(me: Running): Generator<Doing> {
    const next = this.#nextRecords(me)
    const [first] = next
    const isKept = this.#scope.may.retentions === undefined
    if (first !== undefined && !isKept) yield* this.#skip(me, first)
    for (let count = 1; count <= Math.min(next.length, this.#scope.batch); count++)
      for (const outcomes of combinations(this.#scope.outcomes, count))
        for (const lane of this.#lanesFor(me, outcomes)) {
          const { state } = slotOf(me, lane)
          if (!hasRoom(state) || state.window.length >= this.#scope.window) continue
          const records = next.slice(0, count)
          const batch = batchOf(records, outcomes)
          const label = `${me.claimId} ${nameOf(me, lane)}: ${records.map((r, i) => `${r} is a ${outcomes[i]}`).join(', ')}`
          const take = (nowMs: number): Heard => this.#hear(me, lane, { kind: 'batch', batch, nowMs })
          yield isKept
            ? doing(label, this.#asks.now, ({ nowMs }) => take(nowMs))
            : doing(label, this.#asks.logStart, ({ nowMs, logStart }) =>
                (records[0] ?? 0) < logStart ? null : take(nowMs),
              )
        }
  }

  /** From where it stands up to where the topic begins: what of it is open is logged as lost, in a batch of its own. */
  *#skip(me: Running, first: number): Generator<Doing> {
    const [lane] = this.#lanesFor(me, ['drop'])
    if (lane === undefined) return
    const { state } = slotOf(me, lane)
    if (!hasRoom(state) || state.window.length >= this.#scope.window) return
    const label = `${me.claimId} ${nameOf(me, lane)}: ${first} is lost`
    yield doing(label, this.#asks.logStart, ({ nowMs, logStart }) => {
      if (first >= logStart) return null
      const range = offsetSetOf(upTo(first, this.#rules.lostUpTo(logStart)).map(kafkaOffset))
      const lost = subtract(unsettled(me.progress, range), underWay(me))
      const batch: Batch = { ...batchOf([first], []), drop: lost, lost }
      return this.#hear(me, lane, { kind: 'batch', batch, nowMs })
    })
  }

  /** The lowest records that are neither settled nor under way: adjacent ones. */
  #nextRecords(me: Running): readonly number[] {
    const taken = new Set(offsetsOf(underWay(me)))
    const next: number[] = []
    for (let r = 0; r < this.#scope.records && next.length < this.#scope.batch; r++)
      if (!isSettled(me.progress, kafkaOffset(r)) && !taken.has(r)) next.push(r)
      else if (next.length > 0) break
    return next
  }

  /** Rows go to any table; what has none goes to a lane with a stream, or while there is none to the lane without a table. */
  #lanesFor(me: Running, outcomes: readonly Outcome[]): readonly number[] {
    const tables = Array.from({ length: this.#scope.tables }, (_, i) => i)
    if (outcomes.includes('row')) return tables
    const open = tables.find(i => slotOf(me, i).state.stream !== null)
    return [open ?? this.#scope.tables]
  }

  // ── letting go ──

  *#letGo(me: Running): Generator<Doing> {
    const { claimId, epoch, progress } = me
    const settled: JournalRecord = { kind: 'settled', claimId, epoch, progress }
    if (me.isUnsettled)
      yield doing(`${claimId} settles, being idle`, this.#asks.append(settled), ({ log }) => ({
        worker: acknowledged({ ...me, isUnsettled: false }, log),
      }))
    if (!this.#scope.releases) return
    const releases = me.lanes.flatMap<JournalRecord>(({ state: { kind, stream, nextRow: row, lastTrafficMs } }) =>
      stream === null || !CAN_RELEASE.has(kind)
        ? []
        : [{ kind: 'release', claimId, epoch, stream, row, progress, releasedAtMs: lastTrafficMs }],
    )
    if (releases.length > 0)
      yield doing(`${claimId} releases`, this.#asks.append(settled, ...releases), () => ({ worker: over(me) }))
  }
}

/** What a worker leaves that acts no more: requests on the wire may still land. */
function over({ lanes, lingering }: Running): Over | null {
  const left = [...lingering, ...lanes.flatMap(({ wire }) => unanswered(wire))]
  return left.length === 0 ? null : { kind: 'over', doubt: null, deletes: [], lingering: left }
}

function ended(me: Running, end: Extract<LaneEffect, { kind: 'fenced' | 'failed' | 'inDoubt' }>): Heard {
  const worker = over(me)
  switch (end.kind) {
    case 'fenced':
      return { worker, note: ', and is fenced' }
    case 'failed':
      return { worker, violation: { invariant: 'Progress', what: `FAILED: ${end.error.message}` } }
    case 'inDoubt': {
      const doubt = { claimId: me.claimId, doubts: end.doubts }
      return { worker: { kind: 'over', deletes: [], lingering: worker?.lingering ?? [], doubt } }
    }
  }
}

/** Requests of broken connections land, unheard, in the order of their connection, some of them lost. */
export function* linger(asks: Asks, me: Running | Over): Generator<Doing> {
  for (const [c, connection] of me.lingering.entries())
    for (const [i, request] of connection.entries()) {
      const rest = connection.slice(i + 1)
      const lingering = rest.length === 0 ? me.lingering.filter((_, j) => j !== c) : me.lingering.with(c, rest)
      const isNothingLeft = me.kind === 'over' && lingering.length + me.deletes.length === 0 && me.doubt === null
      yield doing(`${nameOfRequest(request)} arrives late`, asks.arrive(request), ({ landed }) =>
        landed ? { worker: isNothingLeft ? null : { ...me, lingering } } : null,
      )
    }
}

const unanswered = (wire: readonly Sent[]): readonly (readonly Request[])[] => {
  const left = wire.filter(sent => sent.answer === null).map(sent => sent.request)
  return left.length === 0 ? [] : [left]
}
const nameOf = (me: Running, lane: number): string => (me.lanes[lane]?.state.table === null ? 'lane -' : `lane ${lane}`)
const nameOfRequest = ({ claimId, stream, firstRow, records }: Request): string =>
  `append of ${records.join(' ')} at ${stream.slice(stream.lastIndexOf('/') + 1)}@${firstRow} by ${claimId}`

/** What others can see happen; the rest happens and is heard of in one moment. */
const isOutside = ({ kind }: LaneEffect): boolean => kind !== 'split' && kind !== 'pause'

const withSlot = (me: Running, lane: number, change: Partial<Slot>): Running => ({
  ...me,
  lanes: me.lanes.map((slot, i) => (i === lane ? { ...slot, ...change } : slot)),
})
const slotOf = (me: Running, lane: number): Slot => me.lanes[lane] as Slot

/** Records are composed when their produce begins, not when they land. */
function recordOf(
  { kind }: LaneEffect,
  { stream, table, window, nextRow }: Slot['state'],
  { claimId, epoch, progress }: Running,
): JournalRecord | null {
  if (kind === 'logSettled') return { kind: 'settled', claimId, epoch, progress }
  if (kind !== 'logOpen' || stream === null || table === null) return null
  return { kind: 'open', claimId, epoch, table, tableCreationTime: '', stream, row: window[0]?.firstRow ?? nextRow }
}

const offsetsOf = (set: IntervalSet): readonly number[] =>
  set.flatMap(({ from, to }) => Array.from({ length: Number(to - from) }, (_, i) => Number(from) + i))
const upTo = (from: number, to: number): readonly number[] => Array.from({ length: to - from }, (_, i) => from + i)
const underWay = ({ lanes }: Running): IntervalSet =>
  lanes
    .flatMap(({ state }) => state.window)
    .reduce<IntervalSet>((all, { rows, dead, drop }) => union(union(all, rows), union(dead, drop)), [])
const lostOf = ({ window }: LaneState, batchId: number): IntervalSet => window.find(b => b.id === batchId)?.lost ?? []
const setOf = (records: readonly number[]): IntervalSet => offsetSetOf(records.map(kafkaOffset))

function requestOf(
  { window, stream, claimId }: Slot['state'],
  { batchId, firstRow }: Extract<LaneEffect, { kind: 'send' }>,
): Request {
  const batch = window.find(b => b.id === batchId)
  if (batch === undefined || stream === null) throw new Error('Sent what is not laid out')
  return { stream, claimId, batchId, firstRow: Number(firstRow), records: offsetsOf(batch.rows) }
}

/** A batch is known by its first record: a claim converts each record once. */
function batchOf(records: readonly number[], outcomes: readonly Outcome[]): Batch {
  const of = (outcome: Outcome): readonly number[] => records.filter((_, i) => outcomes[i] === outcome)
  return {
    id: (records[0] ?? 0) + 1,
    rowCount: of('row').length,
    rows: setOf(of('row')),
    dead: setOf(of('dead')),
    drop: setOf(of('drop')),
    generation: 1,
    fingerprint: null,
  }
}

/** The batch without the rows that were refused: those are dead letters now. */
function withoutRows(me: Running, lane: number, { batchId, rows }: Extract<LaneEffect, { kind: 'split' }>): Batch {
  const batch = me.lanes[lane]?.state.window.find(b => b.id === batchId)
  if (batch === undefined) throw new Error('Split what is not laid out')
  const all = offsetsOf(batch.rows)
  const bad = new Set(rows.map(row => row.index))
  const kept = all.filter((_, i) => !bad.has(i))
  const dead = [...offsetsOf(batch.dead), ...all.filter((_, i) => bad.has(i))]
  const { id, drop, generation, fingerprint } = batch
  return { id, rowCount: kept.length, rows: setOf(kept), dead: setOf(dead), drop, generation, fingerprint }
}

const combinations = (outcomes: readonly Outcome[], count: number): readonly (readonly Outcome[])[] =>
  count === 0 ? [[]] : combinations(outcomes, count - 1).flatMap(head => outcomes.map(outcome => [...head, outcome]))
