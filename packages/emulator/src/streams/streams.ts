// The write streams there are, and what may be done with them. Decides at once; answers wait for the storage (Committer).
import { randomBytes } from 'node:crypto'
import type { Catalog } from '../catalog/catalog.ts'
import { DEFAULT_STREAM, parseStreamName, type TableRef, tableKey, tableResource } from '../catalog/names.ts'
import type { Table } from '../catalog/resources.ts'
import type { Refusal } from '../wire/storage-error.ts'
import type { Committer } from './committer.ts'
import { type StreamState, type StreamType, step } from './stream-state.ts'

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

/** Streams in one emulator, about 500 bytes each. */
const STREAMS_MAX = 1_000_000

export class Streams {
  private readonly catalog: Catalog
  private readonly committer: Committer
  private readonly nowMs: () => number
  private readonly states = new Map<string, StreamState>()

  constructor(catalog: Catalog, committer: Committer, nowMs: () => number) {
    this.catalog = catalog
    this.committer = committer
    this.nowMs = nowMs
  }

  restore(streams: readonly StreamState[]): void {
    for (const stream of streams) this.states.set(stream.name, stream)
  }

  all(): readonly StreamState[] {
    return [...this.states.values()]
  }

  async create(ref: TableRef, type: StreamType): Promise<Found & { state: StreamState }> {
    const table = this.catalog.findTable(ref)
    if (!table) throw new Refused(maskedMissingTable(ref, 'TABLES_UPDATE_DATA'))
    if (this.states.size >= STREAMS_MAX)
      throw new Refused({ code: 'RESOURCE_EXHAUSTED', message: `This emulator keeps at most ${STREAMS_MAX} streams` })
    const name = `${tableResource(ref)}/streams/${randomBytes(33).toString('base64url')}`
    const state: StreamState = {
      kind: 'open',
      name,
      type,
      tableKey: tableKey(ref),
      incarnation: table.incarnation,
      createdMs: this.nowMs(),
      end: 0n,
    }
    await this.committer.change({ kind: 'putStream', stream: state })
    this.states.set(name, state)
    return { name, table, state }
  }

  /** Throws Refused when there is no such stream, or its table is gone or another by now. */
  find(spelledName: string): Found {
    const ref = parseStreamName(spelledName)
    if (!ref)
      throw new Refused({ code: 'INVALID_ARGUMENT', message: `Invalid stream name: ${spelledName.slice(0, 300)}` })
    const table = this.catalog.findTable(ref.table)
    if (ref.id === DEFAULT_STREAM) {
      if (!table) throw new Refused(maskedMissingTable(ref.table, 'TABLES_GET'))
      return { name: ref.name, table, state: undefined }
    }
    const state = this.states.get(ref.name)
    if (!state || !table || state.incarnation !== table.incarnation) throw new Refused(streamNotFound(ref.name))
    return { name: ref.name, table, state }
  }

  /** Rows were written; the stream's new state. */
  accepted(state: StreamState, firstRow: bigint, rowCount: number): StreamState {
    const next = step(state, { kind: 'rowsAccepted', firstRow, rowCount })
    this.states.set(next.name, next)
    return next
  }

  /** Idempotent: the row count, again and again. */
  async finalize(spelledName: string): Promise<bigint> {
    const { name, state } = this.find(spelledName)
    if (!state)
      throw new Refused({
        code: 'INVALID_ARGUMENT',
        message: `FinalizeWriteStream is not supported on the default stream. Entity: ${name}`,
      })
    const next = step(state, { kind: 'finalize' })
    this.states.set(name, next)
    if (next !== state) await this.committer.change({ kind: 'putStream', stream: next })
    else await this.committer.stored()
    return next.end
  }

  /** Forgets the streams of tables that are gone. */
  forgetDead(): void {
    for (const state of this.states.values()) {
      const ref = parseStreamName(state.name)
      if (!ref || this.catalog.findTable(ref.table)?.incarnation !== state.incarnation) this.states.delete(state.name)
    }
  }
}

const streamNotFound = (name: string): Refusal => ({
  code: 'NOT_FOUND',
  message: `Requested entity was not found. Entity: ${name}`,
  storage: { code: 'STREAM_NOT_FOUND', entity: name },
})

/** The service does not tell a missing table from a forbidden one. */
const maskedMissingTable = (ref: TableRef, permission: string): Refusal => ({
  code: 'PERMISSION_DENIED',
  message: `Permission '${permission}' denied on resource '${tableResource(ref)}' (or it may not exist).`,
})
