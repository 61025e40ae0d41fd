// Rows as JSON objects (tabledata.insertAll, query results on their way into a table), written the way the Write API takes them:
// a descriptor of the columns they have, and a message each. So one decoder judges all values, whichever way they come.
// JSON forms: https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/insertAll
import { type Column, hasPicoseconds, rangeBounds, type TableSchema } from '../catalog/table-schema.ts'
import { PROTO_TYPE as T } from '../rows/descriptor.ts'
import { rangeTexts } from '../rows/range-text.ts'
import { bytes, double, field, text, varint, type Wire } from '../wire/proto-bytes.ts'
import type { Json } from './wire-shape.ts'

/** One row that cannot be taken, in insertAll's words. */
export class BadJsonRow extends Error {
  readonly location: string

  constructor(location: string, message: string) {
    super(message)
    this.location = location
  }
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const lower = (name: string): string => name.toLowerCase()

/** The columns of a table that at least one of the rows has: an absent column gets its default, not NULL. */
export function presentColumns(schema: TableSchema, rows: readonly Json[]): readonly Column[] {
  const present = new Set(rows.flatMap(row => Object.keys(row).map(lower)))
  return schema.columns.filter(column => present.has(lower(column.name)))
}

// Field numbers of DescriptorProto and FieldDescriptorProto: google/protobuf/descriptor.proto.
const LABEL = { optional: 1, repeated: 3 } as const
/** google.cloud.bigquery.storage.v1.column_name */
const COLUMN_NAME_OPTION = 454943157

/** The serialized DescriptorProto of rows with these columns; column i is field i + 1. */
export const rowDescriptor = (columns: readonly Column[]): Buffer => Buffer.concat(messageDescriptor('Row', columns))

function messageDescriptor(name: string, columns: readonly Column[]): Buffer[] {
  return [
    field(1, text(name)),
    ...columns.map((column, index) => field(2, bytes(fieldDescriptor(column, index)))),
    ...columns.flatMap((column, index) => {
      const fields = nestedColumns(column)
      return fields ? [field(3, bytes(Buffer.concat(messageDescriptor(`M${index}`, fields))))] : []
    }),
  ]
}

function fieldDescriptor(column: Column, index: number): Buffer {
  return Buffer.concat([
    field(1, text(`f${index}`)),
    field(3, varint(index + 1)),
    field(4, varint(column.mode === 'REPEATED' ? LABEL.repeated : LABEL.optional)),
    field(5, varint(protoType(column))),
    ...(nestedColumns(column) ? [field(6, text(`M${index}`))] : []),
    field(8, bytes(field(COLUMN_NAME_OPTION, text(column.name)))),
  ])
}

function nestedColumns(column: Column): readonly Column[] | undefined {
  if (column.type === 'STRUCT') return column.fields
  return column.type === 'RANGE' ? rangeBounds(column) : undefined
}

function protoType(column: Column): number {
  switch (column.type) {
    case 'INT64':
      return T.INT64
    case 'FLOAT64':
      return T.DOUBLE
    case 'BOOL':
      return T.BOOL
    case 'BYTES':
      return T.BYTES
    case 'STRUCT':
    case 'RANGE':
      return T.MESSAGE
    default:
      return T.STRING
  }
}

/** One row as a message of `rowDescriptor(columns)`. Throws BadJsonRow. */
export function encodeRow(row: Json, columns: readonly Column[], options: { ignoresUnknown: boolean }): Buffer {
  return encodeMessage(row, columns, '', options)
}

function encodeMessage(
  row: Json,
  columns: readonly Column[],
  path: string,
  options: { ignoresUnknown: boolean },
): Buffer {
  const byName = new Map(columns.map((column, index) => [lower(column.name), { column, number: index + 1 }]))
  const parts: Buffer[] = []
  for (const [name, value] of Object.entries(row)) {
    const place = path + name
    const found = byName.get(lower(name))
    if (!found && !options.ignoresUnknown) throw new BadJsonRow(place, `no such field: ${place}.`)
    if (!found || value === null || value === undefined) continue
    const { column, number } = found
    if (column.mode !== 'REPEATED' && Array.isArray(value) && column.type !== 'JSON')
      throw new BadJsonRow(place, `Array specified for non-repeated field: ${place}.`)
    if (column.mode === 'REPEATED' && !Array.isArray(value))
      throw new BadJsonRow(place, `Repeated field must be imported as a JSON array: ${place}.`)
    const items = column.mode === 'REPEATED' ? (value as unknown[]) : [value]
    for (const item of items) parts.push(field(number, encodeValue(item, column, place, options)))
  }
  return Buffer.concat(parts)
}

function encodeValue(value: unknown, column: Column, place: string, options: { ignoresUnknown: boolean }): Wire {
  const bad = (kind: string): BadJsonRow =>
    new BadJsonRow(place, `Cannot convert value to ${kind} (bad value): ${(JSON.stringify(value) ?? '').slice(0, 100)}`)
  if (value === null)
    throw new BadJsonRow(place, `Only optional fields can be set to NULL. Field: ${place}; Value: NULL`)
  switch (column.type) {
    case 'STRUCT':
      if (!isObject(value)) throw new BadJsonRow(place, `This field: ${place} is not a record.`)
      return bytes(encodeMessage(value, column.fields, `${place}.`, options))
    case 'RANGE':
      return bytes(encodeMessage(boundsOf(value, place), nestedColumns(column)!, `${place}.`, options))
    case 'JSON':
      return text(typeof value === 'string' ? value : JSON.stringify(value))
    case 'INT64':
      return varint(integer(value) ?? raise(bad('integer')))
    case 'FLOAT64':
      return double(float(value) ?? raise(bad('floating point')))
    case 'BOOL':
      return varint(boolean(value) ?? raise(bad('boolean')))
    case 'BYTES':
      if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(value))
        throw new BadJsonRow(place, 'Could not decode base64 string to bytes.')
      return bytes(Buffer.from(value, 'base64'))
    case 'TIMESTAMP':
      if (typeof value === 'number' || /^-?\d+(\.\d+)?$/.test(String(value))) return text(epochText(Number(value)))
      // Clients send nanoseconds; what a column does not keep is cut.
      if (!hasPicoseconds(column)) return text(String(value).replace(/(\.\d{6})\d+/, '$1'))
      break
    default:
  }
  if (typeof value === 'object') throw bad('string')
  return text(String(value))
}

function integer(value: unknown): bigint | undefined {
  const stated = typeof value === 'string' ? value.trim() : value
  if (typeof stated === 'number') return Number.isSafeInteger(stated) ? BigInt(stated) : undefined
  if (typeof stated !== 'string' || !/^[+-]?\d{1,19}$/.test(stated)) return undefined
  const number = BigInt(stated)
  return BigInt.asIntN(64, number) === number ? number : undefined
}

const FLOAT_WORDS: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Infinity,
  '+inf': Infinity,
  '-inf': -Infinity,
  infinity: Infinity,
  '+infinity': Infinity,
  '-infinity': -Infinity,
}

function float(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string' || value.trim() === '') return undefined
  const number = FLOAT_WORDS[lower(value)] ?? Number(value)
  return Number.isNaN(number) && lower(value) !== 'nan' ? undefined : number
}

function boolean(value: unknown): number | undefined {
  const word = lower(String(value))
  if (word === 'true' || word === 't' || word === '1') return 1
  return word === 'false' || word === 'f' || word === '0' ? 0 : undefined
}

/** A TIMESTAMP as a number is seconds since the epoch; beyond the calendar the text stays a number, and is refused as one. */
function epochText(seconds: number): string {
  const micros = Math.round((seconds % 1) * 1e6)
  const whole = new Date((Math.trunc(seconds) + Math.floor(micros / 1e6)) * 1000)
  if (Number.isNaN(whole.getTime())) return String(seconds)
  const inSecond = ((micros % 1e6) + 1e6) % 1e6
  return `${whole.toISOString().slice(0, 19)}.${String(inSecond).padStart(6, '0')}Z`
}

/** `{"start": …, "end": …}`, or the text `[start, end)` with UNBOUNDED or NULL for an open side. */
function boundsOf(value: unknown, place: string): Json {
  if (isObject(value)) return value
  const texts = rangeTexts(String(value))
  if (!texts) throw new BadJsonRow(place, `Invalid RANGE value: ${String(value).slice(0, 100)}`)
  const [start = null, end = null] = texts
  return { start, end }
}

function raise(error: Error): never {
  throw error
}
