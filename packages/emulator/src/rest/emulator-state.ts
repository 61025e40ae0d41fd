// What GET /emulator/state shows: all of it in pages, so that a hundred thousand streams stay readable.
import { tableKey, tableResource } from '../catalog/names.ts'
import type { Table } from '../catalog/resources.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { tablePattern } from '../faults/table-pattern.ts'
import { InvalidSetting } from '../knobs.ts'
import type { StreamState } from '../streams/stream-state.ts'

export type StateQuery = { readonly limit?: string; readonly page?: string; readonly table?: string }

/** Entries of each list on one page. */
const LIMIT = 10_000
const LIMIT_MAX = 100_000

export async function emulatorState(core: EmulatorCore, query: StateQuery): Promise<Record<string, unknown>> {
  const limit = whole(query.limit, 'limit', LIMIT, LIMIT_MAX)
  const start = limit * whole(query.page, 'page', 0, Number.MAX_SAFE_INTEGER)
  const pattern = query.table ? tablePattern(query.table) : undefined
  const isMeant = (name: string): boolean => !pattern || pattern.test(name)
  const tables = core.catalog.allTables().filter(table => isMeant(tableResource(table)))
  const streams = core.streams.all().filter(({ name }) => isMeant(name))
  const connections = core.connections.views().filter(({ stream }) => isMeant(stream))
  const page = <T>(all: readonly T[]): readonly T[] => all.slice(start, start + limit)
  return {
    counts: { tables: tables.length, streams: streams.length, connections: connections.length },
    tables: await Promise.all(page(tables).map(table => tableView(core, table))),
    streams: page(streams).map(streamView),
    connections: page(connections),
    faults: faultList(core),
    quotas: core.quotas.view(),
    behavior: core.behavior,
  }
}

export const faultList = (core: EmulatorCore): readonly Record<string, unknown>[] =>
  core.faults.list().map(fault => ({ ...fault, offset: fault.offset?.toString() }))

async function tableView(core: EmulatorCore, table: Table): Promise<Record<string, unknown>> {
  return {
    table: tableKey(table),
    incarnation: table.incarnation,
    rows: String(await core.storage.rowCount(table)),
  }
}

function streamView(stream: StreamState): Record<string, unknown> {
  const { name, type, kind, tableKey, end, flushed, committedMs, createdMs, lastTrafficMs } = stream
  return {
    name,
    type,
    table: tableKey,
    rows: String(end),
    ...(type === 'BUFFERED' && { flushed: String(flushed) }),
    finalized: kind !== 'open',
    ...(type === 'PENDING' && { committed: kind === 'committed' }),
    ...(committedMs !== undefined && { committedMs }),
    createdMs,
    lastTrafficMs,
  }
}

function whole(text: string | undefined, key: string, otherwise: number, max: number): number {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!/^\d+$/.test(text) || value > max) throw new InvalidSetting(`${key} must be a whole number from 0 to ${max}`)
  return value
}
