// A table's columns in the emulator's own words, and their two spellings: REST (TableFieldSchema JSON) and the Write API.

export const COLUMN_TYPES = [
  'STRING',
  'BYTES',
  'INT64',
  'FLOAT64',
  'BOOL',
  'TIMESTAMP',
  'DATE',
  'TIME',
  'DATETIME',
  'NUMERIC',
  'BIGNUMERIC',
  'JSON',
  'GEOGRAPHY',
  'INTERVAL',
  'RANGE',
  'STRUCT',
] as const
export type ColumnType = (typeof COLUMN_TYPES)[number]
type ColumnMode = 'NULLABLE' | 'REQUIRED' | 'REPEATED'
/** What a RANGE may be of. */
type RangeElementType = 'DATE' | 'DATETIME' | 'TIMESTAMP'

export type Column = {
  readonly name: string
  readonly type: ColumnType
  readonly mode: ColumnMode
  readonly fields: readonly Column[]
  readonly description?: string
  readonly maxLength?: number
  readonly precision?: number
  readonly scale?: number
  readonly defaultExpression?: string
  /** Of RANGE columns, always. */
  readonly rangeElementType?: RangeElementType
  /** Of TIMESTAMP columns: 12 keeps picoseconds; absent is 6, microseconds. */
  readonly timestampPrecision?: 6 | 12
}
export type TableSchema = { readonly columns: readonly Column[] }

/** A TIMESTAMP column that keeps picoseconds. */
export const hasPicoseconds = (column: Column): boolean =>
  column.type === 'TIMESTAMP' && column.timestampPrecision === 12

/** A RANGE is kept as its two bounds, NULL for unbounded. */
export function rangeBounds(column: Column): readonly [start: Column, end: Column] {
  const bound = (name: string): Column => ({ name, type: column.rangeElementType!, mode: 'NULLABLE', fields: [] })
  return [bound('start'), bound('end')]
}

/** A schema the emulator cannot take, in words for the caller. */
export class InvalidSchema extends Error {}

/** Legacy names are what the REST API answers with; it accepts both. https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema */
const REST_NAMES: Readonly<Record<string, ColumnType>> = {
  INTEGER: 'INT64',
  FLOAT: 'FLOAT64',
  BOOLEAN: 'BOOL',
  RECORD: 'STRUCT',
  DECIMAL: 'NUMERIC',
  BIGDECIMAL: 'BIGNUMERIC',
}
const LEGACY_NAMES: Readonly<Partial<Record<ColumnType, string>>> = {
  INT64: 'INTEGER',
  FLOAT64: 'FLOAT',
  BOOL: 'BOOLEAN',
  STRUCT: 'RECORD',
}
const WRITE_API_NAMES: Readonly<Partial<Record<ColumnType, string>>> = { FLOAT64: 'DOUBLE' }

const isColumnType = (name: string): name is ColumnType => (COLUMN_TYPES as readonly string[]).includes(name)

/** The REST name of a type. */
export const restTypeName = (type: ColumnType): string => LEGACY_NAMES[type] ?? type

/** Reads the `schema` of a REST table resource. Throws InvalidSchema. */
export function schemaFromRest(value: unknown): TableSchema {
  const columns = columnsFromRest((value as { fields?: unknown } | undefined)?.fields ?? [])
  const leaves = leafCount(columns)
  if (leaves > LEAVES_MAX) throw new InvalidSchema(`Too many total leaf fields: ${leaves}`)
  return { columns }
}

/** https://cloud.google.com/bigquery/quotas#all_tables */
const LEAVES_MAX = 10_000

const leafCount = (columns: readonly Column[]): number =>
  columns.reduce((sum, { type, fields }) => sum + (type === 'STRUCT' ? leafCount(fields) : 1), 0)

/** https://cloud.google.com/bigquery/docs/nested-repeated#limitations */
const NESTING_MAX = 15

function columnsFromRest(value: unknown, depth = 0): Column[] {
  if (!Array.isArray(value)) throw new InvalidSchema('schema.fields must be a list')
  if (depth > NESTING_MAX) throw new InvalidSchema(`A schema may nest at most ${NESTING_MAX} levels of RECORD`)
  const columns = value.map(field => columnFromRest(field, depth))
  const seen = new Set<string>()
  for (const { name } of columns) {
    if (seen.has(name.toLowerCase())) throw new InvalidSchema(`Duplicate field name ${name}`)
    seen.add(name.toLowerCase())
  }
  return columns
}

function columnFromRest(value: unknown, depth: number): Column {
  if (typeof value !== 'object' || value === null) throw new InvalidSchema('Each of schema.fields must be an object')
  const field = value as Record<string, unknown>
  const name = field.name
  if (typeof name !== 'string' || name === '' || name.length > 300)
    throw new InvalidSchema('Field name is missing or too long')
  const stated = String(field.type ?? '').toUpperCase()
  const type = REST_NAMES[stated] ?? stated
  if (!isColumnType(type))
    throw new InvalidSchema(`Field ${name}: type ${stated || '(none)'} is not supported by this emulator`)
  const mode = String(field.mode ?? 'NULLABLE').toUpperCase()
  if (mode !== 'NULLABLE' && mode !== 'REQUIRED' && mode !== 'REPEATED')
    throw new InvalidSchema(`Field ${name}: invalid mode ${mode}`)
  const fields = type === 'STRUCT' ? columnsFromRest(field.fields ?? [], depth + 1) : []
  if (type === 'STRUCT' && fields.length === 0)
    throw new InvalidSchema(`Field ${name} is type RECORD but has no schema`)
  const number = (key: string): number | undefined => {
    if (field[key] === undefined || field[key] === null) return undefined
    const stated = Number(field[key])
    if (!Number.isSafeInteger(stated) || stated < 0)
      throw new InvalidSchema(`Field ${name}: ${key} must be a whole number, not ${String(field[key]).slice(0, 50)}`)
    return stated
  }
  const maxLength = number('maxLength')
  if (maxLength !== undefined && (maxLength === 0 || (type !== 'STRING' && type !== 'BYTES')))
    throw new InvalidSchema(`Field ${name}: maxLength must be positive, and goes with STRING and BYTES only`)
  const precision = number('precision')
  const scale = number('scale')
  checkDecimalLimits(name, type, precision, scale)
  const rangeElementType = type === 'RANGE' ? rangeElementOf(name, field.rangeElementType) : undefined
  const timestampPrecision = number('timestampPrecision')
  if (timestampPrecision !== undefined && (type !== 'TIMESTAMP' || ![6, 12].includes(timestampPrecision)))
    throw new InvalidSchema(`Field ${name}: timestampPrecision must be 6 or 12, and goes with TIMESTAMP only`)
  return {
    name,
    type,
    mode,
    fields,
    ...(typeof field.description === 'string' && { description: field.description }),
    ...(maxLength !== undefined && { maxLength }),
    ...(precision !== undefined && { precision }),
    ...(scale !== undefined && { scale }),
    ...(typeof field.defaultValueExpression === 'string' && { defaultExpression: field.defaultValueExpression }),
    ...(rangeElementType && { rangeElementType }),
    ...(timestampPrecision !== undefined && { timestampPrecision: timestampPrecision as 6 | 12 }),
  }
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#parameterized_decimal_type */
function checkDecimalLimits(name: string, type: ColumnType, precision?: number, scale?: number): void {
  if (precision === undefined && scale === undefined) return
  if (type !== 'NUMERIC' && type !== 'BIGNUMERIC')
    throw new InvalidSchema(`Field ${name}: precision and scale go with NUMERIC and BIGNUMERIC only`)
  if (precision === undefined) throw new InvalidSchema(`Field ${name}: scale needs a precision`)
  const [wholeMax, scaleMax] = type === 'NUMERIC' ? [29, 9] : [38, 38]
  const places = scale ?? 0
  if (places > scaleMax || precision < Math.max(1, places) || precision > wholeMax + places)
    throw new InvalidSchema(
      `Field ${name}: ${type}(${precision}, ${places}) is out of range: scale is at most ${scaleMax}, and precision from max(1, scale) to scale + ${wholeMax}`,
    )
}

const RANGE_ELEMENT_TYPES: readonly string[] = ['DATE', 'DATETIME', 'TIMESTAMP']

function rangeElementOf(name: string, stated: unknown): RangeElementType {
  const type = String((stated as { type?: unknown } | null | undefined)?.type ?? '').toUpperCase()
  if (!RANGE_ELEMENT_TYPES.includes(type))
    throw new InvalidSchema(
      `Field ${name}: a RANGE needs rangeElementType {"type": "DATE" | "DATETIME" | "TIMESTAMP"}, not ${type || '(none)'}`,
    )
  return type as RangeElementType
}

/** The schema as the REST API answers it. */
export function schemaToRest(schema: TableSchema): { fields: Record<string, unknown>[] } {
  return { fields: schema.columns.map(columnToRest) }
}

function columnToRest(column: Column): Record<string, unknown> {
  return {
    name: column.name,
    type: restTypeName(column.type),
    mode: column.mode,
    ...(column.type === 'STRUCT' && { fields: column.fields.map(columnToRest) }),
    ...(column.description !== undefined && { description: column.description }),
    ...(column.maxLength !== undefined && { maxLength: String(column.maxLength) }),
    ...(column.precision !== undefined && { precision: String(column.precision) }),
    ...(column.scale !== undefined && { scale: String(column.scale) }),
    ...(column.defaultExpression !== undefined && { defaultValueExpression: column.defaultExpression }),
    ...(column.rangeElementType && { rangeElementType: { type: column.rangeElementType } }),
    ...(column.timestampPrecision !== undefined && { timestampPrecision: String(column.timestampPrecision) }),
  }
}

/** The schema as google.cloud.bigquery.storage.v1.TableSchema. */
export function schemaToWriteApi(schema: TableSchema): Record<string, unknown> {
  return { fields: schema.columns.map(columnToWriteApi) }
}

function columnToWriteApi(column: Column): Record<string, unknown> {
  return {
    name: column.name,
    type: WRITE_API_NAMES[column.type] ?? column.type,
    mode: column.mode,
    fields: column.fields.map(columnToWriteApi),
    description: column.description ?? '',
    maxLength: column.maxLength ?? 0,
    precision: column.precision ?? 0,
    scale: column.scale ?? 0,
    defaultValueExpression: column.defaultExpression ?? '',
    ...(column.rangeElementType && { rangeElementType: { type: column.rangeElementType } }),
    ...(column.timestampPrecision !== undefined && { timestampPrecision: { value: column.timestampPrecision } }),
  }
}
