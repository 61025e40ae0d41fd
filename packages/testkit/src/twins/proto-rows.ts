// Reads rows out of frozen request bytes, for twins and checkers: plain objects by column name, every value as proto stores it.
import { assert, type FrozenRows, PROTO_TYPE, type WriterField, type WriterSchema } from '@millrace/core'

export type ProtoValue = bigint | number | boolean | string | Buffer | ProtoRow | readonly ProtoValue[]
export type ProtoRow = { readonly [column: string]: ProtoValue }

/** The serialized rows of a request, checked against its row count. Views on the same memory. */
export function splitRows(rows: FrozenRows): readonly Buffer[] {
  const cursor: Cursor = { bytes: rows.bytes, at: rows.start, end: rows.end }
  const out: Buffer[] = []
  while (cursor.at < cursor.end) {
    assert(readVarint(cursor) === 0x0an, 'Frozen rows are a run of serialized_rows fields (tag 0x0a).')
    out.push(readBytes(cursor))
  }
  assert(out.length === rows.rowCount, `Frozen rows hold ${out.length} rows, not ${rows.rowCount}.`)
  return out
}

/** Fields the schema does not have are an error; absent ones are absent. */
export function decodeRow(bytes: Buffer, schema: WriterSchema): ProtoRow {
  const row: Record<string, ProtoValue> = {}
  const cursor: Cursor = { bytes, at: 0, end: bytes.length }
  while (cursor.at < cursor.end) {
    const tag = Number(readVarint(cursor))
    const field = schema.fields.find(candidate => candidate.number === tag >> 3)
    assert(field !== undefined, `A row has the field number ${tag >> 3}, which its schema lacks.`)
    const name = field.columnName ?? field.name
    const isPacked = field.label === 'repeated' && (tag & 7) === 2 && !isLengthDelimited(field)
    if (isPacked) row[name] = [...asList(row[name]), ...readPacked(readBytes(cursor), field)]
    else if (field.label === 'repeated') row[name] = [...asList(row[name]), readValue(cursor, field)]
    else row[name] = readValue(cursor, field)
  }
  return row
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true })

type Cursor = { readonly bytes: Buffer; at: number; readonly end: number }

const isLengthDelimited = (field: WriterField): boolean =>
  field.type === PROTO_TYPE.STRING || field.type === PROTO_TYPE.BYTES || field.type === PROTO_TYPE.MESSAGE

const asList = (value: ProtoValue | undefined): readonly ProtoValue[] =>
  Array.isArray(value) ? (value as readonly ProtoValue[]) : []

function readPacked(bytes: Buffer, field: WriterField): readonly ProtoValue[] {
  const cursor: Cursor = { bytes, at: 0, end: bytes.length }
  const out: ProtoValue[] = []
  while (cursor.at < cursor.end) out.push(readValue(cursor, field))
  return out
}

function readValue(cursor: Cursor, field: WriterField): ProtoValue {
  switch (field.type) {
    case PROTO_TYPE.INT64:
      return BigInt.asIntN(64, readVarint(cursor))
    case PROTO_TYPE.INT32:
      return Number(BigInt.asIntN(32, readVarint(cursor)))
    case PROTO_TYPE.BOOL:
      return readVarint(cursor) !== 0n
    case PROTO_TYPE.DOUBLE:
      cursor.at += 8
      assert(cursor.at <= cursor.end, 'A row ends inside a double.')
      return cursor.bytes.readDoubleLE(cursor.at - 8)
    case PROTO_TYPE.STRING:
      return UTF_8.decode(readBytes(cursor))
    case PROTO_TYPE.BYTES:
      return Buffer.from(readBytes(cursor)) // the row outlives the request
    case PROTO_TYPE.MESSAGE:
      return decodeRow(readBytes(cursor), { fields: field.fields ?? [] })
  }
}

function readBytes(cursor: Cursor): Buffer {
  const length = Number(readVarint(cursor))
  assert(length <= cursor.end - cursor.at, 'A length points beyond the row.')
  cursor.at += length
  return cursor.bytes.subarray(cursor.at - length, cursor.at)
}

function readVarint(cursor: Cursor): bigint {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    assert(cursor.at < cursor.end, 'A row ends inside a varint.')
    const byte = cursor.bytes[cursor.at++] ?? 0
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
  throw new RangeError('A varint is longer than ten bytes.')
}
