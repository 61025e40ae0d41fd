// BigQuery in small: streams that take rows at their end only, until they are finalized or gone.
import {
  type LaneEvent,
  type RowError,
  recordKey,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type TableName,
} from '@millrace/core'
import type { Scope } from './scope.ts'
import { bit, type Request, type Shared, type Stream, type Violation } from './world.ts'

const TABLES = [
  'projects/p/datasets/d/tables/t',
  'projects/p/datasets/d/tables/u',
] as readonly string[] as readonly TableName[]
export const tablesOf = (scope: Scope): readonly TableName[] => TABLES.slice(0, scope.tables)

export const DAY_MS = 86_400_001
export const nowOf = (shared: Shared): number => shared.day * DAY_MS

export const streamOf = (shared: Shared, name: StreamName): Stream => {
  const stream = shared.streams.find(s => s.name === name)
  if (stream === undefined) throw new Error(`${name} was never created`)
  return stream
}
export const withStream = (shared: Shared, changed: Stream): Shared => ({
  ...shared,
  streams: shared.streams.map(s => (s.name === changed.name ? changed : s)),
})

export function createStream(shared: Shared, table: TableName): { shared: Shared; stream: StreamName } {
  const name = `${table}/streams/s${shared.streams.length}` as StreamName
  const created: Stream = { name, table, rows: [], state: 'open', usedOn: shared.day }
  return { shared: { ...shared, streams: [...shared.streams, created] }, stream: name }
}

/** FinalizeWriteStream, where `isFinal`; else only the count. */
export function finalize(
  shared: Shared,
  name: StreamName,
  isFinal: boolean,
): { shared: Shared; rows: StreamOffset | 'gone' } {
  const stream = streamOf(shared, name)
  if (stream.state === 'gone') return { shared, rows: 'gone' }
  const after = isFinal && stream.state === 'open' ? withStream(shared, { ...stream, state: 'finalized' }) : shared
  return { shared: after, rows: streamOffset(stream.rows.length) }
}

type Refusal = Extract<LaneEvent, { kind: 'refused' }>['refusal']
const message = ''
export type Arrival = {
  readonly shared: Shared
  readonly event: LaneEvent
  readonly landed: boolean
  readonly violation: Violation | null
}

export function arrive(shared: Shared, scope: Scope, request: Request): Arrival {
  const stream = streamOf(shared, request.stream)
  const refused = (refusal: Refusal): Arrival => ({
    shared,
    event: { kind: 'refused', batchId: request.batchId, refusal, nowMs: nowOf(shared) },
    landed: false,
    violation: null,
  })
  if (stream.state === 'gone') return refused({ kind: 'streamNotFound', message })
  if (stream.state === 'finalized') return refused({ kind: 'streamFinalized', message })
  if (request.firstRow < stream.rows.length) return refused({ kind: 'alreadyExists', message })
  if (request.firstRow > stream.rows.length) return refused({ kind: 'outOfRange', message })
  const rows = badRows(request, scope)
  if (rows.length > 0) return refused({ kind: 'rowErrors', message, rows })
  const landed = { ...stream, rows: [...stream.rows, ...request.records], usedOn: shared.day }
  const offset = streamOffset(request.firstRow)
  return {
    shared: withStream(shared, landed),
    event: { kind: 'acknowledged', batchId: request.batchId, offset, nowMs: nowOf(shared) },
    landed: true,
    violation: unstated(shared, request),
  }
}

const badRows = ({ records }: Request, scope: Scope): readonly RowError[] =>
  records.flatMap((r, index) => ((scope.bad & bit(r)) === 0 ? [] : [{ index, message: 'bad' }]))

/** Rows land only where the journal says so. */
function unstated({ log }: Shared, { claimId, stream, firstRow, records }: Request): Violation | null {
  const open = log.find(r => recordKey(r) === `open/${claimId}/${stream}`)
  if (open === undefined)
    return { invariant: 'NoOrphanRows', what: `rows land in ${stream}, which ${claimId} has not opened` }
  const intent = log.findLast(r => recordKey(r) === `intent/${claimId}/${stream}`)
  const laid =
    intent?.kind === 'intent' ? intent.window.find(b => b.rowCount > 0 && b.firstRow === BigInt(firstRow)) : undefined
  const isStated =
    laid !== undefined &&
    laid.rowCount === records.length &&
    records.every(r => laid.rows.some(x => x.from <= BigInt(r) && BigInt(r) < x.to))
  return isStated
    ? null
    : {
        invariant: 'IntentFirst',
        what: `rows land at ${firstRow} of ${stream}, where the last Intent of ${claimId} says otherwise`,
      }
}
