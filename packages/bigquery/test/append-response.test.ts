import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeAppendResponse } from '../src/append-response.ts'
import { encode, official, statusWithStorageError } from './support/official-protos.ts'
import { response } from './support/scripted-server.ts'

const senseless = (value: object, rowCount = 3): void => {
  const decoded = decodeAppendResponse(response(value), rowCount)
  assert.equal(
    decoded.kind,
    'senseless',
    JSON.stringify(decoded, (_k, v) => (typeof v === 'bigint' ? String(v) : v)),
  )
}

test('an offset of zero is an offset, none is none', () => {
  const zero = decodeAppendResponse(response({ appendResult: { offset: { value: 0 } } }), 1)
  assert.equal(zero.kind === 'acknowledged' && zero.offset, 0n)
  const none = decodeAppendResponse(response({ appendResult: {} }), 1)
  assert.equal(none.kind === 'acknowledged' && none.offset, null)
})

test('offsets up to the last one are exact', () => {
  for (const value of ['1', '9007199254740993', '9223372036854775807']) {
    const decoded = decodeAppendResponse(response({ appendResult: { offset: { value } } }), 1)
    assert.equal(decoded.kind === 'acknowledged' && decoded.offset, BigInt(value))
  }
})

test('the stream and a new table schema are noticed', () => {
  const decoded = decodeAppendResponse(
    response({
      appendResult: { offset: { value: 1 } },
      updatedSchema: { fields: [{ name: 'a', type: 'STRING', mode: 'NULLABLE' }] },
      writeStream: 'projects/p/datasets/d/tables/t/streams/s1',
    }),
    1,
  )
  assert.deepEqual(decoded, {
    kind: 'acknowledged',
    offset: 1n,
    hasNewSchema: true,
    stream: 'projects/p/datasets/d/tables/t/streams/s1',
  })
})

test('an error carries code, text and the code of BigQuery', () => {
  const decoded = decodeAppendResponse(response({ error: statusWithStorageError(6, 'within stream', 8) }), 1)
  assert.deepEqual(decoded.kind === 'refused' && decoded.status, {
    grpcCode: 6,
    message: 'within stream',
    storageCode: 8,
  })
})

test('details that are damaged, foreign or missing leave the gRPC code to decide', () => {
  const any = (type_url: string, value: Buffer) => ({
    error: { code: 3, message: 'm', details: [{ type_url, value }] },
  })
  const storageError = 'type.googleapis.com/google.cloud.bigquery.storage.v1.StorageError'
  for (const value of [
    any(storageError, Buffer.from([0xff, 0xff])),
    any('type.googleapis.com/x.Y', encode(official.StorageError, { code: 6 })),
    { error: { code: 3, message: 'm' } },
  ]) {
    const decoded = decodeAppendResponse(response(value), 1)
    assert.deepEqual(decoded.kind === 'refused' && decoded.status, { grpcCode: 3, message: 'm', storageCode: null })
  }
})

test('row errors come in row order, one per row', () => {
  const rowErrors = [
    { index: 2, code: 1, message: 'third' },
    { index: 0, code: 1, message: 'first' },
    { index: 2, code: 1, message: 'third again' },
  ]
  const decoded = decodeAppendResponse(response({ error: { code: 3, message: 'rows' }, rowErrors }), 3)
  assert.deepEqual(decoded.kind === 'refused' && decoded.rows, [
    { index: 0, message: 'first' },
    { index: 2, message: 'third' },
  ])
})

test('what means nothing, or two things, is senseless', () => {
  senseless({})
  senseless({ updatedSchema: { fields: [] } })
  senseless({ error: { code: 0, message: 'an error that is none' } })
  senseless({ rowErrors: [{ index: 0, message: 'no error with it' }] })
  senseless({ appendResult: { offset: { value: 1 } }, rowErrors: [{ index: 0, message: 'and yet a result' }] })
  senseless({ error: { code: 3, message: 'm' }, rowErrors: [{ index: 3, message: 'there is no row 3' }] })
  senseless({ error: { code: 3, message: 'm' }, rowErrors: [{ index: -1, message: 'before the first' }] })
  // The same oneof twice: the official encoder cannot say this, a broken server can.
  const both = Buffer.concat([response({ appendResult: { offset: { value: 1 } } }), response({ error: { code: 3 } })])
  assert.equal(decodeAppendResponse(both, 1).kind, 'senseless')
})

test('no bytes make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      decodeAppendResponse(Buffer.from(bytes), 2)
    }),
    { numRuns: 2_000 },
  )
})
