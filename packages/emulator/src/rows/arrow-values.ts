// Arrow types × column types → readers of an array's values, by way of the column's sink.
// Which type goes into which column: https://cloud.google.com/bigquery/docs/supported-data-types (Arrow). Beyond that table: Time64,
// LargeUtf8 and LargeBinary are taken for what their smaller kin are.
import { hasPicoseconds } from '../catalog/table-schema.ts'
import { checkBounds, takeOffsets } from './arrow-arrays.ts'
import type { ArrowBatch, ArrowType, Span } from './arrow-ipc.ts'
import type { FixedColumn } from './columns.ts'
import { fromLittleEndian } from './decimal.ts'
import {
  civilSink,
  dateSink,
  decimalSink,
  intervalSink,
  literalSink,
  type Place,
  scaleOf,
  textSink,
  timestampSink,
} from './sinks.ts'

/** Puts element `index` of an array into row `row` of the builder. Throws RowFault. */
export type SetElement = (index: number, row: number) => void
type BindValues = (batch: ArrowBatch, length: number) => SetElement

/** The values of an array without nulls; undefined when the types do not go together. */
export function valuesOf(type: ArrowType, place: Place): BindValues | undefined {
  const { column } = place
  switch (column.type) {
    case 'BOOL':
      return type.kind === 'bool' ? bools(place) : undefined
    case 'INT64':
      return type.kind === 'int' && type.isSigned ? integers(type.bits, place) : undefined
    case 'FLOAT64':
      return type.kind === 'float' && type.bits !== 16 ? floats(type.bits, place) : undefined
    case 'STRING':
    case 'JSON':
    case 'GEOGRAPHY':
      return type.kind === 'utf8' ? texts(type.isLarge, place) : undefined
    case 'BYTES':
      return type.kind === 'binary' ? texts(type.isLarge, place) : undefined
    case 'DATE':
      if ((type.kind === 'date' && type.unit === 'day') || (type.kind === 'int' && type.isSigned && type.bits === 32))
        return dates(place)
      return type.kind === 'utf8' ? literals(type.isLarge, place) : undefined
    case 'TIME':
      if (type.kind === 'utf8') return literals(type.isLarge, place)
      return type.kind === 'time' && type.unit === 'microsecond' ? micros(place) : undefined
    case 'DATETIME':
      return type.kind === 'timestamp' && type.unit === 'microsecond' && type.timezone === ''
        ? micros(place)
        : undefined
    case 'TIMESTAMP':
      return timestamps(type, place)
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return decimals(type, place)
    case 'INTERVAL':
      if (type.kind === 'utf8') return literals(type.isLarge, place)
      return type.kind === 'interval' ? intervals(type.unit, place) : undefined
    case 'STRUCT':
    case 'RANGE':
      return undefined
  }
}

/** Elements of `width` bytes each, handed on by where they lie. */
function fixed(width: number, { name }: Place, set: (bytes: Buffer, at: number, row: number) => void): BindValues {
  return (batch, length) => {
    const { start } = batch.takeSpan(length * width, name)
    const { bytes } = batch
    return (index, row) => set(bytes, start + index * width, row)
  }
}

function bools({ name, builder }: Place): BindValues {
  const out = builder as FixedColumn
  return (batch, length) => {
    const { start } = batch.takeSpan(Math.ceil(length / 8), name)
    const { bytes } = batch
    return (index, row) => out.setByte(row, (bytes[start + (index >> 3)]! >> (index & 7)) & 1)
  }
}

function integers(bits: number, place: Place): BindValues | undefined {
  const out = place.builder as FixedColumn
  const extended = (row: number, value: number): void => out.setHalves(row, value, value < 0 ? 0xffffffff : 0)
  switch (bits) {
    case 8:
      return fixed(1, place, (bytes, at, row) => extended(row, bytes.readInt8(at)))
    case 16:
      return fixed(2, place, (bytes, at, row) => extended(row, bytes.readInt16LE(at)))
    case 32:
      return fixed(4, place, (bytes, at, row) => extended(row, bytes.readInt32LE(at)))
    case 64:
      return fixed(8, place, (bytes, at, row) => out.setHalves(row, bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)))
    default:
      return undefined
  }
}

function floats(bits: 32 | 64, place: Place): BindValues {
  const out = place.builder as FixedColumn
  return bits === 64
    ? fixed(8, place, (bytes, at, row) => out.setDouble(row, bytes.readDoubleLE(at)))
    : fixed(4, place, (bytes, at, row) => out.setDouble(row, bytes.readFloatLE(at)))
}

/** Elements of any length, handed on by where they lie. */
function variable(
  isLarge: boolean,
  { name }: Place,
  set: (row: number, bytes: Buffer, start: number, end: number) => void,
): BindValues {
  return (batch, length) => {
    const offsets = takeOffsets(batch, length, isLarge, name)
    const data: Span = batch.takeSpan(0, name)
    const { bytes } = batch
    return (index, row) => {
      const from = offsets.at(index)
      const to = offsets.at(index + 1)
      checkBounds(from, to, data.end - data.start, name)
      set(row, bytes, data.start + from, data.start + to)
    }
  }
}

const texts = (isLarge: boolean, place: Place): BindValues => variable(isLarge, place, textSink(place))

function literals(isLarge: boolean, place: Place): BindValues {
  const sink = literalSink(place)!
  return variable(isLarge, place, (row, bytes, start, end) => sink(row, bytes.toString('utf8', start, end)))
}

function dates(place: Place): BindValues {
  const sink = dateSink(place)
  return fixed(4, place, (bytes, at, row) => {
    const days = bytes.readInt32LE(at)
    sink(row, days, String(days))
  })
}

function micros(place: Place): BindValues {
  const sink = civilSink(place)
  return fixed(8, place, (bytes, at, row) => sink(row, bytes.readBigInt64LE(at)))
}

const UTC: ReadonlySet<string> = new Set(['UTC', 'Etc/UTC', 'Z', '+00:00', '-00:00', '+0000', '+00'])

function timestamps(type: ArrowType, place: Place): BindValues | undefined {
  if (type.kind !== 'timestamp' || !UTC.has(type.timezone)) return undefined
  const sink = timestampSink(place)
  if (type.unit === 'microsecond') return fixed(8, place, (bytes, at, row) => sink(row, bytes.readBigInt64LE(at)))
  if (type.unit !== 'nanosecond' || !hasPicoseconds(place.column)) return undefined
  return fixed(8, place, (bytes, at, row) => {
    const nanos = bytes.readBigInt64LE(at)
    const rest = ((nanos % 1000n) + 1000n) % 1000n
    sink(row, (nanos - rest) / 1000n, Number(rest) * 1000)
  })
}

function decimals(type: ArrowType, place: Place): BindValues | undefined {
  const { column } = place
  const bitsMax = column.type === 'BIGNUMERIC' ? 256 : 128
  if (type.kind !== 'decimal' || (type.bits !== 128 && type.bits !== 256) || type.bits > bitsMax) return undefined
  const scale = scaleOf(column)
  if (type.scale < 0 || type.scale > scale) return undefined
  const unit = 10n ** BigInt(scale - type.scale)
  const sink = decimalSink(place)
  const width = type.bits / 8
  return fixed(width, place, (bytes, at, row) => sink(row, fromLittleEndian(bytes.subarray(at, at + width)) * unit))
}

function intervals(unit: 'yearMonth' | 'dayTime' | 'monthDayNano', place: Place): BindValues {
  const sink = intervalSink(place)
  switch (unit) {
    case 'yearMonth':
      return fixed(4, place, (bytes, at, row) => sink(row, { months: bytes.readInt32LE(at), days: 0, micros: 0n }))
    case 'dayTime':
      return fixed(8, place, (bytes, at, row) =>
        sink(row, { months: 0, days: bytes.readInt32LE(at), micros: BigInt(bytes.readInt32LE(at + 4)) * 1000n }),
      )
    case 'monthDayNano':
      return fixed(16, place, (bytes, at, row) =>
        sink(row, {
          months: bytes.readInt32LE(at),
          days: bytes.readInt32LE(at + 4),
          micros: bytes.readBigInt64LE(at + 8) / 1000n,
        }),
      )
  }
}
