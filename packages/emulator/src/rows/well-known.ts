// Messages that stand for one value: wrappers, google.protobuf.Timestamp and Duration, and {seconds, picoseconds}.
// Clients flatten their names with `_`, so the last part of the name decides. A message that comes twice merges, as proto2 says.
import { type ColumnType, hasPicoseconds } from '../catalog/table-schema.ts'
import { Cursor, WIRE } from '../wire/cursor.ts'
import type { FieldDescriptor, MessageDescriptor } from './descriptor.ts'
import { intervalSink, RowFault, timestampSink } from './sinks.ts'
import { expecting, type ReadField, scalarReader, type ValueTarget } from './values.ts'
import { integerReader, kindOf, type ValueKind, wireTypeOf } from './wire-types.ts'

/** https://cloud.google.com/bigquery/docs/supported-data-types */
const WRAPPERS: Readonly<Record<string, readonly [value: ValueKind, columns: readonly ColumnType[]]>> = {
  BoolValue: ['bool', ['BOOL']],
  BytesValue: ['bytes', ['BYTES', 'NUMERIC', 'BIGNUMERIC']],
  StringValue: ['string', ['STRING']],
  Int32Value: ['int32', ['INT64']],
  Int64Value: ['int64', ['INT64']],
  UInt32Value: ['uint32', ['INT64']],
  DoubleValue: ['double', ['FLOAT64']],
  FloatValue: ['float', ['FLOAT64']],
}

/** The reader of a message field whose column is no STRUCT or RANGE; undefined when the message stands for no such value. */
export function messageReader(target: ValueTarget): ReadField | undefined {
  const { nested, column } = target
  if (!nested) return undefined
  const simpleName = nested.name.split(/[._]/).at(-1)!
  if (column.type === 'TIMESTAMP') {
    if (hasPicoseconds(column) && integerField(nested, 'picoseconds')) return picosecondsReader(target, nested)
    return simpleName === 'Timestamp' ? protoTimestampReader(target, nested) : undefined
  }
  if (column.type === 'INTERVAL') return simpleName === 'Duration' ? durationReader(target, nested) : undefined
  return wrapperReader(target, nested, simpleName)
}

function wrapperReader(target: ValueTarget, nested: MessageDescriptor, simpleName: string): ReadField | undefined {
  const [kind, columns] = Object.hasOwn(WRAPPERS, simpleName) ? WRAPPERS[simpleName]! : []
  const value = nested.fields.find(field => field.number === 1)
  if (!value || kindOf(value.type) !== kind || !columns?.includes(target.column.type)) return undefined
  const read = scalarReader({ ...target, field: value, nested: undefined })
  if (!read) return undefined
  const { builder } = target
  const wire = wireTypeOf(value.type)
  const zero = Buffer.alloc(8)
  const tag = (1 << 3) | wire
  return expecting(WIRE.BYTES, target.name, (c, row) => {
    if (builder.valid[row] === 0) read(new Cursor(zero), wire, row)
    c.within(inner => {
      while (inner.pos < inner.end) {
        const innerTag = inner.tag()
        if (innerTag === tag) read(inner, wire, row)
        else inner.skip(innerTag & 7)
      }
    })
  })
}

function integerField(message: MessageDescriptor, name: string): FieldDescriptor | undefined {
  return message.fields.find(
    field => field.name === name && field.label !== 'repeated' && /^u?int/.test(kindOf(field.type) ?? ''),
  )
}

/** Reads messages of `seconds` and a field of parts of a second; undefined when it has not these two. */
function secondsReader(
  target: ValueTarget,
  nested: MessageDescriptor,
  partsName: string,
  store: (row: number, seconds: bigint, parts: bigint) => void,
): ReadField | undefined {
  const secondsField = integerField(nested, 'seconds')
  const partsField = integerField(nested, partsName)
  if (!secondsField || !partsField) return undefined
  const readSeconds = integerReader(secondsField.type)
  const readParts = integerReader(partsField.type)
  const secondsTag = ((secondsField.number << 3) | wireTypeOf(secondsField.type)) >>> 0
  const partsTag = ((partsField.number << 3) | wireTypeOf(partsField.type)) >>> 0
  let seconds = 0n
  let parts = 0n
  return expecting(WIRE.BYTES, target.name, (c, row) => {
    // A second part of the same message merges with what the first left here.
    if (target.builder.valid[row] === 0) {
      seconds = 0n
      parts = 0n
    }
    c.within(inner => {
      while (inner.pos < inner.end) {
        const tag = inner.tag()
        if (tag === secondsTag) {
          readSeconds(inner)
          seconds = inner.int64()
        } else if (tag === partsTag) {
          readParts(inner)
          parts = inner.int64()
        } else inner.skip(tag & 7)
      }
    })
    store(row, seconds, parts)
  })
}

const floorDiv = (value: bigint, by: bigint): bigint => (value - (((value % by) + by) % by)) / by

function protoTimestampReader(target: ValueTarget, nested: MessageDescriptor): ReadField | undefined {
  const sink = timestampSink(target)
  return secondsReader(target, nested, 'nanos', (row, seconds, nanos) => {
    const micros = floorDiv(nanos, 1000n)
    sink(row, seconds * 1_000_000n + micros, Number(nanos - micros * 1000n) * 1000)
  })
}

function picosecondsReader(target: ValueTarget, nested: MessageDescriptor): ReadField | undefined {
  const sink = timestampSink(target)
  return secondsReader(target, nested, 'picoseconds', (row, seconds, picos) => {
    if (picos < 0n || picos > 999_999_999_999n)
      throw new RowFault(`Timestamp field value is out of range: ${picos} picoseconds on field ${target.name}.`)
    sink(row, seconds * 1_000_000n + picos / 1_000_000n, Number(picos % 1_000_000n))
  })
}

function durationReader(target: ValueTarget, nested: MessageDescriptor): ReadField | undefined {
  const sink = intervalSink(target)
  return secondsReader(target, nested, 'nanos', (row, seconds, nanos) =>
    sink(row, { months: 0, days: 0, micros: seconds * 1_000_000n + nanos / 1000n }),
  )
}
