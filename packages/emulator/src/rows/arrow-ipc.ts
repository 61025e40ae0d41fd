// Arrow's IPC messages: the schema, and the record batch that lies apart from it.
// Tables and their slots: https://github.com/apache/arrow/blob/main/format/Schema.fbs and Message.fbs; what surrounds them:
// https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
import { UnusableDescriptor } from './field-match.ts'
import { FlatTable, needBytes } from './flatbuffer.ts'

export type TimeUnit = 'second' | 'millisecond' | 'microsecond' | 'nanosecond'
const TIME_UNITS: readonly TimeUnit[] = ['second', 'millisecond', 'microsecond', 'nanosecond']

export type ArrowType =
  | { readonly kind: 'int'; readonly bits: number; readonly isSigned: boolean }
  | { readonly kind: 'float'; readonly bits: 16 | 32 | 64 }
  /** Utf8 and Binary; large ones have offsets of 64 bits. */
  | { readonly kind: 'utf8' | 'binary' | 'list'; readonly isLarge: boolean }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number; readonly bits: number }
  | { readonly kind: 'date'; readonly unit: 'day' | 'millisecond' }
  | { readonly kind: 'time'; readonly unit: TimeUnit; readonly bits: number }
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit; readonly timezone: string }
  | { readonly kind: 'interval'; readonly unit: 'yearMonth' | 'dayTime' | 'monthDayNano' }
  | { readonly kind: 'bool' | 'struct' }
  /** One that no column takes. */
  | { readonly kind: 'other'; readonly name: string }

export type ArrowField = { readonly name: string; readonly type: ArrowType; readonly children: readonly ArrowField[] }

/** The types' numbers, by Schema.fbs. */
const TYPE_NAMES = [
  'None',
  'Null',
  'Int',
  'FloatingPoint',
  'Binary',
  'Utf8',
  'Bool',
  'Decimal',
  'Date',
  'Time',
  'Timestamp',
  'Interval',
  'List',
  'Struct',
  'Union',
  'FixedSizeBinary',
  'FixedSizeList',
  'Map',
  'Duration',
  'LargeBinary',
  'LargeUtf8',
  'LargeList',
  'RunEndEncoded',
  'BinaryView',
  'Utf8View',
  'ListView',
  'LargeListView',
] as const

const HEADER = { schema: 1, dictionaryBatch: 2, recordBatch: 3 } as const
const HEADER_NAMES = ['nothing', 'a schema', 'a dictionary batch', 'a record batch', 'a tensor', 'a sparse tensor']
/** As many as a BigQuery table has columns. */
const FIELDS_MAX = 10_000
const DEPTH_MAX = 16

type Message = { readonly header: FlatTable; readonly body: number; readonly bodyLength: number }

/** Throws UnusableDescriptor. `body` is where in `bytes` the message's body starts. */
function readMessage(bytes: Buffer, wanted: 'schema' | 'recordBatch'): Message {
  needBytes(bytes, 0, 8, 'its length')
  // Before Arrow 0.15 there was no continuation mark.
  const start = bytes.readInt32LE(0) === -1 ? 8 : 4
  const length = bytes.readInt32LE(start - 4)
  if (length <= 0) throw new UnusableDescriptor('Malformed Arrow message: it is empty.')
  needBytes(bytes, start, length, 'its metadata')
  const message = FlatTable.root(bytes.subarray(start, start + length))
  const type = message.uint8(1)
  const header = message.table(2)
  if (type !== HEADER[wanted] || !header)
    throw new UnusableDescriptor(
      `An Arrow message of ${HEADER_NAMES[HEADER[wanted]]} was expected, not of ${HEADER_NAMES[type] ?? `type ${type}`}.`,
    )
  const body = start + length
  const bodyLength = message.int64(3)
  needBytes(bytes, body, bodyLength, 'its body')
  return { header, body, bodyLength }
}

/** The fields of an IPC schema message. Throws UnusableDescriptor. */
export function readArrowSchema(bytes: Buffer): readonly ArrowField[] {
  const { header } = readMessage(bytes, 'schema')
  if (header.int16(0) !== 0) throw new UnusableDescriptor('Big-endian Arrow data is not supported.')
  const budget = { fields: FIELDS_MAX }
  return readFields(header, 1, budget, 0)
}

function readFields(parent: FlatTable, slot: number, budget: { fields: number }, depth: number): ArrowField[] {
  if (depth > DEPTH_MAX) throw new UnusableDescriptor(`An Arrow schema may nest at most ${DEPTH_MAX} levels.`)
  const tables = parent.tables(slot, budget.fields)
  budget.fields -= tables.length
  return tables.map(table => {
    const name = table.text(0)
    if (table.table(4))
      throw new UnusableDescriptor(
        `Arrow field ${name.slice(0, 300)}: dictionary encoding is not supported by this emulator.`,
      )
    const type = readType(table.uint8(2), table.table(3))
    return { name, type, children: readFields(table, 5, budget, depth + 1) }
  })
}

function readType(number: number, table: FlatTable | undefined): ArrowType {
  const name = TYPE_NAMES[number]
  const other: ArrowType = { kind: 'other', name: name ?? `type ${number}` }
  if (!table) return other
  switch (name) {
    case 'Int':
      return { kind: 'int', bits: table.int32(0), isSigned: table.uint8(1) !== 0 }
    case 'FloatingPoint':
      return { kind: 'float', bits: ([16, 32, 64] as const)[table.int16(0)] ?? 16 }
    case 'Utf8':
    case 'LargeUtf8':
      return { kind: 'utf8', isLarge: name === 'LargeUtf8' }
    case 'Binary':
    case 'LargeBinary':
      return { kind: 'binary', isLarge: name === 'LargeBinary' }
    case 'Bool':
      return { kind: 'bool' }
    case 'Decimal':
      return { kind: 'decimal', precision: table.int32(0), scale: table.int32(1), bits: table.int32(2, 128) }
    case 'Date':
      return { kind: 'date', unit: table.int16(0, 1) === 0 ? 'day' : 'millisecond' }
    case 'Time':
      return { kind: 'time', unit: TIME_UNITS[table.int16(0, 1)] ?? 'second', bits: table.int32(1, 32) }
    case 'Timestamp':
      return { kind: 'timestamp', unit: TIME_UNITS[table.int16(0)] ?? 'second', timezone: table.text(1) }
    case 'Interval':
      return {
        kind: 'interval',
        unit: (['yearMonth', 'dayTime', 'monthDayNano'] as const)[table.int16(0)] ?? 'yearMonth',
      }
    case 'List':
    case 'LargeList':
      return { kind: 'list', isLarge: name === 'LargeList' }
    case 'Struct':
      return { kind: 'struct' }
    default:
      return other
  }
}

/** The type as Arrow's own documents call it. */
export function arrowTypeName(type: ArrowType): string {
  switch (type.kind) {
    case 'other':
      return type.name
    case 'int':
      return `${type.isSigned ? 'Int' : 'UInt'}${type.bits}`
    case 'float':
      return `Float${type.bits}`
    case 'decimal':
      return `Decimal${type.bits}(${type.precision}, ${type.scale})`
    case 'utf8':
    case 'binary':
    case 'list':
      return `${type.isLarge ? 'Large' : ''}${type.kind[0]!.toUpperCase()}${type.kind.slice(1)}`
    case 'timestamp':
      return `Timestamp(${type.unit}${type.timezone && `, ${type.timezone.slice(0, 50)}`})`
    case 'date':
    case 'interval':
      return `${type.kind === 'date' ? 'Date' : 'Interval'}(${type.unit})`
    case 'time':
      return `Time${type.bits}(${type.unit})`
    case 'bool':
      return 'Bool'
    case 'struct':
      return 'Struct'
  }
}

/** A buffer of a record batch: `[start, end)` of the message's bytes. */
export type Span = { readonly start: number; readonly end: number }

/** A record batch whose arrays are taken one after the other, in the order of the schema's fields. */
export class ArrowBatch {
  readonly rowCount: number
  /** The whole message: spans lie in it. */
  readonly bytes: Buffer
  private readonly nodes: readonly (readonly [length: number, nullCount: number])[]
  private readonly spans: readonly Span[]
  private nextNode = 0
  private nextSpan = 0

  /** Throws UnusableDescriptor. */
  constructor(bytes: Buffer) {
    const { header, body, bodyLength } = readMessage(bytes, 'recordBatch')
    const compression = header.table(3)
    if (compression)
      throw new UnusableDescriptor(
        `Arrow record batches compressed with ${['LZ4_FRAME', 'ZSTD'][compression.uint8(0)] ?? 'an unknown codec'} are not supported by this emulator.`,
      )
    this.bytes = bytes
    this.rowCount = header.int64(0)
    this.nodes = header.pairs(1, FIELDS_MAX)
    this.spans = header.pairs(2, FIELDS_MAX * 3).map(([offset, length]) => {
      if (!(offset >= 0 && length >= 0 && offset + length <= bodyLength))
        throw new UnusableDescriptor('Malformed Arrow message: a buffer lies outside of its body.')
      return { start: body + offset, end: body + offset + length }
    })
    if (!Number.isSafeInteger(this.rowCount) || this.rowCount < 0)
      throw new UnusableDescriptor(`Malformed Arrow message: ${this.rowCount} rows.`)
  }

  /** The next array's length and nulls; it must have at least `length` elements. */
  takeNode(length: number, name: string): { length: number; nullCount: number } {
    const node = this.nodes[this.nextNode++]
    if (!node || !(node[0] >= length))
      throw new UnusableDescriptor(
        `Malformed Arrow message: field ${name} has ${node?.[0] ?? 'no'} values instead of ${length}.`,
      )
    return { length: node[0], nullCount: node[1] }
  }

  /** The next buffer; it must have at least `length` bytes. */
  takeSpan(length: number, name: string): Span {
    const span = this.spans[this.nextSpan++]
    if (!span || span.end - span.start < length)
      throw new UnusableDescriptor(
        `Malformed Arrow message: a buffer of field ${name} has ${span ? span.end - span.start : 'no'} bytes instead of ${length}.`,
      )
    return span
  }

  /** All that was sent must have been taken. */
  checkTaken(): void {
    if (this.nextNode !== this.nodes.length || this.nextSpan !== this.spans.length)
      throw new UnusableDescriptor('Malformed Arrow message: the record batch does not have the arrays of its schema.')
  }
}
