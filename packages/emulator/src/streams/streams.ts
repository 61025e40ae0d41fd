// The write streams there are, and what may be done with them. Decides at once; answers wait for the storage (Committer).
import { randomBytes } from 'node:crypto'
import type { Behavior } from '../behavior.ts'
import type { Catalog } from '../catalog/catalog.ts'
import { DEFAULT_STREAM, parseStreamName, type TableRef, tableKey, tableResource } from '../catalog/names.ts'
import type { Table } from '../catalog/resources.ts'
import { denied, invalid, type Refusal } from '../wire/storage-error.ts'
import type { Committer } from './committer.ts'
import {
  isExpired,
  newStream,
  refuseCommit,
  refuseFlush,
  type StreamState,
  type StreamType,
  serviceTypeName,
  step,
} from './stream-state.ts'
import { TablePropagation } from './table-propagation.ts'

/** Thrown where the service refuses. */
export class Refused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

/** A stream with the table it writes to; `state` is absent for the default stream. */
export type Found = { readonly name: string; readonly table: Table; readonly state: StreamState | undefined }

/** What became of a commit: all streams at one time, or none for the reasons given. */
type Commit = { readonly committedMs: number } | { readonly refusals: readonly Refusal[] }

/** Streams in one emulator, about 500 bytes each. */
const STREAMS_MAX = 1_000_000
/** Streams looked at for their time to live whenever one is created: more than are created, so none is left behind for long. */
const SWEEP_STREAMS = 16
/** Streams of one BatchCommitWriteStreams. https://cloud.google.com/bigquery/quotas#write-api-limits */
const COMMIT_STREAMS_MAX = 10_000

export class Streams {
  private readonly catalog: Catalog
  private readonly committer: Committer
  private readonly nowMs: () => number
  private readonly behavior: Behavior
  readonly propagation: TablePropagation
  private readonly states = new Map<string, StreamState>()
  private sweeper: Iterator<StreamState> = this.states.values()

  constructor(catalog: Catalog, committer: Committer, nowMs: () => number, behavior: Behavior) {
    this.catalog = catalog
    this.committer = committer
    this.nowMs = nowMs
    this.behavior = behavior
    this.propagation = new TablePropagation(behavior, nowMs)
  }

  restore(streams: readonly StreamState[]): void {
    for (const stream of streams) this.states.set(stream.name, stream)
  }

  all(): readonly StreamState[] {
    return [...this.states.values()]
  }

  async create(ref: TableRef, type: StreamType): Promise<Found & { state: StreamState }> {
    if (ref.table.includes('$')) throw new Refused(noDecorator(tableResource(ref)))
    const table = this.catalog.findTable(ref)
    if (!table) throw new Refused(this.missingTable(ref, 'TABLES_UPDATE_DATA'))
    if (this.propagation.denies(table, 'createStream')) throw new Refused(denied(tableResource(ref)))
    this.sweep()
    if (this.states.size >= STREAMS_MAX)
      throw new Refused({ code: 'RESOURCE_EXHAUSTED', message: `This emulator keeps at most ${STREAMS_MAX} streams` })
    const name = `${tableResource(ref)}/streams/${randomBytes(33).toString('base64url')}`
    const state = newStream({ name, type, tableKey: tableKey(ref), incarnation: table.incarnation }, this.nowMs())
    await this.committer.change({ kind: 'putStream', stream: state })
    this.states.set(name, state)
    return { name, table, state }
  }

  /** Throws Refused when there is no such stream (any more), or its table is gone or another by now. */
  find(spelledName: string): Found {
    const ref = parseStreamName(spelledName)
    if (!ref) throw new Refused(invalid(`Invalid stream name: ${spelledName.slice(0, 300)}`))
    const table = this.catalog.findTable(ref.table)
    if (ref.id === DEFAULT_STREAM) {
      if (!table) throw new Refused(this.missingTable(ref.table, 'TABLES_GET'))
      return { name: ref.name, table, state: undefined }
    }
    if (ref.table.table.includes('$')) throw new Refused(noDecorator(ref.name))
    const state = this.states.get(ref.name)
    if (!state || !table || state.incarnation !== table.incarnation) throw new Refused(streamNotFound(ref.name))
    if (isExpired(state, this.behavior.ttlMs, this.nowMs())) {
      this.drop([state])
      throw new Refused(streamNotFound(ref.name))
    }
    return { name: ref.name, table, state }
  }

  /** Whether a PENDING stream of this name still waits for its commit. */
  isPending(name: string): boolean {
    const state = this.states.get(name)
    return state?.type === 'PENDING' && state.kind !== 'committed'
  }

  /** Rows were written; the stream's new state. */
  accepted(state: StreamState, firstRow: bigint, rowCount: number): StreamState {
    const next = step(state, { kind: 'rowsAccepted', firstRow, rowCount, nowMs: this.nowMs() })
    this.states.set(next.name, next)
    return next
  }

  /** The row count, flushed or not. Idempotent unless a knob says otherwise. */
  async finalize(spelledName: string): Promise<bigint> {
    const { name, state } = this.find(spelledName)
    if (!state)
      throw new Refused(invalid(`FinalizeWriteStream is not supported on the default stream. Entity: ${name}`))
    const next = step(state, { kind: 'finalize', nowMs: this.nowMs() })
    if (next !== state) {
      this.states.set(name, next)
      await this.committer.change({ kind: 'putStream', stream: next })
    } else if (this.behavior.finalizeAgain === 'ok') await this.committer.stored()
    else
      await this.refuse({
        code: 'INVALID_ARGUMENT',
        message: `Stream has been finalized. Entity: ${name}`,
        storage: { code: 'STREAM_FINALIZED', entity: name },
      })
    return next.end
  }

  /** Makes the rows of a BUFFERED stream visible up to and with row `offset`; returns `offset`. */
  async flush(spelledName: string, offset: bigint | undefined): Promise<bigint> {
    const { name, table, state } = this.find(spelledName)
    if (!state) throw new Refused(invalid(`FlushRows is not supported on the default stream. Entity: ${name}`))
    if (this.propagation.denies(table, 'flush')) throw new Refused(denied(tableResource(table)))
    const refusal = refuseFlush(state, offset)
    if (refusal?.code === 'ALREADY_EXISTS' && this.behavior.flushAgain === 'ok') await this.committer.stored()
    else if (refusal) await this.refuse(refusal)
    else {
      const stream = step(state, { kind: 'flush', offset: offset!, nowMs: this.nowMs() })
      this.states.set(name, stream)
      const rowCount = stream.flushed - state.flushed
      await this.committer.change({ kind: 'flushStream', table, stream, rowCount })
    }
    return offset!
  }

  /** Makes the rows of PENDING streams of one table visible, of all at once or of none. A name given twice counts once. */
  async commit(ref: TableRef, names: readonly string[]): Promise<Commit> {
    const table = this.catalog.findTable(ref)
    if (!table) throw new Refused(this.missingTable(ref, 'TABLES_UPDATE_DATA'))
    const parent = tableResource(ref)
    if (names.length === 0) throw new Refused(invalid(`Write streams must be specified. Entity: ${parent}`))
    if (names.length > COMMIT_STREAMS_MAX)
      throw new Refused(invalid(`At most ${COMMIT_STREAMS_MAX} streams can be committed at once. Entity: ${parent}`))
    const found = this.committable(parent, names)
    const refusals = found.flatMap(candidate => ('refusal' in candidate ? [candidate.refusal] : []))
    if (refusals.length > 0) {
      await this.committer.stored()
      return { refusals }
    }
    const nowMs = this.nowMs()
    const streams = found.flatMap(candidate =>
      'state' in candidate ? [step(candidate.state, { kind: 'commit', nowMs })] : [],
    )
    for (const stream of streams) this.states.set(stream.name, stream)
    await this.committer.change({ kind: 'commitStreams', table, streams })
    return { committedMs: nowMs }
  }

  private committable(
    parent: string,
    names: readonly string[],
  ): ({ readonly state: StreamState } | { readonly refusal: Refusal })[] {
    const canonical = names.map(name => {
      const ref = parseStreamName(name)
      if (!ref) throw new Refused(invalid(`Invalid stream name: ${name.slice(0, 300)}`))
      if (tableResource(ref.table) !== parent)
        throw new Refused(invalid(`Stream ${ref.name} does not belong to the parent table. Entity: ${parent}`))
      return ref.name
    })
    return [...new Set(canonical)].map(name => {
      try {
        const { state } = this.find(name)
        const refusal = state ? refuseCommit(state) : defaultNotPending(name)
        return refusal ? { refusal } : { state: state! }
      } catch (error) {
        if (!(error instanceof Refused) || this.behavior.commitUnknown === 'close') throw error
        return { refusal: error.refusal }
      }
    })
  }

  /** Forgets the streams of tables that are gone; the storage does so when it drops them. */
  forgetDead(): void {
    for (const state of this.states.values()) {
      const ref = parseStreamName(state.name)
      if (!ref || this.catalog.findTable(ref.table)?.incarnation !== state.incarnation) this.states.delete(state.name)
    }
  }

  /** Looks at a few streams, where the last sweep stopped, and drops those that outlived their time. */
  private sweep(): void {
    const nowMs = this.nowMs()
    const expired: StreamState[] = []
    for (let looked = 0; looked < SWEEP_STREAMS; looked++) {
      const { value, done } = this.sweeper.next()
      if (done) {
        this.sweeper = this.states.values()
        break
      }
      if (isExpired(value, this.behavior.ttlMs, nowMs)) expired.push(value)
    }
    if (expired.length > 0) this.drop(expired)
  }

  private drop(streams: readonly StreamState[]): void {
    for (const { name } of streams) this.states.delete(name)
    // What could not be dropped now is found expired again after a restart.
    this.committer.change({ kind: 'dropStreams', streams }).catch(() => {})
  }

  /** Refuses once all that the refusal speaks of is stored. */
  private async refuse(refusal: Refusal): Promise<never> {
    await this.committer.stored()
    throw new Refused(refusal)
  }

  /** The service does not tell a missing table from a forbidden one, though its documentation says NOT_FOUND. */
  private missingTable(ref: TableRef, permission: string): Refusal {
    const entity = tableResource(ref)
    if (this.behavior.missingTable === 'mask') return denied(entity, permission)
    return {
      code: 'NOT_FOUND',
      message: `Requested entity was not found. Entity: ${entity}`,
      storage: { code: 'TABLE_NOT_FOUND', entity },
    }
  }
}

const streamNotFound = (name: string): Refusal => ({
  code: 'NOT_FOUND',
  message: `Requested entity was not found. Entity: ${name}`,
  storage: { code: 'STREAM_NOT_FOUND', entity: name },
})

/** A partition can be named on the default stream only: application-created streams belong to the whole table. */
const noDecorator = (entity: string): Refusal =>
  invalid(`Partition decorators are supported on the default stream only. Entity: ${entity}`)

const defaultNotPending = (name: string): Refusal => ({
  code: 'INVALID_ARGUMENT',
  message: `Stream must be created in pending mode, actual: ${serviceTypeName('COMMITTED')}`,
  storage: { code: 'INVALID_STREAM_TYPE', entity: name },
})
