// BigQuery columns as DuckDB columns, and DuckDB results as the REST API shows them.
import {
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  type DuckDBType,
  DuckDBTypeId,
  type DuckDBValue,
} from '@duckdb/node-api'
import { type Column, type ColumnType, hasPicoseconds, rangeBounds } from '../catalog/table-schema.ts'
import { formatDecimal } from '../rows/decimal.ts'
import type { ResultColumn } from './storage.ts'

/**
 * GEOGRAPHY is kept as WKT, TIMESTAMP(12) as ISO text of fixed width, since DuckDB has no picoseconds.
 * BIGNUMERIC has up to 77 digits and DuckDB's DECIMAL 38: it is kept as exact decimal text, and shows as STRING in results.
 */
const DUCKDB_TYPES: Readonly<Record<Exclude<ColumnType, 'STRUCT' | 'RANGE'>, string>> = {
  STRING: 'VARCHAR',
  BYTES: 'BLOB',
  INT64: 'BIGINT',
  FLOAT64: 'DOUBLE',
  BOOL: 'BOOLEAN',
  TIMESTAMP: 'TIMESTAMPTZ',
  DATE: 'DATE',
  TIME: 'TIME',
  DATETIME: 'TIMESTAMP',
  NUMERIC: 'DECIMAL(38,9)',
  BIGNUMERIC: 'VARCHAR',
  JSON: 'JSON',
  GEOGRAPHY: 'VARCHAR',
  INTERVAL: 'INTERVAL',
}

export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`
export const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** The DuckDB type of a column. Nothing is NOT NULL there: REQUIRED is checked before. */
export function duckdbType(column: Column): string {
  const base =
    column.type === 'STRUCT'
      ? structType(column.fields)
      : column.type === 'RANGE'
        ? structType(rangeBounds(column))
        : hasPicoseconds(column)
          ? 'VARCHAR'
          : DUCKDB_TYPES[column.type]
  return column.mode === 'REPEATED' ? `${base}[]` : base
}

const structType = (fields: readonly Column[]): string =>
  `STRUCT(${fields.map(field => `${quoteIdentifier(field.name)} ${duckdbType(field)}`).join(', ')})`

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
  [DuckDBTypeId.UUID]: 'STRING',
  [DuckDBTypeId.ENUM]: 'STRING',
}

/** The REST column a result column shows as; undefined when BigQuery has no such type. */
export function resultColumn(name: string, type: DuckDBType): ResultColumn | undefined {
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

/** A value in the REST API's spelling; a TIMESTAMP is micros since the epoch as decimal text, for the REST layer to format. */
export function resultValue(value: DuckDBValue, column: ResultColumn): unknown {
  if (value instanceof DuckDBListValue)
    return value.items.map(item => ({ v: resultValue(item, { ...column, mode: 'NULLABLE' }) }))
  if (value === null) return column.mode === 'REPEATED' ? [] : null
  if (value instanceof DuckDBStructValue)
    return {
      f: Object.values(value.entries).map((entry, index) => ({ v: resultValue(entry, column.fields![index]!) })),
    }
  if (value instanceof DuckDBDecimalValue) return formatDecimal(value.value, value.scale)
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('base64')
  if (value instanceof DuckDBTimestampTZValue) return String(value.micros)
  if (value instanceof DuckDBTimestampValue) return civilText(value.micros)
  if (value instanceof DuckDBTimeValue) return timeText(value.micros)
  if (value instanceof DuckDBDateValue) return dateText(value.days)
  if (typeof value === 'number' && !Number.isFinite(value))
    return Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity'
  return String(value)
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
