// AppendRowsRequest, framed by hand: a short head is written into the headroom before the rows, so that one buffer goes
// to gRPC and no row is copied. The head is written anew at every send; the rows themselves are never touched.
// Fields: write_stream=1, offset=2 Int64Value, proto_rows=4 {writer_schema=1 {proto_descriptor=1}, rows=2}, trace_id=6.
import { assert, type FrozenRows, type StreamName, type StreamOffset, type WriterSchema } from '@millrace/core'
import { encodeDescriptor } from './descriptor.ts'
import { bigVarintSize, ProtoWriter, varintSize, writeBigVarint, writeVarint } from './wire.ts'

const TAG_OFFSET = 0x12
const TAG_INT64_VALUE = 0x08
const TAG_PROTO_ROWS = 0x22
const TAG_ROWS = 0x12

const NO_BYTES: Buffer = Buffer.alloc(0)

/** Frames the requests of one write stream. */
export class AppendFraming {
  readonly #introduction: Buffer
  readonly #schema: Buffer
  /** `_default` takes no offsets. https://cloud.google.com/bigquery/docs/write-api#application-created_streams */
  readonly #hasOffsets: boolean

  constructor(stream: StreamName, schema: WriterSchema, traceId: string) {
    this.#introduction = new ProtoWriter().string(1, stream).string(6, traceId).finish()
    this.#schema = new ProtoWriter().bytes(1, new ProtoWriter().bytes(1, encodeDescriptor(schema)).finish()).finish()
    this.#hasOffsets = !isDefaultStream(stream)
  }

  /**
   * The request as one buffer. The first of a connection carries stream, schema and trace id (and copies the rows where
   * those do not fit the headroom); later ones carry the offset and the rows only.
   */
  frame(rows: FrozenRows, firstRow: StreamOffset, isFirst: boolean): Buffer {
    assert(firstRow >= 0n, `A request cannot start at row ${firstRow}.`)
    const introduction = isFirst ? this.#introduction : NO_BYTES
    const schema = isFirst ? this.#schema : NO_BYTES
    const rowsBytes = rows.end - rows.start
    const offsetValueBytes = 1 + bigVarintSize(firstRow)
    const offsetBytes = this.#hasOffsets ? 2 + offsetValueBytes : 0
    const protoRowsBytes = schema.length + 1 + varintSize(rowsBytes) + rowsBytes
    const headBytes = introduction.length + offsetBytes + 1 + varintSize(protoRowsBytes) + protoRowsBytes - rowsBytes

    const inPlace = headBytes <= rows.start
    assert(inPlace || isFirst, 'Frozen rows lack the headroom for a request header.')
    const target = inPlace ? rows.bytes : Buffer.allocUnsafe(headBytes + rowsBytes)
    const start = inPlace ? rows.start - headBytes : 0

    let at = start + introduction.copy(target, start)
    if (this.#hasOffsets) {
      target[at++] = TAG_OFFSET
      target[at++] = offsetValueBytes
      target[at++] = TAG_INT64_VALUE
      at = writeBigVarint(target, at, firstRow)
    }
    target[at++] = TAG_PROTO_ROWS
    at = writeVarint(target, at, protoRowsBytes)
    at += schema.copy(target, at)
    target[at++] = TAG_ROWS
    at = writeVarint(target, at, rowsBytes)
    if (!inPlace) rows.bytes.copy(target, at, rows.start, rows.end)
    return target.subarray(start, at + rowsBytes)
  }
}

/** `…/tables/T/streams/_default`, or the short spelling `…/tables/T/_default` that the service accepts too. */
export const isDefaultStream = (stream: string): boolean => stream.endsWith('/_default')
