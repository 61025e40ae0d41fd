// Drives the production machines (claim, lanes, progress) through every interleaving in a small scope: no leases, late and lost
// appends, lingering copies, crashes anywhere, compaction, deletion, free outcomes. The shell here is the thinnest possible.
import {
  applyRecord,
  assertLaneInvariants,
  type Batch,
  beginClaim,
  type ClaimEffect,
  type ClaimEvent,
  type ClaimState,
  EMPTY_KEY_SPACE,
  hasRoom,
  type IntervalSet,
  intentWindow,
  isDrained,
  isHead,
  isSettled,
  type JournalRecord,
  type KeySpaceState,
  kafkaOffset,
  type LaneEffect,
  type LaneEvent,
  type LaneState,
  MillraceError,
  newLane,
  type Progress,
  recordKey,
  type StreamName,
  settle,
  stepClaim,
  stepLane,
  streamOffset,
  type TableName,
  type WorkerId,
} from '@millrace/core'

export type Scope = {
  readonly workers: number
  readonly records: number
  readonly claims: number
  readonly compactions: number
  readonly crashes: boolean
  /** How often a connection may break: what it carried may land late, or never; the reply is lost. */
  readonly losses: number
  readonly deadLetters: boolean
  /** Bit mask of records the table refuses. */
  readonly bad: number
  /** Positions an operator moves the partition to, in this order, each at any moment; null: forgotten. */
  readonly alterations?: readonly (number | null)[]
}

const TABLE = 'projects/p/datasets/d/tables/t' as TableName
type Logged = { readonly key: string; readonly record: JournalRecord; readonly offset: number }
type Stream = { readonly name: StreamName; readonly rows: readonly number[]; readonly finalized: boolean }
type Message = {
  readonly claimId: string
  readonly stream: StreamName
  readonly batchId: number
  readonly firstRow: number
  readonly record: number
  readonly dead: boolean
}
type LaneSlot = { readonly state: LaneState; readonly effects: readonly LaneEffect[] }
type Worker =
  | { readonly kind: 'idle' }
  | { readonly kind: 'claiming'; readonly state: ClaimState; readonly effects: readonly ClaimEffect[] }
  | {
      readonly kind: 'running'
      readonly claimId: string
      readonly epoch: number
      readonly progress: Progress
      readonly finalized: ReadonlyMap<StreamName, bigint>
      readonly deletes: readonly string[]
      readonly lanes: Readonly<Record<'t' | '-', LaneSlot>>
      readonly nextBatch: number
      readonly releasing: boolean
    }
export type World = {
  readonly log: readonly Logged[]
  readonly nextOffset: number
  readonly streams: readonly Stream[]
  readonly net: readonly Message[]
  readonly alterations: number
  readonly eras: readonly [Era, ...Era[]]
  readonly workers: readonly Worker[]
  readonly claims: number
  readonly compactions: number
  readonly losses: number
}
/**
 * An era begins where an operator's word lands: from then on every record from `at` is delivered exactly once *again*, and none
 * below, whatever was delivered before. Letters belong to the era of their claim: an old one may be copied late.
 */
type Era = {
  readonly at: number
  /** Of the claim that moved the position; 0 in the first era. */
  readonly epoch: number
  /** How often each record was in the tables by then. */
  readonly rowsBefore: readonly number[]
  /** Letters of this era's claims. */
  readonly dlq: number
}
type Next = readonly [label: string, world: World]

const IDLE: Worker = { kind: 'idle' }
const bit = (record: number): number => 1 << record
const recordsOf = (set: IntervalSet, records: number): number => {
  let mask = 0
  for (let r = 0; r < records; r++) if (set.some(x => x.from <= BigInt(r) && BigInt(r) < x.to)) mask |= bit(r)
  return mask
}
const settledMask = (p: Progress, records: number): number => {
  let mask = 0
  for (let r = 0; r < records; r++) if (isSettled(p, kafkaOffset(r))) mask |= bit(r)
  return mask
}

export class Explorer {
  readonly #scope: Scope
  constructor(scope: Scope) {
    this.#scope = scope
  }

  initial(): World {
    const workers = Array.from({ length: this.#scope.workers }, () => IDLE)
    const first: Era = { at: 0, epoch: 0, rowsBefore: this.#times([]), dlq: 0 }
    return {
      log: [],
      nextOffset: 0,
      streams: [],
      net: [],
      alterations: 0,
      eras: [first],
      workers,
      claims: 0,
      compactions: 0,
      losses: 0,
    }
  }

  /** What is wrong in this world, or null. */
  violation({ streams, log, workers, eras }: World): string | null {
    const times = this.#times(streams)
    for (const [k, era] of eras.entries()) {
      const next = eras[k + 1]
      const isOf = (epoch: number): boolean => epoch > era.epoch && epoch <= (next?.epoch ?? Number.POSITIVE_INFINITY)
      let believed = 0
      for (const { record } of log)
        if (record.kind === 'release' || (record.kind === 'settled' && record.altered === undefined))
          if (isOf(record.epoch) && record.progress) believed |= settledMask(record.progress, this.#scope.records)
      for (const w of workers)
        if (w.kind === 'running' && isOf(w.epoch)) believed |= settledMask(w.progress, this.#scope.records)
      for (const [r, n] of (next?.rowsBefore ?? times).entries()) {
        const wrong = wrongWith(r, n - (era.rowsBefore[r] ?? 0), era, believed)
        if (wrong !== null) return k === 0 ? wrong : `Since the position was moved to ${era.at}: ${wrong}`
      }
    }
    for (const w of workers)
      if (w.kind === 'claiming' && w.state.kind === 'inDoubt')
        return `IN_DOUBT though nothing is: ${w.state.doubts[0]?.saw}`
    return null
  }

  /** Everything is delivered, and where positions are moved, after the last of them. */
  isComplete({ streams, eras, alterations }: World): boolean {
    if (alterations < (this.#scope.alterations?.length ?? 0)) return false
    const { at, dlq, rowsBefore } = eras.at(-1)!
    let there = dlq | (bit(at) - 1)
    for (const [r, n] of this.#times(streams).entries()) if (n > (rowsBefore[r] ?? 0)) there |= bit(r)
    return there === bit(this.#scope.records) - 1
  }

  #times(streams: World['streams']): readonly number[] {
    const times = new Array<number>(this.#scope.records).fill(0)
    for (const s of streams) for (const r of s.rows) times[r] = (times[r] ?? 0) + 1
    return times
  }

  *next(w: World): Generator<Next> {
    if (w.compactions < this.#scope.compactions) {
      const log = w.log.filter((r, i) => !w.log.some((x, j) => j > i && x.key === r.key))
      if (log.length < w.log.length) yield ['compaction', { ...w, log, compactions: w.compactions + 1 }]
    }
    for (let i = 0; i < w.net.length; i++) yield* this.#network(w, i)
    for (let i = 0; i < w.workers.length; i++) yield* this.#worker(w, i)
  }

  // ── the network ──

  *#network(w: World, i: number): Generator<Next> {
    const m = w.net[i]!
    const isOrdered = !w.net
      .slice(0, i)
      .some(x => x.claimId === m.claimId && x.stream === m.stream && x.dead === m.dead)
    if (!isOrdered) return
    const rest = w.net.filter((_, j) => j !== i)
    const { world, event } = this.#arrive({ ...w, net: rest }, m)
    if (m.dead) {
      yield [`lingering append of record ${m.record} arrives`, world]
      yield [`lingering append of record ${m.record} is lost`, { ...w, net: rest }]
      return
    }
    yield [`append of record ${m.record} arrives`, this.#tellLane(world, m.claimId, event)]
    if (w.losses >= this.#scope.losses) return
    yield [`append of record ${m.record} arrives, its connection breaks`, this.#break(world, m.claimId)]
    yield [`the connection of record ${m.record} breaks`, this.#break(w, m.claimId)]
  }

  #arrive(w: World, m: Message): { world: World; event: LaneEvent } {
    const stream = w.streams.find(s => s.name === m.stream)!
    const refused = (refusal: Extract<LaneEvent, { kind: 'refused' }>['refusal']): LaneEvent => ({
      kind: 'refused',
      batchId: m.batchId,
      refusal,
      nowMs: 0,
    })
    if (stream.finalized) return { world: w, event: refused({ kind: 'streamFinalized', message: '' }) }
    if (m.firstRow < stream.rows.length) return { world: w, event: refused({ kind: 'alreadyExists', message: '' }) }
    if (m.firstRow > stream.rows.length) return { world: w, event: refused({ kind: 'outOfRange', message: '' }) }
    if ((this.#scope.bad & bit(m.record)) !== 0)
      return { world: w, event: refused({ kind: 'rowErrors', message: '', rows: [{ index: 0, message: 'bad' }] }) }
    const streams = w.streams.map(s => (s === stream ? { ...s, rows: [...s.rows, m.record] } : s))
    return {
      world: { ...w, streams },
      event: { kind: 'acknowledged', batchId: m.batchId, offset: streamOffset(m.firstRow), nowMs: 0 },
    }
  }

  #tellLane(w: World, claimId: string, event: LaneEvent): World {
    const index = w.workers.findIndex(x => x.kind === 'running' && x.claimId === claimId)
    return index < 0 ? w : this.#lane(w, index, 't', event)
  }

  #break(w: World, claimId: string): World {
    const net = w.net.map(m => (m.claimId === claimId ? { ...m, dead: true } : m))
    const error = new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', 'broken')
    return this.#tellLane({ ...w, net, losses: w.losses + 1 }, claimId, { kind: 'broken', error, nowMs: 0 })
  }

  // ── the workers ──

  *#worker(w: World, i: number): Generator<Next> {
    const me = w.workers[i]!
    const name = `w${i}`
    if (me.kind === 'idle') {
      const alterations = this.#scope.alterations ?? []
      const to = alterations[w.alterations]
      if (to !== undefined) {
        const nextKafkaOffset = to === null ? null : kafkaOffset(to)
        const alteration = { nextKafkaOffset, by: 'operator', atMs: 0 }
        const claimId = `a${w.alterations}`
        const state = beginClaim({ claimId, workerId: name as WorkerId, generation: 1, alteration })
        const { effects } = stepClaim(state, { kind: 'begin' })
        const world = { ...w, alterations: w.alterations + 1 }
        yield [
          `${name} is told to move the position to ${to}`,
          this.#put(world, i, { kind: 'claiming', state, effects }),
        ]
      }
      if (w.claims >= this.#scope.claims) return
      const state = beginClaim({ claimId: `c${w.claims}`, workerId: name as WorkerId, generation: 1 })
      const { effects } = stepClaim(state, { kind: 'begin' })
      yield [
        `${name} wants the partition`,
        this.#put({ ...w, claims: w.claims + 1 }, i, { kind: 'claiming', state, effects }),
      ]
      return
    }
    if (this.#scope.crashes) yield [`${name} crashes`, this.#crash(w, i)]
    if (me.kind === 'claiming') {
      for (let e = 0; e < me.effects.length; e++) yield this.#claimEffect(w, i, me, e)
      return
    }
    if (me.deletes.length > 0) {
      const log = w.log.filter(r => !me.deletes.includes(r.key))
      yield [`${name} deletes what is below`, this.#put({ ...w, log }, i, { ...me, deletes: [] })]
    }
    for (const id of ['t', '-'] as const)
      for (let e = 0; e < me.lanes[id].effects.length; e++) yield this.#laneEffect(w, i, me, id, e)
    yield* this.#fetch(w, i, me)
    if (
      !me.releasing &&
      isDrained(me.lanes.t.state) &&
      isDrained(me.lanes['-'].state) &&
      me.lanes.t.state.stream !== null &&
      me.lanes.t.state.kind === 'appending'
    )
      yield [`${name} releases`, this.#release(w, i, me)]
  }

  #put(w: World, i: number, worker: Worker): World {
    return { ...w, workers: w.workers.map((x, j) => (j === i ? worker : x)) }
  }
  #crash(w: World, i: number): World {
    const me = w.workers[i]!
    const claimId = me.kind === 'running' ? me.claimId : null
    const net = w.net.map(m => (m.claimId === claimId ? { ...m, dead: true } : m))
    return this.#put({ ...w, net }, i, IDLE)
  }
  #append(w: World, ...records: readonly JournalRecord[]): World {
    let { nextOffset } = w
    const log = [...w.log, ...records.map(record => ({ key: recordKey(record), record, offset: nextOffset++ }))]
    const moved = records.find(record => record.kind === 'settled' && record.altered !== undefined)
    return moved?.kind === 'settled' ? this.#beginEra({ ...w, log, nextOffset }, moved) : { ...w, log, nextOffset }
  }
  /** Compare-and-set: it counts only when no later claim stands before it. */
  #beginEra(w: World, { epoch, progress }: Extract<JournalRecord, { kind: 'settled' }>): World {
    if (w.log.some(({ record }) => record.kind === 'claim' && record.epoch > epoch)) return w
    const era = { at: Number(progress?.frontier ?? 0), epoch, rowsBefore: this.#times(w.streams), dlq: 0 }
    return { ...w, eras: [...w.eras, era] }
  }
  #letters(w: World, epoch: number, set: IntervalSet): World {
    const mask = recordsOf(set, this.#scope.records)
    const of = w.eras.findLastIndex(era => epoch > era.epoch)
    const [first, ...later] = w.eras.map((era, k) => (k === of ? { ...era, dlq: era.dlq | mask } : era))
    return { ...w, eras: [first!, ...later] }
  }
  #journal(w: World): KeySpaceState {
    return w.log.reduce((s, { key, record, offset }) => applyRecord(s, key, record, BigInt(offset)), EMPTY_KEY_SPACE)
  }
  #finalize(w: World, stream: StreamName): { world: World; rows: bigint } {
    const streams = w.streams.map(s => (s.name === stream ? { ...s, finalized: true } : s))
    return { world: { ...w, streams }, rows: BigInt(w.streams.find(s => s.name === stream)!.rows.length) }
  }

  #claimEffect(w: World, i: number, me: Extract<Worker, { kind: 'claiming' }>, e: number): Next {
    const effect = me.effects[e]!
    const rest = me.effects.filter((_, j) => j !== e)
    const label = `w${i} claim: ${effect.kind}`
    const then = (world: World, event: ClaimEvent): Next => [
      label,
      this.#claimStep(world, i, { ...me, effects: rest }, event),
    ]
    switch (effect.kind) {
      case 'readToEnd':
        return then(w, { kind: 'journalRead', journal: this.#journal(w) })
      case 'append':
        return then(this.#append(w, effect.record), { kind: 'appended' })
      case 'finalize': {
        const { world, rows } = this.#finalize(w, effect.stream)
        return then(world, { kind: 'finalized', stream: effect.stream, rows: streamOffset(rows) })
      }
      case 'pause':
        return then(w, { kind: 'pauseOver' })
      case 'resolveStart':
        return then(w, { kind: 'startResolved', start: kafkaOffset(0) })
      case 'saveDeadLetters':
        return then(this.#letters(w, epochOf(me.state), effect.offsets), { kind: 'deadLettersSafe' })
      case 'deleteKeys':
        throw new Error('deleted before it owns')
    }
  }

  #claimStep(w: World, i: number, me: Extract<Worker, { kind: 'claiming' }>, event: ClaimEvent): World {
    const { state, effects } = stepClaim(me.state, event)
    if (state.kind === 'fenced') return this.#put(w, i, IDLE)
    if (state.kind === 'altered') {
      const gone = effects.flatMap(x => (x.kind === 'deleteKeys' ? x.keys : []))
      return this.#put({ ...w, log: w.log.filter(r => !gone.includes(r.key)) }, i, IDLE)
    }
    if (state.kind !== 'owning')
      return this.#put(w, i, { kind: 'claiming', state, effects: [...me.effects, ...effects] })
    const { claimId, epoch, progress, adoptable, finalized } = state.ownership
    const lane = (table: TableName | null): LaneSlot => ({
      state: newLane({ table, claimId, epoch, adoptable: table ? adoptable : [] }),
      effects: [],
    })
    const deletes = effects.flatMap(x => (x.kind === 'deleteKeys' ? x.keys : []))
    return this.#put(w, i, {
      kind: 'running',
      claimId,
      epoch,
      progress,
      finalized,
      deletes,
      lanes: { t: lane(TABLE), '-': lane(null) },
      nextBatch: 1,
      releasing: false,
    })
  }

  *#fetch(w: World, i: number, me: Extract<Worker, { kind: 'running' }>): Generator<Next> {
    if (me.releasing) return
    const taken = new Set(
      Object.values(me.lanes).flatMap(l =>
        l.state.window.flatMap(b => [...b.rows, ...b.dead].map(r => Number(r.from))),
      ),
    )
    let r = 0
    while (r < this.#scope.records && (isSettled(me.progress, kafkaOffset(r)) || taken.has(r))) r++
    if (r >= this.#scope.records) return
    const range = [{ from: kafkaOffset(r), to: kafkaOffset(r + 1) }]
    for (const outcome of this.#scope.deadLetters ? (['row', 'dead'] as const) : (['row'] as const)) {
      const lane = outcome === 'dead' && me.lanes.t.state.stream === null ? '-' : 't'
      if (!hasRoom(me.lanes[lane].state) || me.lanes[lane].state.window.length >= 2) continue
      const batch: Batch = {
        id: me.nextBatch,
        rowCount: outcome === 'row' ? 1 : 0,
        rows: outcome === 'row' ? range : [],
        dead: outcome === 'dead' ? range : [],
        drop: [],
        generation: 1,
        fingerprint: null,
      }
      const world = this.#put(w, i, { ...me, nextBatch: me.nextBatch + 1 })
      yield [`w${i} converts record ${r} as ${outcome}`, this.#lane(world, i, lane, { kind: 'batch', batch, nowMs: 0 })]
    }
  }

  #release(w: World, i: number, me: Extract<Worker, { kind: 'running' }>): World {
    const { claimId, epoch, progress } = me
    const { stream, nextRow } = me.lanes.t.state
    const world = this.#append(
      w,
      { kind: 'settled', claimId, epoch, progress },
      { kind: 'release', claimId, epoch, stream: stream!, row: nextRow, progress, releasedAtMs: 0 },
    )
    return this.#put(world, i, IDLE)
  }

  #lane(w: World, i: number, id: 't' | '-', event: LaneEvent): World {
    const me = w.workers[i]!
    if (me.kind !== 'running') return w
    const step = stepLane(me.lanes[id].state, event)
    assertLaneInvariants(step.state)
    let world = w
    let worker = me
    const effects = [...me.lanes[id].effects]
    for (const effect of step.effects) {
      // What the shell does at once, in the same turn:
      if (effect.kind === 'settled') worker = { ...worker, progress: settle(worker.progress, effect.offsets) }
      else if (effect.kind === 'send') {
        const batch = step.state.window.find(b => b.id === effect.batchId)!
        const message = {
          claimId: me.claimId,
          stream: step.state.stream!,
          batchId: batch.id,
          firstRow: Number(effect.firstRow),
          record: Number(batch.rows[0]!.from),
          dead: false,
        }
        world = { ...world, net: [...world.net, message] }
      } else if (effect.kind === 'closeConnection')
        world = { ...world, net: world.net.map(m => (m.claimId === me.claimId ? { ...m, dead: true } : m)) }
      else if (effect.kind === 'fenced') return this.#put(world, i, IDLE)
      else if (effect.kind === 'failed') throw effect.error
      else if (effect.kind === 'inDoubt') throw new Error(`IN_DOUBT though nothing is: ${effect.doubts[0]?.saw}`)
      else if (effect.kind === 'logIntent') effects.push(this.#withIntent(effect, step.state, worker))
      else effects.push(effect)
    }
    return this.#put(world, i, { ...worker, lanes: { ...worker.lanes, [id]: { state: step.state, effects } } })
  }

  /** An Intent is composed when its produce begins, not when it lands. */
  #withIntent(effect: LaneEffect, lane: LaneState, me: Extract<Worker, { kind: 'running' }>): LaneEffect {
    const record: JournalRecord = {
      kind: 'intent',
      claimId: me.claimId,
      epoch: me.epoch,
      stream: lane.stream,
      progress: me.progress,
      window: intentWindow(lane),
    }
    return { ...effect, record } as unknown as LaneEffect
  }

  #laneEffect(w: World, i: number, me: Extract<Worker, { kind: 'running' }>, id: 't' | '-', e: number): Next {
    const slot = me.lanes[id]
    const effect = slot.effects[e]!
    const world = this.#put(w, i, {
      ...me,
      lanes: { ...me.lanes, [id]: { ...slot, effects: slot.effects.filter((_, j) => j !== e) } },
    })
    const label = `w${i} lane ${id}: ${effect.kind}`
    const then = (next: World, event: LaneEvent): Next => [label, this.#lane(next, i, id, event)]
    const amHead = (): boolean => isHead(this.#journal(w), me.claimId)
    switch (effect.kind) {
      case 'openStream': {
        const adopted = effect.adoptable[0]
        if (adopted)
          return then(world, {
            kind: 'streamReady',
            stream: adopted.stream,
            row: adopted.row,
            tableCreationTime: '',
            nowMs: 0,
          })
        const stream = `${TABLE}/streams/s${w.streams.length}` as StreamName
        const streams = [...world.streams, { name: stream, rows: [], finalized: false }]
        return then(
          { ...world, streams },
          { kind: 'streamReady', stream, row: streamOffset(0), tableCreationTime: '', nowMs: 0 },
        )
      }
      case 'logOpen': {
        const { stream, window, nextRow } = slot.state
        const row = window[0]?.firstRow ?? nextRow
        return then(
          this.#append(world, {
            kind: 'open',
            claimId: me.claimId,
            epoch: me.epoch,
            table: TABLE,
            tableCreationTime: '',
            stream: stream!,
            row,
          }),
          { kind: 'openLogged' },
        )
      }
      case 'confirmOpen':
        return then(world, { kind: 'openConfirmed', isHead: amHead() })
      case 'recheck':
        for (const [stream, rows] of me.finalized)
          if (this.#finalize(w, stream).rows !== rows) throw new Error(`${stream} grew after it was finalized`)
        return then(world, { kind: 'rechecked' })
      case 'logIntent':
        return then(this.#append(world, (effect as unknown as { record: JournalRecord }).record), {
          kind: 'intentLogged',
        })
      case 'confirmIntent':
        return then(world, { kind: 'intentConfirmed', batchId: effect.batchId, isHead: amHead() })
      case 'saveDeadLetters': {
        // A second saving of letters that were safe meanwhile writes copies, which identity headers make harmless.
        const { batchId, dead } = effect
        return then(this.#letters(world, me.epoch, dead), { kind: 'deadLettersSafe', batchId, dead })
      }
      case 'split': {
        const batch = slot.state.window.find(b => b.id === effect.batchId)!
        const { id: batchId, rows, generation, fingerprint } = batch
        return then(world, {
          kind: 'split',
          batch: { id: batchId, rowCount: 0, rows: [], dead: rows, drop: [], generation, fingerprint },
        })
      }
      case 'pause':
        return then(world, { kind: 'pauseOver' })
      case 'finalize': {
        const done = this.#finalize(world, effect.stream)
        return then(done.world, { kind: 'finalized', rows: streamOffset(done.rows), nowMs: 0 })
      }
      case 'logSettled':
        return then(
          this.#append(world, { kind: 'settled', claimId: me.claimId, epoch: me.epoch, progress: me.progress }),
          { kind: 'settledLogged', nowMs: 0 },
        )
      case 'deleteKeys':
        return [label, { ...world, log: world.log.filter(r => !effect.keys.includes(r.key)) }]
      default:
        throw new Error(`${effect.kind} is performed at once`)
    }
  }
}

const epochOf = (state: ClaimState): number => ('epoch' in state ? state.epoch : 0)

function wrongWith(r: number, rows: number, { at, dlq }: Era, believed: number): string | null {
  const dead = (dlq & bit(r)) !== 0
  if (r < at && (rows > 0 || dead)) return `NoDup: record ${r} is delivered although the position was moved past it`
  if (rows > 1) return `NoDup: record ${r} is in the tables ${rows} times`
  if (rows > 0 && dead) return `OneOutcome: record ${r} is a row and a dead letter`
  if (r >= at && rows === 0 && !dead && (believed & bit(r)) !== 0) return `NoLoss: record ${r} is settled but nowhere`
  return null
}

const text = (world: World): string =>
  JSON.stringify(world, (_, value: unknown) =>
    typeof value === 'bigint'
      ? `${value}n`
      : value instanceof Map
        ? [...value]
        : value instanceof Set
          ? [...value]
          : value instanceof Error
            ? value.message
            : value,
  )

export type Exploration = {
  readonly states: number
  readonly complete: number
  readonly violation: string | null
  readonly trace: readonly string[]
  readonly exhausted: boolean
}

/** Breadth first, so that a violation comes with a shortest trace. */
export function explore(scope: Scope, statesMax: number): Exploration {
  const explorer = new Explorer(scope)
  type Node = { readonly world: World; readonly label: string; readonly from: Node | null }
  const first: Node = { world: explorer.initial(), label: 'start', from: null }
  const seen = new Set([text(first.world)])
  let level: Node[] = [first]
  let states = 0
  let complete = 0
  const traceOf = (node: Node | null): string[] => (node === null ? [] : [...traceOf(node.from), node.label])
  const end = (violation: string | null, node: Node | null, exhausted: boolean): Exploration => ({
    states,
    complete,
    violation,
    trace: traceOf(node),
    exhausted,
  })
  while (level.length > 0) {
    const following: Node[] = []
    for (const node of level) {
      states++
      const violation = explorer.violation(node.world)
      if (violation !== null) return end(violation, node, false)
      if (explorer.isComplete(node.world)) complete++
      if (states >= statesMax) return end(null, null, false)
      try {
        for (const [label, world] of explorer.next(node.world)) {
          const key = text(world)
          if (seen.has(key)) continue
          seen.add(key)
          following.push({ world, label, from: node })
        }
      } catch (error) {
        return end(error instanceof Error ? error.message : String(error), node, false)
      }
    }
    level = following
  }
  return end(null, null, true)
}
