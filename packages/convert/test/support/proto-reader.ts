// A tiny protobuf reader of the test's own: reads rows back by the writer schema, so that nothing of the encoder checks itself.
import { PROTO_TYPE, type WriterField, type WriterSchema } from '@millrace/core'

export type Decoded = { [column: string]: DecodedValue | DecodedValue[] }
export type DecodedValue = bigint | number | boolean | string | Buffer | Decoded

/** Fields by column name; repeated fields as arrays, absent ones missing. A repeated scalar outside an array fails. */
export function decodeRow(bytes: Uint8Array, schema: WriterSchema): Decoded {
  return decodeMessage(Buffer.from(bytes), schema.fields)
}

function decodeMessage(bytes: Buffer, fields: readonly WriterField[]): Decoded {
  const row: Decoded = {}
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 63n) throw new Error('truncated or endless varint')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) {
        if (byte === 0 && shift > 0n) throw new Error('varint is not minimal')
        return value
      }
    }
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const field = fields.find(candidate => candidate.number === tag >> 3)
    if (field === undefined) throw new Error(`unknown field number ${tag >> 3}`)
    const wire = tag & 7
    let value: DecodedValue
    switch (field.type) {
      case PROTO_TYPE.BOOL:
        expectWire(field, wire, 0)
        value = varint() !== 0n
        break
      case PROTO_TYPE.INT32:
      case PROTO_TYPE.INT64:
        expectWire(field, wire, 0)
        value = BigInt.asIntN(64, varint())
        break
      case PROTO_TYPE.DOUBLE:
        expectWire(field, wire, 1)
        value = bytes.readDoubleLE(at)
        at += 8
        break
      default: {
        expectWire(field, wire, 2)
        const length = Number(varint())
        const content = bytes.subarray(at, at + length)
        if (content.length !== length) throw new Error('truncated field')
        at += length
        value = contentOf(field, content)
      }
    }
    const name = field.columnName ?? field.name
    if (field.label === 'repeated') {
      row[name] ??= []
      const values = row[name] as DecodedValue[]
      values.push(value)
    } else {
      if (name in row) throw new Error(`${name} is written twice`)
      row[name] = value
    }
  }
  return row
}

function contentOf(field: WriterField, content: Buffer): DecodedValue {
  if (field.type === PROTO_TYPE.MESSAGE) return decodeMessage(content, field.fields ?? [])
  if (field.type !== PROTO_TYPE.STRING) return Buffer.from(content)
  return new TextDecoder('utf-8', { fatal: true }).decode(content)
}

function expectWire(field: WriterField, wire: number, expected: number): void {
  if (wire !== expected) throw new Error(`${field.name} has wire type ${wire}`)
}

/** Value of little-endian two's complement bytes. */
export function littleEndian(bytes: Buffer): bigint {
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`))
}
