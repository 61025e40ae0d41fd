// Result rows in the REST API's shape: {f: [{v: …}]}.
import type { ResultColumn } from '../storage/storage.ts'

export type RowFormat = { readonly isInt64Timestamp: boolean }

export function restRows(
  columns: readonly ResultColumn[],
  rows: readonly (readonly unknown[])[],
  format: RowFormat,
): unknown[] {
  return rows.map(row => ({ f: row.map((value, index) => ({ v: restValue(value, columns[index]!, format) })) }))
}

function restValue(value: unknown, column: ResultColumn, format: RowFormat): unknown {
  if (value === null || format.isInt64Timestamp) return value
  if (Array.isArray(value))
    return value.map((item: { v: unknown }) => ({ v: restValue(item.v, { ...column, mode: 'NULLABLE' }, format) }))
  if (column.type === 'RECORD') {
    const { f } = value as { f: { v: unknown }[] }
    return { f: f.map((entry, index) => ({ v: restValue(entry.v, column.fields![index]!, format) })) }
  }
  return column.type === 'TIMESTAMP' ? secondsText(BigInt(value as string)) : value
}

/** Without useInt64Timestamp, a TIMESTAMP is seconds since the epoch with a fraction. */
function secondsText(micros: bigint): string {
  const absolute = micros < 0n ? -micros : micros
  return `${micros < 0n ? '-' : ''}${absolute / 1_000_000n}.${String(absolute % 1_000_000n).padStart(6, '0')}`
}
