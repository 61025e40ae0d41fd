// JSON rows into a table: through the storage's own writer, answered when they are stored.

import type { Table } from '../catalog/resources.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import { ExtraFields, UnusableDescriptor } from '../rows/row-decoder.ts'
import { BadJsonRow, encodeRow, presentColumns, rowDescriptor } from './json-rows.ts'
import { RestError } from './rest-error.ts'
import type { Json } from './wire-shape.ts'

export type BadRow = { readonly index: number; readonly location: string; readonly message: string }

/** All rows or none: the errors of all bad rows, or none when every row was stored. */
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
  // The table may have gone while there was no room.
  const current = catalog.table(table)
  const bytes = Buffer.concat(messages)
  const bounds = new Uint32Array(messages.length * 2)
  let at = 0
  for (const [index, message] of messages.entries()) {
    bounds[index * 2] = at
    at += message.length
    bounds[index * 2 + 1] = at
  }
  try {
    const writer = storage.openWriter({
      table: current,
      schema: { kind: 'proto', bytes: rowDescriptor(columns) },
      hiddenIn: undefined,
      isDefaultStream: true,
      partition: undefined,
    })
    const { errors } = writer.write(
      {
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
      },
      { byColumn: undefined, otherwise: 'default' },
    )
    if (errors.length > 0) return errors.map(({ index, message }) => ({ index, location: '', message }))
  } catch (error) {
    if (error instanceof ExtraFields || error instanceof UnusableDescriptor)
      throw new RestError(400, 'invalid', error.message)
    throw error
  }
  // Rows without a byte still are work to be stored.
  committer.rowsWritten(Math.max(bytes.length, 1))
  await committer.stored()
  return []
}
