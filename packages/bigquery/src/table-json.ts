// Tables as the REST API spells them ⇄ as Millrace does. Both spellings of every type are understood; the older one,
// which every version of the API answers with, is sent. https://cloud.google.com/bigquery/docs/reference/rest/v2/tables
import {
  type Column,
  type ColumnMode,
  type ColumnType,
  MillraceError,
  parseTableName,
  type TableInfo,
  type TableName,
  type TableSpec,
} from '@millrace/core'

type Json = Readonly<Record<string, unknown>>

const COLUMN_TYPES: ReadonlyMap<string, ColumnType> = new Map<string, ColumnType>([
  ['BOOL', 'BOOL'],
  ['BOOLEAN', 'BOOL'],
  ['INT64', 'INT64'],
  ['INTEGER', 'INT64'],
  ['FLOAT64', 'FLOAT64'],
  ['FLOAT', 'FLOAT64'],
  ['NUMERIC', 'NUMERIC'],
  ['DECIMAL', 'NUMERIC'],
  ['BIGNUMERIC', 'BIGNUMERIC'],
  ['BIGDECIMAL', 'BIGNUMERIC'],
  ['STRING', 'STRING'],
  ['BYTES', 'BYTES'],
  ['DATE', 'DATE'],
  ['TIME', 'TIME'],
  ['DATETIME', 'DATETIME'],
  ['TIMESTAMP', 'TIMESTAMP'],
  ['JSON', 'JSON'],
  ['GEOGRAPHY', 'GEOGRAPHY'],
  ['INTERVAL', 'INTERVAL'],
  ['RANGE', 'RANGE'],
  ['STRUCT', 'STRUCT'],
  ['RECORD', 'STRUCT'],
])
const SPELLINGS: ReadonlyMap<ColumnType, string> = new Map<ColumnType, string>([
  ['BOOL', 'BOOLEAN'],
  ['INT64', 'INTEGER'],
  ['FLOAT64', 'FLOAT'],
  ['STRUCT', 'RECORD'],
])
const MODES: ReadonlySet<string> = new Set<ColumnMode>(['NULLABLE', 'REQUIRED', 'REPEATED'])
/** BigQuery nests 15 levels; an answer beyond this is not a table. */
const NESTING_MAX = 32

/** The body of `tables.insert`. */
export function encodeTable(table: TableName, spec: TableSpec): object {
  const { project, dataset, table: tableId } = parseTableName(table)
  const partitioning = spec.timePartitioning
  return {
    tableReference: { projectId: project, datasetId: dataset, tableId },
    schema: { fields: spec.schema.columns.map(encodeColumn) },
    ...(spec.description === undefined ? {} : { description: spec.description }),
    ...(partitioning === undefined
      ? {}
      : {
          timePartitioning: {
            type: partitioning.type,
            ...(partitioning.field === undefined ? {} : { field: partitioning.field }),
            ...(partitioning.expirationMs === undefined ? {} : { expirationMs: String(partitioning.expirationMs) }),
          },
        }),
    ...(spec.clustering === undefined || spec.clustering.length === 0
      ? {}
      : { clustering: { fields: spec.clustering } }),
  }
}

function encodeColumn(column: Column): object {
  return {
    name: column.name,
    type: SPELLINGS.get(column.type) ?? column.type,
    mode: column.mode,
    ...(column.description === undefined ? {} : { description: column.description }),
    ...(column.fields === undefined ? {} : { fields: column.fields.map(encodeColumn) }),
    ...(column.maxLength === undefined ? {} : { maxLength: String(column.maxLength) }),
    ...(column.precision === undefined ? {} : { precision: String(column.precision) }),
    ...(column.scale === undefined ? {} : { scale: String(column.scale) }),
    ...(column.defaultExpression === undefined ? {} : { defaultValueExpression: column.defaultExpression }),
  }
}

/** Reads a `Table` resource. Rejects what cannot be written to (views, external tables) and what is no table at all. */
export function decodeTable(body: unknown, table: TableName): TableInfo {
  const resource = asObject(body) ?? senseless(table, 'is not a JSON object')
  const kind = resource.type ?? 'TABLE'
  if (kind !== 'TABLE') {
    throw new MillraceError(
      'TABLE_SCHEMA_UNSUPPORTED',
      'failPartition',
      `${table} is a ${String(kind)}, not a table that can be appended to.`,
    )
  }
  const { creationTime, location } = resource
  if (typeof creationTime !== 'string' && typeof creationTime !== 'number') senseless(table, 'has no creationTime')
  // A table that was created without columns has no schema at all.
  const fields = asObject(resource.schema)?.fields ?? []
  return {
    schema: { columns: decodeColumns(fields, table, '', 0) },
    creationTime: String(creationTime),
    location: typeof location === 'string' ? location : '',
  }
}

function decodeColumns(fields: unknown, table: TableName, path: string, depth: number): readonly Column[] {
  if (!Array.isArray(fields) || depth > NESTING_MAX)
    return senseless(table, `has no valid fields${path && ` below ${path}`}`)
  return fields.map(field =>
    decodeColumn(asObject(field) ?? senseless(table, 'has a field that is not an object'), table, path, depth),
  )
}

function decodeColumn(field: Json, table: TableName, parent: string, depth: number): Column {
  const name = typeof field.name === 'string' ? field.name : senseless(table, 'has a field without a name')
  const path = parent === '' ? name : `${parent}.${name}`
  const type = COLUMN_TYPES.get(String(field.type).toUpperCase())
  if (type === undefined) {
    throw new MillraceError(
      'TABLE_SCHEMA_UNSUPPORTED',
      'failPartition',
      `Column ${path} of ${table} has the unknown type ${String(field.type)}.`,
    )
  }
  const mode = String(field.mode ?? 'NULLABLE').toUpperCase()
  if (!MODES.has(mode)) senseless(table, `has the unknown mode ${mode} at ${path}`)
  return {
    name,
    type,
    mode: mode as ColumnMode,
    ...optional('description', typeof field.description === 'string' ? field.description : undefined),
    ...(type === 'STRUCT' ? { fields: decodeColumns(field.fields ?? [], table, path, depth + 1) } : {}),
    ...optional('maxLength', asCount(field.maxLength)),
    ...optional('precision', asCount(field.precision)),
    ...optional('scale', asCount(field.scale)),
    ...optional(
      'defaultExpression',
      typeof field.defaultValueExpression === 'string' ? field.defaultValueExpression : undefined,
    ),
  }
}

const asObject = (value: unknown): Json | null =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null

/** int64 values are strings in Google's JSON. */
const asCount = (value: unknown): number | undefined =>
  (typeof value === 'string' && /^\d+$/.test(value)) || typeof value === 'number' ? Number(value) : undefined

const optional = <K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [key in K]: V })

function senseless(table: TableName, what: string): never {
  throw new MillraceError('BIGQUERY_REQUEST_INVALID', 'failPartition', `The REST answer about ${table} ${what}.`)
}
