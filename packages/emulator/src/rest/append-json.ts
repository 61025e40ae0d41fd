// JSON rows into a table: through the storage's own writer, answered when they are stored.
import type { Table } from '../catalog/resources.ts'
import type { TableSchema } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { ExtraFields, UnusableDescriptor } from '../rows/field-match.ts'
import type { RowWriter } from '../storage/storage.ts'
import type { AppendRequest, MissingValue } from '../wire/append-request.ts'
import { BadJsonRow, encodeRow, presentColumns, rowDescriptor } from './json-rows.ts'
import { RestError } from './rest-error.ts'
import type { Json } from './wire-shape.ts'

export type BadRow = { readonly index: number; readonly location: string; readonly message: string }

/** All rows or none: the errors of bad rows, or none when every row was stored. */
export async function appendJson(
  { storage, committer, catalog }: EmulatorCore,
  table: Table,
  rows: readonly Json[],
  options: { ignoresUnknown: boolean },
): Promise<readonly BadRow[]> {
  if (rows.length === 0) return []
  const columns = presentColumns(table.schema, rows)
  const messages: Buffer[] = []
  const bad: BadRow[] = []
  for (const [index, row] of rows.entries())
    try {
      messages.push(encodeRow(row, columns, options))
    } catch (error) {
      if (!(error instanceof BadJsonRow)) throw error
      bad.push({ index, location: error.location, message: error.message })
    }
  if (bad.length > 0) return bad

  while (committer.isFull) await new Promise<void>(resolve => committer.onRoom(resolve))
  try {
    const writer = storage.openWriter({
      // The table may have gone while there was no room.
      table: catalog.table(table),
      schema: { kind: 'proto', bytes: rowDescriptor(columns) },
      hiddenIn: undefined,
      isDefaultStream: true,
      partition: undefined,
    })
    const groups = groupsByNulls(table.schema, rows).map(group => ({
      ...group,
      request: requestOf(group.indices.map(index => messages[index]!)),
    }))
    const write = (isTrial: boolean): BadRow[] => groups.flatMap(group => writeGroup(writer, group, isTrial))
    // One request is all or none by itself; of several, a later one must not be refused when the first is taken.
    const refused = groups.length > 1 ? write(true) : []
    const errors = refused.length > 0 ? refused : write(false)
    if (errors.length > 0) return errors
    // Rows without a byte still are work to be stored.
    for (const { request } of groups) committer.rowsWritten(Math.max(request.byteLength, 1))
  } catch (error) {
    if (error instanceof ExtraFields || error instanceof UnusableDescriptor)
      throw new RestError(400, 'invalid', error.message)
    throw error
  }
  await committer.stored()
  return []
}

type Group = { readonly nulls: readonly string[]; readonly indices: number[] }

/**
 * A column that is left out gets its default, one that is null stays NULL, and the writer is told so per request: rows that differ in
 * the nulls they give to columns with a default are requests of their own. Nearly always there is one.
 */
function groupsByNulls(schema: TableSchema, rows: readonly Json[]): readonly Group[] {
  const defaulted = new Set(
    schema.columns.filter(column => column.defaultExpression !== undefined).map(column => column.name.toLowerCase()),
  )
  const groups = new Map<string, Group>()
  for (const [index, row] of rows.entries()) {
    const nulls =
      defaulted.size === 0
        ? []
        : Object.keys(row)
            .filter(name => row[name] === null && defaulted.has(name.toLowerCase()))
            .sort()
    const key = JSON.stringify(nulls)
    const group = groups.get(key) ?? { nulls, indices: [] }
    groups.set(key, group)
    group.indices.push(index)
  }
  return [...groups.values()]
}

function writeGroup(
  writer: RowWriter,
  { nulls, indices, request }: Group & { readonly request: AppendRequest },
  isTrial: boolean,
): BadRow[] {
  const byColumn = new Map(nulls.map((name): [string, MissingValue] => [name, 'null']))
  const { errors } = writer.write(request, { byColumn, otherwise: 'default' }, { isTrial })
  return errors.map(({ index, message }) => ({ index: indices[index]!, location: '', message }))
}

function requestOf(messages: readonly Buffer[]): AppendRequest {
  const bytes = Buffer.concat(messages)
  const bounds = new Uint32Array(messages.length * 2)
  let at = 0
  for (const [index, message] of messages.entries()) {
    bounds[index * 2] = at
    at += message.length
    bounds[index * 2 + 1] = at
  }
  return {
    byteLength: bytes.length,
    writeStream: '',
    offset: undefined,
    format: 'proto',
    schema: undefined,
    recordBatch: undefined,
    rows: { bytes, bounds, count: messages.length },
    traceId: '',
    missingValues: undefined,
    defaultMissingValue: undefined,
  }
}
