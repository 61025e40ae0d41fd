// DuckDB results as the REST API shows them. https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBIntervalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import { formatDecimal } from '../rows/decimal.ts'
import { QueryRefused, type ResultColumn } from './storage.ts'

const RESULT_TYPES: Readonly<Partial<Record<DuckDBTypeId, string>>> = {
  [DuckDBTypeId.BOOLEAN]: 'BOOLEAN',
  [DuckDBTypeId.TINYINT]: 'INTEGER',
  [DuckDBTypeId.SMALLINT]: 'INTEGER',
  [DuckDBTypeId.INTEGER]: 'INTEGER',
  [DuckDBTypeId.BIGINT]: 'INTEGER',
  [DuckDBTypeId.UTINYINT]: 'INTEGER',
  [DuckDBTypeId.USMALLINT]: 'INTEGER',
  [DuckDBTypeId.UINTEGER]: 'INTEGER',
  [DuckDBTypeId.UBIGINT]: 'INTEGER',
  // SUM of INT64 is a HUGEINT in DuckDB and an INT64 in BigQuery.
  [DuckDBTypeId.HUGEINT]: 'INTEGER',
  [DuckDBTypeId.UHUGEINT]: 'INTEGER',
  [DuckDBTypeId.FLOAT]: 'FLOAT',
  [DuckDBTypeId.DOUBLE]: 'FLOAT',
  [DuckDBTypeId.DECIMAL]: 'NUMERIC',
  [DuckDBTypeId.VARCHAR]: 'STRING',
  [DuckDBTypeId.BLOB]: 'BYTES',
  [DuckDBTypeId.DATE]: 'DATE',
  [DuckDBTypeId.TIME]: 'TIME',
  [DuckDBTypeId.TIMESTAMP]: 'DATETIME',
  [DuckDBTypeId.TIMESTAMP_TZ]: 'TIMESTAMP',
  [DuckDBTypeId.SQLNULL]: 'INTEGER',
  [DuckDBTypeId.INTERVAL]: 'INTERVAL',
  [DuckDBTypeId.UUID]: 'STRING',
  [DuckDBTypeId.ENUM]: 'STRING',
}

/**
 * The REST column a result column shows as; undefined when BigQuery has no such type. `known` is what the translator of SQL knows
 * of it, and goes first: DuckDB cannot tell a BIGNUMERIC from a STRING or a RANGE from a STRUCT.
 */
export function resultColumn(name: string, type: DuckDBType, known?: ResultColumn): ResultColumn | undefined {
  if (known) return { ...known, name }
  if (type.typeId === DuckDBTypeId.LIST) {
    const element = resultColumn(name, (type as DuckDBType & { valueType: DuckDBType }).valueType)
    return element && element.mode !== 'REPEATED' ? { ...element, mode: 'REPEATED' } : undefined
  }
  if (type.typeId === DuckDBTypeId.STRUCT) {
    const struct = type as DuckDBType & { entryNames: readonly string[]; entryTypes: readonly DuckDBType[] }
    const fields = struct.entryNames.map((entry, index) => resultColumn(entry, struct.entryTypes[index]!))
    return fields.every(field => field !== undefined) ? { name, type: 'RECORD', mode: 'NULLABLE', fields } : undefined
  }
  const stated = type.alias === 'JSON' ? 'JSON' : RESULT_TYPES[type.typeId]
  return stated ? { name, type: stated, mode: 'NULLABLE' } : undefined
}

/**
 * A value in the REST API's spelling. A TIMESTAMP is micros since the epoch as decimal text, a RANGE the record of its bounds, for
 * the REST layer to format. Throws QueryRefused for values BigQuery has not.
 */
export function resultValue(value: DuckDBValue, column: ResultColumn): unknown {
  if (value === null) return column.mode === 'REPEATED' ? [] : null
  if (value instanceof DuckDBListValue) {
    if (value.items.includes(null))
      throw new QueryRefused(`Array cannot have a null element; error in writing field ${column.name}`)
    return value.items.map(item => ({ v: resultValue(item, { ...column, mode: 'NULLABLE' }) }))
  }
  if (value instanceof DuckDBStructValue) {
    const fields = column.type === 'RANGE' ? boundColumns(column) : column.fields!
    return { f: Object.values(value.entries).map((entry, index) => ({ v: resultValue(entry, fields[index]!) })) }
  }
  if (column.type === 'FLOAT') return floatText(Number(value instanceof DuckDBDecimalValue ? value.toDouble() : value))
  if (value instanceof DuckDBDecimalValue) return formatDecimal(value.value, value.scale)
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64')
  if (value instanceof DuckDBTimestampTZValue) return String(value.micros)
  if (value instanceof DuckDBTimestampValue) return civilText(value.micros)
  if (value instanceof DuckDBTimeValue) return timeText(value.micros)
  if (value instanceof DuckDBDateValue) return dateText(value.days)
  if (value instanceof DuckDBIntervalValue) return intervalText(value.months, value.days, value.micros)
  if (column.type === 'INTEGER' && typeof value === 'bigint' && BigInt.asIntN(64, value) !== value)
    throw new QueryRefused(`integer overflow in field ${column.name}: ${value}`)
  return String(value)
}

const boundColumns = ({ rangeElementType }: ResultColumn): ResultColumn[] =>
  ['start', 'end'].map(name => ({ name, type: rangeElementType?.type ?? 'STRING', mode: 'NULLABLE' }))

/** Doubles as Java spells them: `1.0`, `1.5E20`, `1.0E-5`. A choice: the reference does not say how the service does. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const absolute = Math.abs(value)
  if (absolute >= 1e-3 && absolute < 1e7) return Number.isInteger(value) ? `${value}.0` : String(value)
  const [mantissa, exponent] = value.toExponential().split('e')
  return `${mantissa!.includes('.') ? mantissa : `${mantissa}.0`}E${Number(exponent)}`
}

/** `Y-M D H:M:S[.F]`, a sign for months, days and time each. */
function intervalText(months: number, days: number, micros: bigint): string {
  const absolute = Math.abs(months)
  const yearMonth = `${months < 0 ? '-' : ''}${Math.floor(absolute / 12)}-${absolute % 12}`
  const time = micros < 0n ? -micros : micros
  const seconds = time / 1_000_000n
  const fraction = String(time % 1_000_000n).padStart(6, '0')
  const shown = fraction === '000000' ? '' : `.${fraction.replace(/000$/, '')}`
  return `${yearMonth} ${days} ${micros < 0n ? '-' : ''}${seconds / 3600n}:${(seconds / 60n) % 60n}:${seconds % 60n}${shown}`
}

const DAY_MICROS = 86_400_000_000n

function dateText(days: number): string {
  return new Date(days * 86_400_000).toISOString().slice(0, 10)
}

function timeText(micros: bigint): string {
  const seconds = Number(micros / 1_000_000n)
  const fraction = Number(micros % 1_000_000n)
  const two = (n: number): string => String(n).padStart(2, '0')
  const whole = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return fraction === 0 ? whole : `${whole}.${String(fraction).padStart(6, '0')}`
}

function civilText(micros: bigint): string {
  const time = ((micros % DAY_MICROS) + DAY_MICROS) % DAY_MICROS
  return `${dateText(Number((micros - time) / DAY_MICROS))}T${timeText(time)}`
}
