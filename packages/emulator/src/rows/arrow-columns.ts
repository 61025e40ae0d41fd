// Arrow fields × table columns → readers of one field's array into its column's builder, by way of the column's sink.
// Which type goes into which column: https://cloud.google.com/bigquery/docs/supported-data-types (Arrow). Beyond that table: Time64,
// LargeUtf8, LargeBinary and LargeList are taken for what their smaller kin are.
import { type Column, hasPicoseconds } from '../catalog/table-schema.ts'
import { type ArrowBatch, type ArrowField, type ArrowType, arrowTypeName, type Span } from './arrow-ipc.ts'
import type { FixedColumn, ListColumn, StructColumn } from './columns.ts'
import { fromLittleEndian } from './decimal.ts'
import { ExtraFields, innerColumns, UnusableDescriptor } from './field-match.ts'
import {
  checkRange,
  civilSink,
  dateSink,
  decimalSink,
  intervalSink,
  literalSink,
  type Place,
  RowFault,
  scaleOf,
  textSink,
  timestampSink,
} from './sinks.ts'

/** Puts element `index` of an array into row `row` of the builder. Throws RowFault. */
type SetElement = (index: number, row: number) => void
/** Takes the field's array, of at least `length` elements, from a batch. Throws UnusableDescriptor. */
export type BindArray = (batch: ArrowBatch, length: number) => SetElement

export type ArrowMatch = { readonly index: number; readonly bind: BindArray }

/** Throws ExtraFields or UnusableDescriptor. */
export function matchArrowFields(
  fields: readonly ArrowField[],
  columns: readonly Column[],
  builders: readonly Place['builder'][],
  path = '',
): ArrowMatch[] {
  const byName = new Map(columns.map((column, index) => [column.name.toLowerCase(), { column, index }]))
  const taken = new Set<number>()
  return fields.map(field => {
    const found = byName.get(field.name.toLowerCase())
    if (!found) throw new ExtraFields((path + field.name).slice(0, 1000))
    const { column, index } = found
    if (taken.has(index))
      throw new UnusableDescriptor(`Column ${path}${column.name} is written by more than one Arrow field.`)
    taken.add(index)
    return { index, bind: bindField(field, { column, name: path + column.name, builder: builders[index]! }) }
  })
}

const mismatch = (type: ArrowType, { column, name }: Place): UnusableDescriptor =>
  new UnusableDescriptor(
    `The Arrow field mismatched with BigQuery field at ${name}, the Arrow field type ${arrowTypeName(type)}, BigQuery field type ${column.mode === 'REPEATED' ? 'REPEATED ' : ''}${column.type}`,
  )

function bindField(field: ArrowField, place: Place): BindArray {
  const { column, builder } = place
  if (column.mode === 'REPEATED') return bindList(field, place)
  if (column.type === 'STRUCT' || column.type === 'RANGE') return bindStruct(field, place)
  const bindValues = valuesOf(field.type, place)
  if (!bindValues) throw mismatch(field.type, place)
  const { name } = place
  const isRequired = column.mode === 'REQUIRED'
  return (batch, length) => {
    const isNull = takeNulls(batch, length, name)
    const set = bindValues(batch, length)
    return (index, row) => {
      if (!isNull?.(index)) set(index, row)
      else if (isRequired) throw new RowFault(`Required field ${name} is missing.`)
      else builder.valid[row] = 0
    }
  }
}

/** Takes an array's node and validity; undefined when no element is null. */
function takeNulls(batch: ArrowBatch, length: number, name: string): ((index: number) => boolean) | undefined {
  const { nullCount } = batch.takeNode(length, name)
  const span = batch.takeSpan(nullCount === 0 ? 0 : Math.ceil(length / 8), name)
  if (nullCount === 0) return undefined
  const { bytes } = batch
  return index => ((bytes[span.start + (index >> 3)]! >> (index & 7)) & 1) === 0
}

/** Takes offsets; the bounds of an element are checked when it is read, so that no element lies in another's. */
function takeOffsets(
  batch: ArrowBatch,
  length: number,
  isLarge: boolean,
  name: string,
): { at(index: number): number; last: number } {
  const width = isLarge ? 8 : 4
  // An array without elements may come without its one offset.
  const { start } = batch.takeSpan(length === 0 ? 0 : (length + 1) * width, name)
  const { bytes } = batch
  const at = (index: number): number =>
    isLarge ? Number(bytes.readBigInt64LE(start + index * 8)) : bytes.readInt32LE(start + index * 4)
  return { at, last: length === 0 ? 0 : at(length) }
}

function checkBounds(from: number, to: number, limit: number, name: string): void {
  if (!(from >= 0 && from <= to && to <= limit))
    throw new UnusableDescriptor(`Malformed Arrow message: an offset of field ${name} is out of order.`)
}

function bindList(field: ArrowField, place: Place): BindArray {
  const { column, name } = place
  const { type } = field
  const child = field.children[0]
  if (type.kind !== 'list' || !child) throw mismatch(type, place)
  const list = place.builder as ListColumn
  const bindChild = bindField(child, { column: { ...column, mode: 'NULLABLE' }, name, builder: list.child })
  return (batch, length) => {
    const isNull = takeNulls(batch, length, name)
    const offsets = takeOffsets(batch, length, type.isLarge, name)
    checkBounds(0, offsets.last, Number.MAX_SAFE_INTEGER, name)
    const set = bindChild(batch, offsets.last)
    return (index, row) => {
      // A list that is NULL is an empty one.
      if (isNull?.(index)) return
      const from = offsets.at(index)
      const to = offsets.at(index + 1)
      checkBounds(from, to, offsets.last, name)
      for (let element = from; element < to; element++) {
        const childRow = list.push(row)
        set(element, childRow)
        if (list.child.valid[childRow] === 0) throw new RowFault(`Repeated field ${name} cannot hold NULL.`)
      }
    }
  }
}

function bindStruct(field: ArrowField, place: Place): BindArray {
  const { column, name } = place
  if (field.type.kind !== 'struct') throw mismatch(field.type, place)
  const struct = place.builder as StructColumn
  const columns = innerColumns(column)
  const matches = matchArrowFields(field.children, columns, struct.children, `${name}.`)
  const matched = new Set(matches.map(match => match.index))
  const lacking = columns.find((inner, index) => inner.mode === 'REQUIRED' && !matched.has(index))
  return (batch, length) => {
    const isNull = takeNulls(batch, length, name)
    const sets = matches.map(match => match.bind(batch, length))
    return (index, row) => {
      if (isNull?.(index)) {
        if (column.mode === 'REQUIRED') throw new RowFault(`Required field ${name} is missing.`)
        return
      }
      struct.valid[row] = 1
      for (const set of sets) set(index, row)
      if (lacking) throw new RowFault(`Required field ${name}.${lacking.name} is missing.`)
      if (column.type === 'RANGE') checkRange(struct, row, name)
    }
  }
}

type BindValues = (batch: ArrowBatch, length: number) => SetElement

/** The values of an array without nulls; undefined when the types do not go together. */
function valuesOf(type: ArrowType, place: Place): BindValues | undefined {
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
