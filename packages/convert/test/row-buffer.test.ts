// Rows as wire bytes: headroom, prefixes, freezing, recycling, and taking rows out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APPEND_HEADROOM_BYTES } from '@millrace/core'
import { compileJsonEncoder, RowBuffer, removeRows, rowsOf, writerSchemaFor } from '../src/index.ts'

const row = (length: number, fill = length): Buffer => Buffer.alloc(length, fill & 0xff)
const contents = (frozen: Parameters<typeof rowsOf>[0]): Buffer[] => [...rowsOf(frozen)].map(view => Buffer.from(view))

test('rows come back as they went in, behind headroom, at every width of the length', () => {
  const rows = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152].map(length => row(length))
  const buffer = new RowBuffer(1024)
  for (const each of rows) buffer.appendRow(each)
  assert.equal(buffer.rowCount, rows.length)
  const size = buffer.byteLength
  const frozen = buffer.freeze()
  assert.equal(frozen.start, APPEND_HEADROOM_BYTES)
  assert.equal(frozen.end - frozen.start, size)
  assert.deepEqual(contents(frozen), rows)
  assert.equal(buffer.byteLength, 0)
  assert.equal(buffer.rowCount, 0)
})

test('a frozen buffer is not written again until it is recycled', () => {
  const buffer = new RowBuffer(4096)
  buffer.appendRow(row(10, 1))
  const first = buffer.freeze()
  buffer.appendRow(row(10, 2))
  const second = buffer.freeze()
  assert.deepEqual(contents(first), [row(10, 1)])
  buffer.recycle(second.bytes)
  buffer.recycle(first.bytes)
  assert.throws(() => buffer.recycle(first.bytes), /recycled twice/)
  buffer.freeze()
  assert.equal(buffer.bytes, first.bytes)
})

test('buffers blown up by one large row are not kept', () => {
  const buffer = new RowBuffer(4096)
  buffer.appendRow(row(100_000))
  const large = buffer.freeze()
  buffer.recycle(large.bytes)
  buffer.freeze()
  assert.notEqual(buffer.bytes, large.bytes)
  assert.equal(buffer.bytes.length, 4096)
})

test('removeRows leaves out the rows named and nothing else', () => {
  const rows = [3, 200, 0, 20_000, 5].map(length => row(length))
  const buffer = new RowBuffer(1024)
  for (const each of rows) buffer.appendRow(each)
  const frozen = buffer.freeze()
  const kept = removeRows(frozen, [1, 4])
  assert.equal(kept.rowCount, 3)
  assert.equal(kept.start, APPEND_HEADROOM_BYTES)
  assert.deepEqual(contents(kept), [rows[0], rows[2], rows[3]])
  assert.deepEqual(contents(frozen), rows)
  assert.equal(removeRows(frozen, [0, 1, 2, 3, 4]).end, APPEND_HEADROOM_BYTES)
})

test('encoded rows change the width of their length without harm, also when the buffer must grow', () => {
  const tableSchema = { columns: [{ name: 's', type: 'STRING' as const, mode: 'NULLABLE' as const }] }
  const encoder = compileJsonEncoder({
    tableSchema,
    writerSchema: writerSchemaFor(tableSchema),
    options: { ignoreUnknownFields: false, sanitizeFieldNames: false },
  })
  const buffer = new RowBuffer(1024)
  const lengths = [1, 200, 3, 20_000, 100, 0, 300_000, 5]
  for (const length of lengths) {
    // Escapes: the row is shorter than its text; raw: about as long.
    const record = Buffer.from(JSON.stringify({ s: (length % 2 === 0 ? 'x' : '\n').repeat(length) }))
    encoder.encode(record, 0, record.length, buffer)
  }
  const frozen = buffer.freeze()
  assert.deepEqual(
    contents(frozen).map(each => each.length),
    lengths.map(length => 1 + (length < 128 ? 1 : length < 16_384 ? 2 : 3) + length),
  )
})
