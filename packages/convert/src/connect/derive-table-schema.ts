// A table for records that carry their schema (autoCreateTables): Kafka Connect's sink mapping of types.
import type { Column, ColumnMode, ColumnType, TableSchema } from '@millrace/core'
import { sanitizeFieldName } from '../field-names.ts'
import { Refusal } from '../refusal.ts'
import { type ConnectSchema, logicalTypeOf, parseConnectSchema } from './connect-schema.ts'
import { parseEnvelope } from './envelope.ts'

/** RECORD leaves VariableScaleDecimal the struct it is. */
export type DecimalHandlingMode = 'RECORD' | 'FLOAT' | 'NUMERIC' | 'BIGNUMERIC'

export type DeriveOptions = {
  readonly decimalHandlingMode: Exclude<DecimalHandlingMode, 'RECORD'>
  readonly variableScaleDecimalHandlingMode: DecimalHandlingMode
  readonly allBQFieldsNullable: boolean
  readonly sanitizeFieldNames: boolean
}

/**
 * The table schema of a record value in JsonConverter's envelope; null when it has none to tell (a null payload with a null
 * schema, or a schemaless payload). Throws a Refusal when the envelope or its schema cannot be used.
 */
export function deriveTableSchema(value: Buffer, options: DeriveOptions): TableSchema | null {
  const { schema: node } = parseEnvelope(value, 0, value.length)
  const schema = parseConnectSchema(value.subarray(node.start, node.end))
  if (schema === null) return null
  if (schema.type !== 'struct')
    throw underivable('the record', `a ${schema.type} at the top; only structs become tables`)
  const columns = columnsOf(schema, '', options)
  if (columns.length === 0) throw underivable('the record', 'a struct without fields')
  return { columns }
}

function columnsOf(struct: ConnectSchema, parentPath: string, options: DeriveOptions): Column[] {
  return struct.fields.flatMap(field => {
    const name = options.sanitizeFieldNames ? sanitizeFieldName(field.name) : field.name
    return columnOf(name, parentPath === '' ? name : `${parentPath}.${name}`, field.schema, options) ?? []
  })
}

/** null for an empty struct, which BigQuery cannot have and Connect's sink drops. */
function columnOf(name: string, path: string, schema: ConnectSchema, options: DeriveOptions): Column | null {
  const mode: ColumnMode = schema.optional || options.allBQFieldsNullable ? 'NULLABLE' : 'REQUIRED'
  const described = { name, ...(schema.doc !== null && { description: schema.doc }) }
  if (schema.type === 'array') {
    const items = schema.items!
    if (items.type === 'array' || items.type === 'map') throw underivable(path, `an array of ${items.type}s`)
    const element = columnOf(name, path, items, options)
    return element && { ...element, ...described, mode: 'REPEATED' }
  }
  if (schema.type === 'map') {
    const key = columnOf('key', `${path}.key`, schema.keys!, options)
    const value = columnOf('value', `${path}.value`, schema.values!, options)
    if (key === null || value === null) return null
    return { ...described, type: 'STRUCT', mode: 'REPEATED', fields: [key, value] }
  }
  const type = columnTypeOf(schema, options)
  if (type !== 'STRUCT') return { ...described, type, mode }
  const fields = columnsOf(schema, path, options)
  return fields.length === 0 ? null : { ...described, type, mode, fields }
}

function columnTypeOf(schema: ConnectSchema, options: DeriveOptions): ColumnType {
  const logical = logicalTypeOf(schema)
  switch (logical?.kind) {
    case 'decimal':
      return decimalColumn(options.decimalHandlingMode)
    case 'variableScaleDecimal':
      return decimalColumn(options.variableScaleDecimalHandlingMode)
    case 'date':
      return 'DATE'
    // Connect's sink has no converter for the nanosecond types and leaves them integers.
    case 'time':
      return logical.unit === 'nanos' ? 'INT64' : 'TIME'
    case 'timestamp':
      return logical.unit === 'nanos' ? 'INT64' : 'TIMESTAMP'
    case undefined:
      return schema.name === 'io.debezium.time.ZonedTimestamp' && schema.type === 'string'
        ? 'TIMESTAMP'
        : PLAIN_COLUMN[schema.type]
  }
}

const decimalColumn = (mode: DecimalHandlingMode): ColumnType =>
  mode === 'RECORD' ? 'STRUCT' : mode === 'FLOAT' ? 'FLOAT64' : mode

/** `array` and `map` never get here. */
const PLAIN_COLUMN: Readonly<Record<ConnectSchema['type'], ColumnType>> = {
  int8: 'INT64',
  int16: 'INT64',
  int32: 'INT64',
  int64: 'INT64',
  float: 'FLOAT64',
  double: 'FLOAT64',
  boolean: 'BOOL',
  string: 'STRING',
  bytes: 'BYTES',
  struct: 'STRUCT',
  array: 'STRING',
  map: 'STRING',
}

const underivable = (path: string, what: string): Refusal =>
  new Refusal('TASK_PUT', path, `No table can be derived: ${path} is ${what}.`)
