// AppendRowsRequest, read by hand: the rows stay where they are, only their positions are taken.
// Field numbers: protos/google/cloud/bigquery/storage/v1/storage.proto.
import { Cursor, WIRE } from './cursor.ts'

/** Rows of one request: row i is `bytes[bounds[2i], bounds[2i+1])`. `bounds` is reused by the next request read. */
export type RowSpans = { readonly bytes: Buffer; readonly bounds: Uint32Array; readonly count: number }

export type MissingValue = 'unspecified' | 'null' | 'default'

export type AppendRequest = {
  readonly byteLength: number
  readonly writeStream: string
  readonly offset: bigint | undefined
  /** What `rows` are written in; undefined when the request has none. */
  readonly format: 'proto' | 'arrow' | undefined
  /** The writer schema, when the request carries one: a serialized DescriptorProto, or an Arrow IPC schema message. */
  readonly schema: Buffer | undefined
  /** The Arrow IPC record batch message, when `format` is arrow. */
  readonly recordBatch: Buffer | undefined
  readonly rows: RowSpans
  readonly traceId: string
  readonly missingValues: ReadonlyMap<string, MissingValue> | undefined
  readonly defaultMissingValue: MissingValue | undefined
}

const MISSING_VALUES: readonly MissingValue[] = ['unspecified', 'null', 'default']

let bounds = new Uint32Array(8192)

function addRow(count: number, start: number, end: number): void {
  if (count * 2 + 2 > bounds.length) {
    const larger = new Uint32Array(bounds.length * 2)
    larger.set(bounds)
    bounds = larger
  }
  bounds[count * 2] = start
  bounds[count * 2 + 1] = end
}

/** Throws MalformedProto when the bytes are no such message. The rows point into `bytes`. */
export function readAppendRequest(bytes: Buffer): AppendRequest {
  const cursor = new Cursor(bytes)
  let writeStream = ''
  let offset: bigint | undefined
  let format: AppendRequest['format']
  let schema: Buffer | undefined
  let recordBatch: Buffer | undefined
  let count = 0
  let traceId = ''
  let missingValues: Map<string, MissingValue> | undefined
  let defaultMissingValue: MissingValue | undefined

  const readProtoRows = (c: Cursor): void => {
    while (c.pos < c.end) {
      const tag = c.tag()
      if (tag === 0x0a) {
        const length = c.length()
        const rowStart = c.pos
        c.pos += length
        addRow(count++, rowStart, c.pos)
      } else c.skip(tag & 7)
    }
  }
  /** The one bytes field of ProtoSchema, ArrowSchema and ArrowRecordBatch. */
  const readBytes = (c: Cursor): Buffer | undefined => {
    let found: Buffer | undefined
    while (c.pos < c.end) {
      const tag = c.tag()
      if (tag === 0x0a) {
        const length = c.length()
        found = bytes.subarray(c.pos, c.pos + length)
        c.pos += length
      } else c.skip(tag & 7)
    }
    return found
  }
  const readSchema = (c: Cursor): void => {
    schema = readBytes(c)
  }
  const readProtoData = (c: Cursor): void => {
    while (c.pos < c.end) {
      const tag = c.tag()
      if (tag === 0x0a) c.within(readSchema)
      else if (tag === 0x12) c.within(readProtoRows)
      else c.skip(tag & 7)
    }
  }
  const readArrowData = (c: Cursor): void => {
    while (c.pos < c.end) {
      const tag = c.tag()
      if (tag === 0x0a) c.within(readSchema)
      else if (tag === 0x12)
        c.within(inner => {
          recordBatch = readBytes(inner)
        })
      else c.skip(tag & 7)
    }
  }
  const readOffset = (c: Cursor): void => {
    offset = 0n
    while (c.pos < c.end) {
      const tag = c.tag()
      if (tag === 0x08) {
        c.varint64()
        offset = c.int64()
      } else c.skip(tag & 7)
    }
  }
  const readMissingValue = (c: Cursor): void => {
    let column = ''
    let value: MissingValue = 'unspecified'
    while (c.pos < c.end) {
      const tag = c.tag()
      if (tag === 0x0a) column = c.text()
      else if (tag === 0x10) value = MISSING_VALUES[c.uint32()] ?? 'unspecified'
      else c.skip(tag & 7)
    }
    missingValues ??= new Map()
    missingValues.set(column, value)
  }

  while (cursor.pos < cursor.end) {
    const tag = cursor.tag()
    switch (tag) {
      case (1 << 3) | WIRE.BYTES:
        writeStream = cursor.text()
        break
      case (2 << 3) | WIRE.BYTES:
        cursor.within(readOffset)
        break
      case (4 << 3) | WIRE.BYTES:
        format = 'proto'
        cursor.within(readProtoData)
        break
      case (5 << 3) | WIRE.BYTES:
        format = 'arrow'
        cursor.within(readArrowData)
        break
      case (6 << 3) | WIRE.BYTES:
        traceId = cursor.text()
        break
      case (7 << 3) | WIRE.BYTES:
        cursor.within(readMissingValue)
        break
      case (8 << 3) | WIRE.VARINT:
        defaultMissingValue = MISSING_VALUES[cursor.uint32()] ?? 'unspecified'
        break
      default:
        cursor.skip(tag & 7)
    }
  }
  return {
    byteLength: bytes.length,
    writeStream,
    offset,
    format,
    schema,
    recordBatch,
    rows: { bytes, bounds, count },
    traceId,
    missingValues,
    defaultMissingValue,
  }
}
