// Readers of single values: one proto field into one column that is no STRUCT or RANGE, by way of the column's sink.
// Which kinds go into which column: https://cloud.google.com/bigquery/docs/supported-data-types. uint64 is not accepted for INT64.
import { type Column, type ColumnType, hasPicoseconds } from '../catalog/table-schema.ts'
import { type Cursor, MalformedProto } from '../wire/cursor.ts'
import { type CivilTime, unpackDatetime, unpackTime } from './civil.ts'
import type { FixedColumn } from './columns.ts'
import { fromLittleEndian } from './decimal.ts'
import type { EnumDescriptor, FieldDescriptor, MessageDescriptor } from './descriptor.ts'
import {
  dateSink,
  decimalSink,
  literalSink,
  type Place,
  RowFault,
  scaleOf,
  shown,
  textSink,
  timestampSink,
} from './sinks.ts'
import type { TextColumn } from './text-column.ts'
import { integerReader, kindOf, type ValueKind, wireTypeOf } from './wire-types.ts'

/** Reads one field's value, the tag being read already, and stores it in row `row` of the builder it was made for. */
export type ReadField = (c: Cursor, wireType: number, row: number) => void

/** A field and the column it goes into. */
export type ValueTarget = Place & {
  readonly field: FieldDescriptor
  readonly nested: MessageDescriptor | undefined
  readonly enumType: EnumDescriptor | undefined
}

const DECIMAL_KINDS: readonly ValueKind[] = ['int32', 'int64', 'uint32', 'uint64', 'double', 'float', 'string', 'bytes']

/** Messages aside, which have readers of their own (well-known.ts). */
const ACCEPTED: Readonly<Record<Exclude<ColumnType, 'STRUCT' | 'RANGE'>, readonly ValueKind[]>> = {
  BOOL: ['bool', 'int32', 'int64', 'uint32', 'uint64'],
  BYTES: ['bytes', 'string'],
  STRING: ['string', 'enum'],
  INT64: ['int32', 'int64', 'uint32', 'enum'],
  FLOAT64: ['double', 'float'],
  NUMERIC: DECIMAL_KINDS,
  BIGNUMERIC: DECIMAL_KINDS,
  DATE: ['int32', 'int64', 'string'],
  DATETIME: ['string', 'int64'],
  TIME: ['string', 'int64'],
  TIMESTAMP: ['int64', 'int32', 'uint32', 'string'],
  INTERVAL: ['string'],
  JSON: ['string'],
  GEOGRAPHY: ['string'],
}

/** Whether a field of this proto type may go into a column of this type. */
function accepts(column: Column, protoType: number): boolean {
  const kind = kindOf(protoType)
  if (column.type === 'STRUCT' || column.type === 'RANGE' || kind === undefined) return false
  return ACCEPTED[column.type].includes(kind)
}

/** Calls `store` after checking the wire type. */
export function expecting(wanted: number, name: string, store: (c: Cursor, row: number) => void): ReadField {
  return (c, wireType, row) => {
    if (wireType !== wanted) throw new MalformedProto(`field ${name} has wire type ${wireType}`)
    store(c, row)
  }
}

/** Makes the reader of a scalar; undefined when the types do not go together. */
export function scalarReader(target: ValueTarget): ReadField | undefined {
  if (!accepts(target.column, target.field.type)) return undefined
  return expecting(wireTypeOf(target.field.type), target.name, scalarStore(target))
}

type Store = (c: Cursor, row: number) => void

function scalarStore(target: ValueTarget): Store {
  const { column, field } = target
  switch (kindOf(field.type)) {
    case 'string':
      return column.type === 'STRING' ||
        column.type === 'BYTES' ||
        column.type === 'JSON' ||
        column.type === 'GEOGRAPHY'
        ? bytesStore(target)
        : literalStore(target)
    case 'bytes':
      return column.type === 'BYTES' ? bytesStore(target) : decimalBytesStore(target)
    case 'enum':
      return column.type === 'STRING' ? enumNameStore(target) : integerStore(target)
    case 'double':
    case 'float':
      return column.type === 'FLOAT64' ? floatStore(target) : decimalFloatStore(target)
    default:
      return integerStore(target)
  }
}

function integerStore(target: ValueTarget): Store {
  switch (target.column.type) {
    case 'BOOL':
      return boolStore(target)
    case 'INT64':
      return int64Store(target)
    case 'DATE':
      return dateStore(target)
    case 'TIME':
    case 'DATETIME':
      return packedStore(target)
    case 'TIMESTAMP':
      return timestampStore(target)
    default:
      return decimalIntegerStore(target)
  }
}

function bytesStore(target: ValueTarget): Store {
  const sink = textSink(target)
  return (c, row) => {
    const length = c.length()
    const start = c.pos
    c.pos += length
    sink(row, c.bytes, start, c.pos)
  }
}

function literalStore(target: ValueTarget): Store {
  const sink = literalSink(target)!
  return (c, row) => sink(row, c.text())
}

/** A number the enum does not name is refused: proto2 would drop it, which would hide it. */
function enumNameStore({ enumType, name, builder }: ValueTarget): Store {
  const out = builder as TextColumn
  return (c, row) => {
    const number = c.uint32() | 0
    const label = enumType?.names.get(number)
    if (label === undefined) throw new RowFault(`Enum value ${number} is not known on field ${name}.`)
    out.setText(row, label)
  }
}

function boolStore({ field, builder }: ValueTarget): Store {
  const read = integerReader(field.type)
  const out = builder as FixedColumn
  return (c, row) => {
    read(c)
    out.setByte(row, c.lo !== 0 || c.hi !== 0 ? 1 : 0)
  }
}

function int64Store({ field, builder }: ValueTarget): Store {
  const read = integerReader(field.type)
  const out = builder as FixedColumn
  return (c, row) => {
    read(c)
    out.setHalves(row, c.lo, c.hi)
  }
}

function floatStore({ field, builder }: ValueTarget): Store {
  const out = builder as FixedColumn
  return kindOf(field.type) === 'double'
    ? (c, row) => out.setDouble(row, c.double())
    : (c, row) => out.setDouble(row, c.float())
}

function dateStore(target: ValueTarget): Store {
  const read = integerReader(target.field.type)
  const sink = dateSink(target)
  return (c, row) => {
    read(c)
    const days = (c.hi | 0) * 4294967296 + c.lo
    // Only beyond 2^53, far out of range, do the digits of a double lie.
    sink(row, days, Number.isSafeInteger(days) ? String(days) : String(c.int64()))
  }
}

function packedStore({ field, column, name, builder }: ValueTarget): Store {
  const out = builder as FixedColumn
  const isTime = column.type === 'TIME'
  const unpack = isTime ? unpackTime : unpackDatetime
  const read = integerReader(field.type)
  const time: CivilTime = { seconds: 0, micros: 0 }
  return (c, row) => {
    read(c)
    if (!unpack(c.lo, c.hi, time))
      throw new RowFault(`Invalid ${isTime ? 'time' : 'datetime'} value: ${c.int64()} on field ${name}.`)
    out.setMicros(row, time.seconds, time.micros)
  }
}

/** Well inside the range of TIMESTAMP, and cheap to compare with a double. */
const SAFE_TIMESTAMP_MICROS = 6.2e16

function timestampStore(target: ValueTarget): Store {
  const read = integerReader(target.field.type)
  const sink = timestampSink(target)
  if (hasPicoseconds(target.column))
    return (c, row) => {
      read(c)
      sink(row, c.int64())
    }
  const out = target.builder as FixedColumn
  return (c, row) => {
    read(c)
    if (Math.abs((c.hi | 0) * 4294967296 + c.lo) > SAFE_TIMESTAMP_MICROS) sink(row, c.int64())
    else out.setHalves(row, c.lo, c.hi)
  }
}

/** The longest a 256-bit integer can be. */
const DECIMAL_BYTES_MAX = 32

function decimalBytesStore(target: ValueTarget): Store {
  const { column, name } = target
  const sink = decimalSink(target)
  return (c, row) => {
    const length = c.length()
    c.pos += length
    if (length > DECIMAL_BYTES_MAX)
      throw new RowFault(`Invalid ${column.type} value: ${length} bytes on field ${name}.`)
    sink(row, fromLittleEndian(c.bytes.subarray(c.pos - length, c.pos)))
  }
}

function decimalFloatStore(target: ValueTarget): Store {
  const sink = literalSink(target)!
  const isDouble = kindOf(target.field.type) === 'double'
  const { column, name } = target
  return (c, row) => {
    const value = isDouble ? c.double() : c.float()
    if (!Number.isFinite(value))
      throw new RowFault(`Invalid ${column.type} value: ${shown(String(value))} on field ${name}.`)
    sink(row, String(value))
  }
}

function decimalIntegerStore(target: ValueTarget): Store {
  const { field, column } = target
  const read = integerReader(field.type)
  const sink = decimalSink(target)
  const isUnsigned = kindOf(field.type) === 'uint64'
  const unit = 10n ** BigInt(scaleOf(column))
  return (c, row) => {
    read(c)
    sink(row, (isUnsigned ? BigInt.asUintN(64, c.int64()) : c.int64()) * unit)
  }
}
