// BigQuery columns as DuckDB columns. DuckDB's type aliases (CREATE TYPE) do not survive into the types of query results (tried
// with 1.5), so what is kept as another type's text or struct is told apart by the translator of SQL, not by DuckDB.
import { type Column, type ColumnType, hasPicoseconds, rangeBounds } from '../catalog/table-schema.ts'
import { quoteName } from './duckdb-names.ts'

/**
 * GEOGRAPHY is kept as WKT, TIMESTAMP(12) as ISO text of fixed width, since DuckDB has no picoseconds.
 * BIGNUMERIC has up to 77 digits and DuckDB's DECIMAL 38: it is kept as exact decimal text.
 */
export const DUCKDB_TYPES: Readonly<Record<Exclude<ColumnType, 'STRUCT' | 'RANGE'>, string>> = {
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
  `STRUCT(${fields.map(field => `${quoteName(field.name)} ${duckdbType(field)}`).join(', ')})`
