// The rows of the benchmark: seven columns, 200 bytes each in protobuf, encoded before the clock starts.
// Encoded by protobufjs from protos/, so that nothing of the emulator measures itself.
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

export const ROW_BYTES = 200
/** What a request carries; the API's limit is 20 MB, its documentation recommends 1 MB and more. */
export const ROWS_PER_REQUEST = 5_000

export const COLUMNS = [
  { name: 'id', type: 'INT64', mode: 'REQUIRED' },
  { name: 'created', type: 'TIMESTAMP' },
  { name: 'account', type: 'INT64' },
  { name: 'amount', type: 'FLOAT64' },
  { name: 'country', type: 'STRING' },
  { name: 'kind', type: 'STRING' },
  { name: 'payload', type: 'STRING' },
] as const

const ROW = protobuf
  .parse(
    `syntax = "proto2"; message Row {
    required int64 id = 1; optional int64 created = 2; optional int64 account = 3; optional double amount = 4;
    optional string country = 5; optional string kind = 6; optional string payload = 7;
  }`,
  )
  .root.lookupType('Row')

const PROTO_TYPES: Readonly<Record<string, number>> = { double: 1, int64: 3, string: 9 }
const V1 = 'google.cloud.bigquery.storage.v1'
const PROTOS = join(dirname(fileURLToPath(import.meta.url)), '../../../protos')
const PROTOBUFJS = dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'))

const api = new protobuf.Root()
api.resolvePath = (_origin, target) =>
  protobuf.common.get(target) ? target : join(target.startsWith('google/protobuf/') ? PROTOBUFJS : PROTOS, target)
api.loadSync(`${V1.replaceAll('.', '/')}/storage.proto`)

type Message = Record<string, unknown>

export function encode(type: string, value: Message): Buffer {
  const found = api.lookupType(`${V1}.${type}`)
  return Buffer.from(found.encode(found.fromObject(value)).finish())
}

export function decode(type: string, bytes: Uint8Array): Message {
  const found = api.lookupType(`${V1}.${type}`)
  return found.toObject(found.decode(bytes), { longs: String, enums: String })
}

const DESCRIPTOR = {
  name: 'Row',
  field: ROW.fieldsArray.map(field => ({
    name: field.name,
    number: field.id,
    label: field.required ? 2 : 1,
    type: PROTO_TYPES[field.type],
  })),
}

/** One row; the payload makes it exactly ROW_BYTES long. */
function encodeRow(index: number): Uint8Array {
  const row = {
    id: 1_000_000_000_000 + index,
    created: 1_790_000_000_000_000 + index * 977,
    account: (index * 2_654_435_761) % 10_000_000,
    amount: (index % 100_000) / 100,
    country: ['DE', 'FR', 'US', 'JP'][index % 4],
    kind: ['page_view', 'order_placed', 'basket_abandoned'][index % 3],
    payload: 'x'.repeat(140),
  }
  const missing = ROW_BYTES - ROW.encode(ROW.fromObject(row)).finish().length
  const words = `{"session":"${index.toString(36)}","path":"/shop/item/${index % 9973}","agent":"bench"}`
  row.payload = words.padEnd(row.payload.length + missing, 'lorem ipsum ')
  return ROW.encode(ROW.fromObject(row)).finish()
}

/** `proto_rows` of one request, as the field's bytes inside AppendRowsRequest; `variant` changes the values. */
export function encodeProtoRows(variant: number, rowCount: number, withSchema: boolean): Buffer {
  const serializedRows = Array.from({ length: rowCount }, (_, i) => encodeRow(variant * rowCount + i))
  for (const row of serializedRows)
    if (row.length !== ROW_BYTES) throw new Error(`a row of ${row.length} bytes, not ${ROW_BYTES}`)
  return encode('AppendRowsRequest', {
    protoRows: {
      ...(withSchema && { writerSchema: { protoDescriptor: DESCRIPTOR } }),
      rows: { serializedRows },
    },
  })
}
