// Readers of single values: one proto type into one column type, checked against the column's limits.
// Table: https://cloud.google.com/bigquery/docs/supported-data-types. uint64 and fixed64 are not accepted for INT64.
import { isUtf8 } from 'node:buffer'
import type { Column } from '../catalog/table-schema.ts'
import { Cursor, MalformedProto, WIRE } from '../wire/cursor.ts'
import {
  type CivilTime,
  MAX_DATE_DAYS,
  MAX_TIMESTAMP_MICROS,
  MIN_DATE_DAYS,
  MIN_TIMESTAMP_MICROS,
  parseDate,
  parseDatetime,
  parseTime,
  parseTimestamp,
  unpackDatetime,
  unpackTime,
} from './civil.ts'
import type { FixedColumn, TextColumn } from './columns.ts'
import {
  BIGNUMERIC_SCALE,
  fitsBignumeric,
  fitsNumeric,
  formatDecimal,
  fromLittleEndian,
  NUMERIC_SCALE,
  parseDecimal,
} from './decimal.ts'
import { type EnumDescriptor, type FieldDescriptor, type MessageDescriptor, PROTO_TYPE as T } from './descriptor.ts'

/** A row that does not fit the table; the message is what row_errors says. */
export class RowFault extends Error {}

/** Reads one field's value, the tag being read already, and stores it in row `row` of the builder it was made for. */
export type ReadField = (c: Cursor, wireType: number, row: number) => void

export type ValueTarget = {
  readonly field: FieldDescriptor
  readonly column: Column
  /** Path of the column, for messages. */
  readonly name: string
  readonly nested: MessageDescriptor | undefined
  readonly enumType: EnumDescriptor | undefined
  readonly builder: FixedColumn | TextColumn
}

const FIXED32_TYPES: ReadonlySet<number> = new Set([T.FLOAT, T.FIXED32, T.SFIXED32])
const FIXED64_TYPES: ReadonlySet<number> = new Set([T.DOUBLE, T.FIXED64, T.SFIXED64])
const BYTES_TYPES: ReadonlySet<number> = new Set([T.STRING, T.BYTES, T.MESSAGE])
const TYPE_NAMES = new Map<number, string>(Object.entries(T).map(([name, number]) => [number, name.toLowerCase()]))

export function wireTypeOf(type: number): number {
  if (BYTES_TYPES.has(type)) return WIRE.BYTES
  if (FIXED32_TYPES.has(type)) return WIRE.FIXED32
  return FIXED64_TYPES.has(type) ? WIRE.FIXED64 : WIRE.VARINT
}

/** The wire type of the elements when a repeated field of this type is packed; undefined when it cannot be. */
export const packedWireType = (type: number): number | undefined =>
  BYTES_TYPES.has(type) ? undefined : wireTypeOf(type)

export const protoTypeName = (field: FieldDescriptor): string => TYPE_NAMES.get(field.type) ?? `type ${field.type}`

const INTEGER_TYPES: ReadonlySet<number> = new Set([
  T.INT64,
  T.UINT64,
  T.INT32,
  T.FIXED64,
  T.FIXED32,
  T.BOOL,
  T.UINT32,
  T.ENUM,
  T.SFIXED32,
  T.SFIXED64,
  T.SINT32,
  T.SINT64,
])

/** Reads an integer of the proto type into `lo` and `hi`, sign-extended to 64 bits. */
function integerReader(type: number): (c: Cursor) => void {
  const signExtend = (c: Cursor): void => {
    c.hi = c.lo >> 31 === 0 ? 0 : 0xffffffff
  }
  switch (type) {
    case T.INT64:
    case T.UINT64:
      return c => c.varint64()
    case T.FIXED64:
    case T.SFIXED64:
      return c => c.fixed64()
    case T.UINT32:
      return c => {
        c.varint64()
        c.hi = 0
      }
    case T.BOOL:
      return c => {
        c.varint64()
        c.lo = c.lo !== 0 || c.hi !== 0 ? 1 : 0
        c.hi = 0
      }
    case T.INT32:
    case T.ENUM:
      return c => {
        c.varint64()
        signExtend(c)
      }
    case T.FIXED32:
      return c => {
        c.lo = c.fixed32()
        c.hi = 0
      }
    case T.SFIXED32:
      return c => {
        c.lo = c.fixed32()
        signExtend(c)
      }
    case T.SINT32:
    case T.SINT64:
      return c => {
        c.varint64()
        const sign = -(c.lo & 1)
        c.lo = (((c.lo >>> 1) | (c.hi << 31)) ^ sign) >>> 0
        c.hi = ((c.hi >>> 1) ^ sign) >>> 0
      }
    default:
      throw new Error(`proto type ${type} is no integer`)
  }
}

/** Calls `store` after checking the wire type. */
function expecting(wanted: number, name: string, store: (c: Cursor, row: number) => void): ReadField {
  return (c, wireType, row) => {
    if (wireType !== wanted) throw new MalformedProto(`field ${name} has wire type ${wireType}`)
    store(c, row)
  }
}

/** Makes the reader of a value that is no STRUCT; undefined when the types do not go together. */
export function valueReader(target: ValueTarget): ReadField | undefined {
  if (target.field.type === T.MESSAGE) return messageReader(target)
  const store = scalarStore(target)
  return store && expecting(wireTypeOf(target.field.type), target.name, store)
}

function scalarStore(target: ValueTarget): ((c: Cursor, row: number) => void) | undefined {
  switch (target.column.type) {
    case 'BOOL':
      return boolStore(target)
    case 'INT64':
      return int64Store(target)
    case 'FLOAT64':
      return float64Store(target)
    case 'STRING':
    case 'BYTES':
    case 'JSON':
      return textStore(target)
    case 'DATE':
      return dateStore(target)
    case 'TIME':
    case 'DATETIME':
      return civilStore(target)
    case 'TIMESTAMP':
      return timestampStore(target)
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return decimalStore(target)
    default:
      return undefined
  }
}

type Store = (c: Cursor, row: number) => void

function boolStore({ field, builder }: ValueTarget): Store | undefined {
  if (!INTEGER_TYPES.has(field.type) || field.type === T.ENUM) return undefined
  const read = integerReader(field.type)
  const out = builder as FixedColumn
  return (c, row) => {
    read(c)
    out.setByte(row, c.lo !== 0 || c.hi !== 0 ? 1 : 0)
  }
}

function int64Store({ field, builder }: ValueTarget): Store | undefined {
  if (!INTEGER_TYPES.has(field.type) || field.type === T.UINT64 || field.type === T.FIXED64 || field.type === T.BOOL)
    return undefined
  const read = integerReader(field.type)
  const out = builder as FixedColumn
  return (c, row) => {
    read(c)
    out.setHalves(row, c.lo, c.hi)
  }
}

function float64Store({ field, builder }: ValueTarget): Store | undefined {
  const out = builder as FixedColumn
  if (field.type === T.DOUBLE) return (c, row) => out.setDouble(row, c.double())
  if (field.type === T.FLOAT) return (c, row) => out.setDouble(row, c.float())
  return undefined
}

function textStore({ field, column, name, enumType, builder }: ValueTarget): Store | undefined {
  const out = builder as TextColumn
  if (field.type === T.ENUM) {
    if (column.type !== 'STRING' || !enumType) return undefined
    return (c, row) => {
      const number = c.uint32() | 0
      const label = enumType.values.get(number)
      if (label === undefined) throw new RowFault(`Enum value ${number} is not known on field ${name}.`)
      out.setText(row, label)
    }
  }
  if (field.type !== T.STRING && !(field.type === T.BYTES && column.type === 'BYTES')) return undefined
  const isTextColumn = column.type !== 'BYTES'
  const isJson = column.type === 'JSON'
  const limit = column.maxLength ?? Number.MAX_SAFE_INTEGER
  return (c, row) => {
    const length = c.length()
    const start = c.pos
    c.pos += length
    if (isJson) checkJson(c.bytes.toString('utf8', start, c.pos), name)
    if (length > limit) {
      const actual = isTextColumn ? [...c.bytes.toString('utf8', start, c.pos)].length : length
      if (actual > limit)
        throw new RowFault(
          `Field ${name}: ${column.type}(${limit}) has maximum length ${limit} but got a value with length ${actual} on field ${name}.`,
        )
    }
    const isAscii = out.set(row, c.bytes, start, c.pos)
    if (!isAscii && isTextColumn && !isUtf8(c.bytes.subarray(start, c.pos)))
      throw new RowFault(`Invalid UTF-8 in string value on field ${name}.`)
  }
}

function checkJson(text: string, name: string): void {
  try {
    JSON.parse(text)
  } catch {
    throw new RowFault(`Invalid JSON value on field ${name}.`)
  }
}

function literal(c: Cursor): string {
  return c.text()
}

function dateStore({ field, name, builder }: ValueTarget): Store | undefined {
  const out = builder as FixedColumn
  const store = (row: number, days: number, shown: string): void => {
    if (days < MIN_DATE_DAYS || days > MAX_DATE_DAYS)
      throw new RowFault(`Date field value is out of range: ${shown} on field ${name}.`)
    out.setInt32(row, days)
  }
  if (field.type === T.STRING)
    return (c, row) => {
      const text = literal(c)
      const days = parseDate(text)
      if (days === undefined) throw new RowFault(`Invalid date: '${text}' on field ${name}.`)
      store(row, days, text)
    }
  if (!INTEGER_TYPES.has(field.type) || field.type === T.BOOL || field.type === T.ENUM) return undefined
  const read = integerReader(field.type)
  return (c, row) => {
    read(c)
    store(row, (c.hi | 0) * 4294967296 + c.lo, String(c.int64()))
  }
}

function civilStore({ field, column, name, builder }: ValueTarget): Store | undefined {
  const out = builder as FixedColumn
  const isTime = column.type === 'TIME'
  const parse = isTime ? parseTime : parseDatetime
  const unpack = isTime ? unpackTime : unpackDatetime
  const word = isTime ? 'time' : 'datetime'
  if (field.type === T.STRING)
    return (c, row) => {
      const text = literal(c)
      const micros = parse(text)
      if (micros === undefined) throw new RowFault(`Invalid ${word}: '${text}' on field ${name}.`)
      out.setInt64(row, micros)
    }
  if (!INTEGER_TYPES.has(field.type) || field.type === T.BOOL || field.type === T.ENUM) return undefined
  const read = integerReader(field.type)
  const time: CivilTime = { seconds: 0, micros: 0 }
  return (c, row) => {
    read(c)
    if (!unpack(c.lo, c.hi, time)) throw new RowFault(`Invalid ${word} value: ${c.int64()} on field ${name}.`)
    out.setMicros(row, time.seconds, time.micros)
  }
}

/** Well inside the range of TIMESTAMP, and cheap to compare with a double. */
const SAFE_TIMESTAMP_MICROS = 6.2e16

function timestampStore({ field, name, builder }: ValueTarget): Store | undefined {
  const out = builder as FixedColumn
  const checked = (micros: bigint): bigint => {
    if (micros < MIN_TIMESTAMP_MICROS || micros > MAX_TIMESTAMP_MICROS)
      throw new RowFault(`Timestamp field value is out of range: ${micros} on field ${name}.`)
    return micros
  }
  if (field.type === T.STRING)
    return (c, row) => {
      const text = literal(c)
      const micros = parseTimestamp(text)
      if (micros === undefined) throw new RowFault(`Invalid timestamp: '${text}' on field ${name}.`)
      out.setInt64(row, checked(micros))
    }
  if (!INTEGER_TYPES.has(field.type) || field.type === T.BOOL || field.type === T.ENUM) return undefined
  const read = integerReader(field.type)
  return (c, row) => {
    read(c)
    if (Math.abs((c.hi | 0) * 4294967296 + c.lo) > SAFE_TIMESTAMP_MICROS) checked(c.int64())
    out.setHalves(row, c.lo, c.hi)
  }
}

function decimalStore(target: ValueTarget): Store | undefined {
  const { field, column, name, builder } = target
  const isBig = column.type === 'BIGNUMERIC'
  const scale = isBig ? BIGNUMERIC_SCALE : NUMERIC_SCALE
  const fits = isBig ? fitsBignumeric : fitsNumeric
  const limit =
    column.precision === undefined ? undefined : 10n ** BigInt(column.precision - (column.scale ?? 0) + scale)
  const rounding = column.precision === undefined ? 1n : 10n ** BigInt(scale - (column.scale ?? 0))
  const store = (row: number, scaled: bigint): void => {
    const rounded = rounding === 1n ? scaled : roundTo(scaled, rounding)
    if (!fits(rounded) || (limit !== undefined && (rounded >= limit || rounded <= -limit)))
      throw new RowFault(
        `Invalid ${column.type} value: ${formatDecimal(scaled, scale)} is out of range on field ${name}.`,
      )
    if (isBig) (builder as TextColumn).setText(row, formatDecimal(rounded, scale))
    else (builder as FixedColumn).setInt128(row, rounded)
  }
  const storeText = (row: number, text: string): void => {
    const scaled = parseDecimal(text, scale)
    if (scaled === undefined) throw new RowFault(`Invalid ${column.type} value: ${text} on field ${name}.`)
    store(row, scaled)
  }
  if (field.type === T.STRING) return (c, row) => storeText(row, literal(c))
  if (field.type === T.BYTES)
    return (c, row) => {
      const length = c.length()
      c.pos += length
      if (length > 32) throw new RowFault(`Invalid ${column.type} value: ${length} bytes on field ${name}.`)
      store(row, fromLittleEndian(c.bytes.subarray(c.pos - length, c.pos)))
    }
  if (field.type === T.DOUBLE) return (c, row) => storeText(row, String(c.double()))
  if (field.type === T.FLOAT) return (c, row) => storeText(row, String(c.float()))
  if (!INTEGER_TYPES.has(field.type) || field.type === T.BOOL || field.type === T.ENUM) return undefined
  const read = integerReader(field.type)
  const isUnsigned = field.type === T.UINT64 || field.type === T.FIXED64
  const unit = 10n ** BigInt(scale)
  return (c, row) => {
    read(c)
    store(row, (isUnsigned ? BigInt.asUintN(64, c.int64()) : c.int64()) * unit)
  }
}

function roundTo(scaled: bigint, step: bigint): bigint {
  const half = scaled < 0n ? -(step / 2n) : step / 2n
  return ((scaled + half) / step) * step
}

/** Wrapper messages count as the value they wrap, google.protobuf.Timestamp as a timestamp; clients flatten the names with `_`. */
function messageReader(target: ValueTarget): ReadField | undefined {
  const { nested, column, name, builder } = target
  const simpleName = nested?.name.split(/[._]/).at(-1) ?? ''
  if (simpleName === 'Timestamp' && column.type === 'TIMESTAMP')
    return protoTimestampReader(name, builder as FixedColumn)
  const value = nested?.fields.find(field => field.number === 1)
  if (!value || !/^(Bool|Bytes|String|Float|Double|U?Int(32|64))Value$/.test(simpleName)) return undefined
  const read = valueReader({ ...target, field: value, nested: undefined })
  if (!read) return undefined
  const wire = wireTypeOf(value.type)
  const zero = Buffer.alloc(8)
  const tag = (1 << 3) | wire
  return expecting(WIRE.BYTES, name, (c, row) => {
    read(new Cursor(zero), wire, row)
    c.within(inner => {
      while (inner.pos < inner.end) {
        const innerTag = inner.tag()
        if (innerTag === tag) read(inner, wire, row)
        else inner.skip(innerTag & 7)
      }
    })
  })
}

function protoTimestampReader(name: string, out: FixedColumn): ReadField {
  return expecting(WIRE.BYTES, name, (c, row) => {
    let seconds = 0n
    let nanos = 0
    c.within(inner => {
      while (inner.pos < inner.end) {
        const tag = inner.tag()
        if (tag === 0x08) {
          inner.varint64()
          seconds = inner.int64()
        } else if (tag === 0x10) nanos = inner.uint32() | 0
        else inner.skip(tag & 7)
      }
    })
    const micros = seconds * 1_000_000n + BigInt(Math.floor(nanos / 1000))
    if (micros < MIN_TIMESTAMP_MICROS || micros > MAX_TIMESTAMP_MICROS)
      throw new RowFault(`Timestamp field value is out of range: ${micros} on field ${name}.`)
    out.setInt64(row, micros)
  })
}

/** A proto2 default, as it would stand on the wire. */
export function encodeDefault(field: FieldDescriptor, text: string): Buffer | undefined {
  if (field.type === T.STRING) return delimited(Buffer.from(text))
  if (field.type === T.BYTES) return delimited(unescapeBytes(text))
  const bytes = Buffer.alloc(8)
  if (field.type === T.DOUBLE || field.type === T.FLOAT) {
    const value = text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text)
    if (field.type === T.DOUBLE) bytes.writeDoubleLE(value)
    else bytes.writeFloatLE(value)
    return bytes
  }
  if (text === 'true' || text === 'false') return varint(text === 'true' ? 1n : 0n)
  if (!/^-?\d{1,20}$/.test(text)) return undefined
  const value = BigInt(text)
  const wire = wireTypeOf(field.type)
  if (wire === WIRE.FIXED64) bytes.writeBigInt64LE(BigInt.asIntN(64, value))
  else if (wire === WIRE.FIXED32) bytes.writeInt32LE(Number(BigInt.asIntN(32, value)))
  else if (field.type === T.SINT32 || field.type === T.SINT64) return varint(value < 0n ? -value * 2n - 1n : value * 2n)
  else return varint(value)
  return bytes
}

function varint(value: bigint): Buffer {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, value)
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 0x80)
  return Buffer.from([...bytes, Number(rest)])
}

const delimited = (bytes: Buffer): Buffer => Buffer.concat([varint(BigInt(bytes.length)), bytes])

/** C escapes, as descriptors spell bytes defaults. */
function unescapeBytes(text: string): Buffer {
  const named: Record<string, string> = { n: '\n', r: '\r', t: '\t' }
  const plain = text.replace(/\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))/g, (_all, octal, hex, other) =>
    octal
      ? String.fromCharCode(Number.parseInt(octal, 8))
      : hex
        ? String.fromCharCode(Number.parseInt(hex, 16))
        : (named[other] ?? other),
  )
  return Buffer.from(plain, 'latin1')
}
