// A lane with a service, a network and a journal around it, driven step by step by whoever chooses. After every step the lane
// might die: what recovery would conclude from the journal and the row counts is compared with what is in the tables.
import assert from 'node:assert/strict'
import {
  applyRecord,
  assertLaneInvariants,
  type Batch,
  EMPTY_KEY_SPACE,
  fold,
  hasRoom,
  type IntentBatch,
  type IntervalSet,
  intentWindow,
  isAligned,
  isSettled,
  type JournalRecord,
  type KafkaOffset,
  type KeySpaceState,
  kafkaOffset,
  type LaneEffect,
  type LaneEvent,
  type LaneState,
  MillraceError,
  newLane,
  type Progress,
  planStreams,
  recordKey,
  type StreamName,
  settle,
  startAt,
  stepLane,
  streamOffset,
} from '@millrace/core'
import { claimOf, setOf, settledOf, TABLE } from './arbitrary-journal.ts'

type Request = {
  readonly batchId: number
  readonly stream: StreamName
  readonly firstRow: bigint
  readonly records: readonly KafkaOffset[]
}
type Stream = { readonly rows: KafkaOffset[]; isFinalized: boolean }

/** Answers a number below `count`: the next choice of the walk. */
export type Choose = (count: number) => number

const CLAIM = { claimId: 'me', epoch: 1 }

export class LaneWorld {
  state: LaneState = newLane({ table: TABLE, ...CLAIM, adoptable: [] })
  progress: Progress = startAt(kafkaOffset(0))
  readonly streams: Map<StreamName, Stream> = new Map()
  readonly letters: Set<KafkaOffset> = new Set()
  /** Records the table refuses. */
  readonly #bad: ReadonlySet<number>
  readonly #choose: Choose
  readonly #recordCount: number
  #journal: KeySpaceState = EMPTY_KEY_SPACE
  #journalEnd = 0n
  #pending: { readonly effect: LaneEffect; readonly record: JournalRecord | null }[] = []
  /** On the present connection, and on those that broke: what they carried may still land, in order. */
  #wire: Request[] = []
  #lingering: Request[][] = []
  #nextRecord = 0
  #batchIds = 0
  #nowMs = 0
  readonly #records = new Map<number, readonly KafkaOffset[]>()

  constructor(choose: Choose, recordCount: number, bad: ReadonlySet<number>) {
    this.#choose = choose
    this.#recordCount = recordCount
    this.#bad = bad
    for (const record of [claimOf('me', 1), settledOf('me', 1, 0)]) this.#log(record)
  }

  get isFinished(): boolean {
    return this.progress.frontier >= BigInt(this.#recordCount)
  }

  /** One of the things that can happen next. Without `trouble` nothing breaks any more. */
  step(trouble: boolean): void {
    const doable: (() => void)[] = this.#pending.map((_, i) => () => this.#perform(i))
    if (this.#nextRecord < this.#recordCount && hasRoom(this.state)) doable.push(() => this.#takeBatch())
    if (this.#wire.length > 0) doable.push(() => this.#answer())
    for (const lost of this.#lingering) doable.push(() => this.#linger(lost))
    if (trouble && this.#choose(4) === 0) {
      if (this.#wire.length > 0) doable.push(() => this.#refuseForNow())
      if (this.#wire.length > 0) doable.push(() => this.#break())
      doable.push(() => {
        this.#nowMs += 4_000
      })
    }
    assert(doable.length > 0, `Progress: nothing can happen any more while ${this.state.kind}.`)
    doable[this.#choose(doable.length)]?.()
    this.#check()
  }

  // ── what must hold at every moment ──

  #check(): void {
    const rows = [...this.streams.values()].flatMap(s => s.rows)
    assert.equal(new Set(rows).size, rows.length, 'NoDup: a record is in the table twice')
    for (const row of rows) assert.ok(!this.letters.has(row), `OneOutcome: ${row} is a row and a dead letter`)
    for (let r = 0; r < this.#recordCount; r++) {
      const offset = kafkaOffset(r)
      if (isSettled(this.progress, offset) && !this.letters.has(offset))
        assert.ok(rows.includes(offset), `NoLoss: ${r} is settled but nowhere`)
    }
    this.#checkRecovery(new Set(rows))
  }

  #checkRecovery(rows: ReadonlySet<KafkaOffset>): void {
    const counts = new Map([...this.streams].map(([name, { rows: there }]) => [name, streamOffset(there.length)]))
    for (const [name, count] of counts)
      if ([...this.#journal.opens.values()].some(open => open.stream === name))
        assert.ok(isAligned(this.#journal, name, count), `Aligned: ${count} rows in ${name}`)
    const { progress, deadLetters } = fold(this.#journal, 2, counts, null)
    for (let r = 0; r < this.#recordCount; r++) {
      const offset = kafkaOffset(r)
      const isLetter = deadLetters.some(d => d.from <= offset && offset < d.to) || this.letters.has(offset)
      const isThere = rows.has(offset) || isLetter
      assert.equal(isSettled(progress, offset), isThere, `A new owner would be wrong about record ${r}.`)
    }
    this.#checkAlteration(progress)
  }

  /** Were an operator to move the position now, whoever comes next would know that position and nothing of this lane. */
  #checkAlteration({ frontier }: Progress): void {
    for (const at of [0n, frontier + 3n]) {
      const moved: readonly JournalRecord[] = [
        claimOf('operator', 2),
        {
          kind: 'settled',
          claimId: 'operator',
          epoch: 2,
          progress: startAt(kafkaOffset(at)),
          altered: { by: 'operator', atMs: 0, from: frontier },
        },
        claimOf('next', 3),
      ]
      const journal = moved.reduce(
        (state, record, i) => applyRecord(state, recordKey(record), record, this.#journalEnd + BigInt(i)),
        this.#journal,
      )
      const next = fold(journal, 3, new Map(), null)
      assert.deepEqual(next, { progress: startAt(kafkaOffset(at)), deadLetters: [] })
      assert.deepEqual(planStreams(journal, 3), { released: new Map(), finalize: [] })
    }
  }

  // ── the lane ──

  #tell(event: LaneEvent): void {
    const { state, effects } = stepLane(this.state, event)
    this.state = state
    assertLaneInvariants(state)
    for (const effect of effects) this.#begin(effect)
  }

  /** What the shell does at once is done; the rest becomes pending. */
  #begin(effect: LaneEffect): void {
    switch (effect.kind) {
      case 'settled':
        this.progress = settle(this.progress, effect.offsets)
        return
      case 'send':
        return this.#send(effect.batchId, effect.firstRow)
      case 'closeConnection':
        return this.#disconnect()
      case 'fenced':
      case 'failed':
      case 'inDoubt':
        return assert.fail(`The lane ended: ${JSON.stringify(effect, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`)
      case 'logIntent':
        this.#pending.push({ effect, record: this.#intent() })
        return
      default:
        this.#pending.push({ effect, record: null })
    }
  }

  #intent(): JournalRecord {
    return {
      kind: 'intent',
      ...CLAIM,
      stream: this.state.stream,
      progress: this.progress,
      window: intentWindow(this.state),
    }
  }

  #perform(i: number): void {
    const [chosen] = this.#pending.splice(i, 1)
    assert(chosen !== undefined)
    const { effect, record } = chosen
    const nowMs = this.#nowMs
    switch (effect.kind) {
      case 'openStream': {
        const stream = `${TABLE}/streams/s${this.streams.size}` as StreamName
        this.streams.set(stream, { rows: [], isFinalized: false })
        return this.#tell({ kind: 'streamReady', stream, row: streamOffset(0), tableCreationTime: '1', nowMs })
      }
      case 'logOpen':
        this.#log({
          kind: 'open',
          ...CLAIM,
          table: TABLE,
          tableCreationTime: '1',
          stream: this.#stream(),
          row: this.state.window[0]?.firstRow ?? this.state.nextRow,
        })
        return this.#tell({ kind: 'openLogged' })
      case 'confirmOpen':
        return this.#tell({ kind: 'openConfirmed', isHead: true })
      case 'recheck':
        return this.#tell({ kind: 'rechecked' })
      case 'logIntent':
        assert(record !== null)
        this.#log(record)
        return this.#tell({ kind: 'intentLogged' })
      case 'confirmIntent':
        return this.#tell({ kind: 'intentConfirmed', batchId: effect.batchId, isHead: true })
      case 'saveDeadLetters': {
        const { batchId, dead } = effect
        for (const { from, to } of dead) for (let o = from; o < to; o++) this.letters.add(kafkaOffset(o))
        return this.#tell({ kind: 'deadLettersSafe', batchId, dead })
      }
      case 'split':
        return this.#split(
          effect.batchId,
          effect.rows.map(row => row.index),
        )
      case 'pause':
        this.#nowMs += effect.ms
        return this.#tell({ kind: 'pauseOver' })
      case 'finalize': {
        const stream = this.streams.get(effect.stream)
        assert(stream !== undefined)
        stream.isFinalized = true
        return this.#tell({ kind: 'finalized', rows: streamOffset(stream.rows.length), nowMs })
      }
      case 'logSettled':
        this.#log({ kind: 'settled', ...CLAIM, progress: this.progress })
        return this.#tell({ kind: 'settledLogged', nowMs })
      case 'deleteKeys':
        for (const key of effect.keys) this.#journal = applyRecord(this.#journal, key, null, this.#journalEnd++)
        return
      default:
        assert.fail(`${effect.kind} is performed at once`)
    }
  }

  #takeBatch(): void {
    const from = this.#nextRecord
    const count = Math.min(1 + this.#choose(3), this.#recordCount - from)
    this.#nextRecord += count
    const offsets = Array.from({ length: count }, (_, i) => kafkaOffset(from + i))
    const isDead = offsets.map(() => this.#choose(6) === 0)
    // A batch without rows goes to the streamless lane while no stream is open; here it gets a row instead.
    if (isDead.every(Boolean)) isDead[0] = false
    const batch = this.#batch(
      ++this.#batchIds,
      offsets.filter((_, i) => !isDead[i]),
      offsets.filter((_, i) => isDead[i]),
    )
    this.#tell({ kind: 'batch', batch, nowMs: this.#nowMs })
  }

  #batch(id: number, rows: readonly KafkaOffset[], dead: readonly KafkaOffset[]): Batch {
    const set = (offsets: readonly KafkaOffset[]): IntervalSet => setOf(offsets.map(Number))
    this.#records.set(id, rows)
    return { id, rowCount: rows.length, rows: set(rows), dead: set(dead), drop: [], generation: 1, fingerprint: null }
  }

  #split(batchId: number, bad: readonly number[]): void {
    const before = this.state.window.find(b => b.id === batchId)
    assert(before !== undefined)
    const rows = this.#records.get(batchId) ?? []
    const dead = before.dead.flatMap(({ from, to }) =>
      Array.from({ length: Number(to - from) }, (_, i) => kafkaOffset(from + BigInt(i))),
    )
    const cut = rows.filter((_, i) => bad.includes(i))
    const sorted = [...dead, ...cut].sort((a, b) => Number(a - b))
    this.#tell({
      kind: 'split',
      batch: this.#batch(
        batchId,
        rows.filter(r => !cut.includes(r)),
        sorted,
      ),
    })
  }

  // ── service and network ──

  #send(batchId: number, firstRow: bigint): void {
    const stream = this.#stream()
    const intent = this.#journal.intents.get(`intent/me/${stream}`)
    const laid = intent?.window.find((b: IntentBatch) => b.firstRow === firstRow && b.rowCount > 0)
    const records = this.#records.get(batchId) ?? []
    assert.deepEqual(laid?.rows, setOf(records.map(Number)), 'IntentFirst: what is sent is what the last Intent says')
    this.#wire.push({ batchId, stream, firstRow, records })
  }

  #answer(): void {
    const request = this.#wire.shift()
    assert(request !== undefined)
    this.#tell(this.#arrive(request))
  }

  #arrive({ batchId, stream: name, firstRow, records }: Request): LaneEvent {
    const stream = this.streams.get(name)
    assert(stream !== undefined)
    const nowMs = this.#nowMs
    const refused = (refusal: Extract<LaneEvent, { kind: 'refused' }>['refusal']): LaneEvent => ({
      kind: 'refused',
      batchId,
      refusal,
      nowMs,
    })
    const end = BigInt(stream.rows.length)
    if (stream.isFinalized) return refused({ kind: 'streamFinalized', message: '' })
    if (firstRow < end) return refused({ kind: 'alreadyExists', message: '' })
    if (firstRow > end) return refused({ kind: 'outOfRange', message: '' })
    const bad = records.flatMap((r, index) => (this.#bad.has(Number(r)) ? [{ index, message: 'bad' }] : []))
    if (bad.length > 0) return refused({ kind: 'rowErrors', message: '', rows: bad })
    stream.rows.push(...records)
    return { kind: 'acknowledged', batchId, offset: streamOffset(firstRow), nowMs }
  }

  /** The oldest request of a broken connection lands, unheard, or the rest of it is lost. */
  #linger(lost: Request[]): void {
    const request = lost.shift()
    if (request !== undefined && this.#choose(3) > 0) this.#arrive(request)
    else lost.length = 0
    this.#lingering = this.#lingering.filter(requests => requests.length > 0)
  }

  #refuseForNow(): void {
    const request = this.#wire.shift()
    assert(request !== undefined)
    const error = new MillraceError('BIGQUERY_QUOTA', 'retry', 'not now')
    this.#tell({ kind: 'refused', batchId: request.batchId, refusal: { kind: 'other', error }, nowMs: this.#nowMs })
  }

  #break(): void {
    this.#disconnect()
    const error = new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', 'lost')
    this.#tell({ kind: 'broken', error, nowMs: this.#nowMs })
  }

  #disconnect(): void {
    if (this.#wire.length > 0) this.#lingering.push(this.#wire)
    this.#wire = []
  }

  #stream(): StreamName {
    const { stream } = this.state
    assert(stream !== null)
    return stream
  }

  #log(record: JournalRecord): void {
    this.#journal = applyRecord(this.#journal, recordKey(record), record, this.#journalEnd++)
  }
}
