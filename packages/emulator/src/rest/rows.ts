// Result rows in the REST API's shape: {f: [{v: …}]}.
import type { ResultColumn } from '../storage/storage.ts'
import { RestError } from './rest-error.ts'

/** How a TIMESTAMP shows: seconds as a double (the API's default), micros, or ISO 8601. */
export type TimestampFormat = 'FLOAT64' | 'INT64' | 'ISO8601_STRING'

/** Reads useInt64Timestamp and timestampOutputFormat, from a query string or a body. Throws RestError 400. */
export function timestampFormat(useInt64Timestamp: unknown, timestampOutputFormat: unknown): TimestampFormat {
  // Python spells it True.
  const isInt64 = String(useInt64Timestamp).toLowerCase() === 'true'
  switch (timestampOutputFormat ?? '') {
    case '':
    case 'TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED':
      return isInt64 ? 'INT64' : 'FLOAT64'
    case 'FLOAT64':
    case 'INT64':
    case 'ISO8601_STRING':
      return timestampOutputFormat as TimestampFormat
    default:
      throw new RestError(400, 'invalid', `Invalid timestampOutputFormat ${String(timestampOutputFormat)}`)
  }
}

/** `formatOptions` as it comes in a query string. */
export type FormatQuery = {
  'formatOptions.useInt64Timestamp'?: string
  'formatOptions.timestampOutputFormat'?: string
}
export const formatOfQuery = (query: FormatQuery): TimestampFormat =>
  timestampFormat(query['formatOptions.useInt64Timestamp'], query['formatOptions.timestampOutputFormat'])

export function restRows(
  columns: readonly ResultColumn[],
  rows: readonly (readonly unknown[])[],
  format: TimestampFormat,
): unknown[] {
  return rows.map(row => ({ f: row.map((value, index) => ({ v: restValue(value, columns[index]!, format) })) }))
}

function restValue(value: unknown, column: ResultColumn, format: TimestampFormat): unknown {
  if (value === null) return value
  if (Array.isArray(value))
    return value.map((item: { v: unknown }) => ({ v: restValue(item.v, { ...column, mode: 'NULLABLE' }, format) }))
  if (column.type === 'RECORD') {
    const { f } = value as { f: { v: unknown }[] }
    return { f: f.map((entry, index) => ({ v: restValue(entry.v, column.fields![index]!, format) })) }
  }
  if (column.type === 'RANGE') return rangeText(value, column, format)
  // A timestamp with picoseconds comes as text that is no number of micros.
  if (column.type !== 'TIMESTAMP' || format === 'INT64' || !/^-?\d+$/.test(String(value))) return value
  const micros = BigInt(value as string)
  return format === 'FLOAT64' ? secondsText(micros) : isoText(micros)
}

/** `[start, end)`, with UNBOUNDED for an open side; kept as the struct of its bounds. */
function rangeText(value: unknown, { rangeElementType }: ResultColumn, format: TimestampFormat): unknown {
  if (typeof value !== 'object') return value
  const element: ResultColumn = { name: '', type: rangeElementType?.type ?? 'STRING', mode: 'NULLABLE' }
  const bounds = (value as { f: { v: unknown }[] }).f.map(({ v }) => restValue(v, element, format) ?? 'UNBOUNDED')
  return `[${bounds.join(', ')})`
}

/** Seconds since the epoch as the service writes doubles: 1.561017697269367E9. https://github.com/googleapis/elixir-google-api/issues/1713 */
function secondsText(micros: bigint): string {
  const seconds = Number(micros) / 1e6
  const magnitude = Math.abs(seconds)
  const withPoint = (digits: string): string => (digits.includes('.') ? digits : `${digits}.0`)
  if (seconds === 0 || (magnitude >= 1e-3 && magnitude < 1e7)) return withPoint(String(seconds))
  const [digits, exponent] = seconds.toExponential().split('e')
  return `${withPoint(digits!)}E${Number(exponent)}`
}

/** `2020-09-13T12:26:40.000001Z`. */
export function isoText(micros: bigint): string {
  const inSecond = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const whole = new Date(Number((micros - inSecond) / 1000n)).toISOString().slice(0, 19)
  return `${whole}.${String(inSecond).padStart(6, '0')}Z`
}
