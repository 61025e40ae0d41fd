// Rows as wire bytes: headroom, prefixes, freezing, recycling, and taking rows out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { APPEND_HEADROOM_BYTES } from '@millrace/core'
import { compileJsonEncoder, RowBuffer, RowBufferPool, removeRows, rowsOf, writerSchemaFor } from '../src/index.ts'

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
  const buffer = new RowBuffer()
  buffer.appendRow(row(10, 1))
  const first = buffer.freeze()
  buffer.appendRow(row(10, 2))
  const second = buffer.freeze()
  assert.deepEqual(contents(first), [row(10, 1)])
  buffer.recycle(second.bytes)
  buffer.recycle(first.bytes)
  assert.throws(() => buffer.recycle(first.bytes), /recycled twice/)
  buffer.appendRow(row(10, 3))
  assert.equal(buffer.bytes, first.bytes)
})

test('without rows there is no buffer: before the first, after a freeze, and in what is frozen then', () => {
  const pool = new RowBufferPool()
  const buffer = new RowBuffer(0, pool)
  assert.equal(buffer.bytes.length, 0)
  buffer.reserve(100)
  const none = buffer.freeze()
  assert.deepEqual([none.bytes.length, none.rowCount, none.end - none.start], [0, 0, 0])
  assert.equal(buffer.bytes.length, 0)
  assert.ok(pool.spareBytes > 0, 'what was reserved for nothing is back')
})

test('a buffer grows by doubling, gives back what it has outgrown, and begins the next batch as large as the last one ended', () => {
  const pool = new RowBufferPool()
  const buffer = new RowBuffer(0, pool)
  const rows = Array.from({ length: 300 }, (_, i) => row(100, i))
  for (const each of rows) buffer.appendRow(each)
  assert.equal(buffer.bytes.length, 32 * 1024)
  assert.equal(pool.spareBytes, (1 + 2 + 4 + 8 + 16) * 1024)
  const first = buffer.freeze()
  assert.deepEqual(contents(first), rows)
  buffer.appendRow(row(1))
  assert.equal(buffer.bytes.length, 32 * 1024)
  assert.notEqual(buffer.bytes, first.bytes)
  buffer.freeze()
  buffer.appendRow(row(1))
  assert.equal(buffer.bytes.length, 1024)
})

test('partitions with one pool use each other’s buffers', () => {
  const pool = new RowBufferPool()
  const [one, other] = [new RowBuffer(0, pool), new RowBuffer(0, pool)]
  one.appendRow(row(5000))
  const { bytes } = one.freeze()
  one.recycle(bytes)
  other.appendRow(row(5000))
  assert.equal(other.bytes, bytes)
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
