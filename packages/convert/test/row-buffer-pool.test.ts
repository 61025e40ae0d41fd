// One bound for the spare buffers of all partitions together.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RowBufferPool } from '../src/index.ts'
import { SPARE_BYTES_MAX } from '../src/row-buffer-pool.ts'

const MIB = 2 ** 20
const several = (pool: RowBufferPool, count: number, byteCount: number): Buffer[] =>
  Array.from({ length: count }, () => pool.take(byteCount))
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
/** By identity, sorted: contents tell nothing. */
const indexesOf = (some: readonly Buffer[], among: readonly Buffer[]): number[] =>
  some.map(buffer => among.indexOf(buffer)).sort((a, b) => a - b)

test('every size gets a buffer that holds it and is less than twice as large, but for the smallest', () => {
  const pool = new RowBufferPool()
  for (const size of [
    0,
    1,
    1024,
    1025,
    3000,
    4096,
    65_537,
    MIB,
    MIB + 1,
    2 * MIB,
    2 * MIB + 8192,
    2 * MIB + 8193,
    20 * MIB,
  ]) {
    const { length } = pool.take(size)
    assert.ok(
      length >= size && (length < 2 * Math.max(size, 1025) || length === 2 * MIB + 8192),
      `${length} bytes for ${size}`,
    )
  }
})

test('what is given back is taken again, and nobody gets it twice', () => {
  const pool = new RowBufferPool()
  const buffers = several(pool, 20, 5000)
  for (const buffer of buffers) pool.give(buffer)
  assert.deepEqual(indexesOf(several(pool, 20, 5000), buffers), range(20))
  assert.equal(pool.spareBytes, 0)
  pool.give(buffers[0] as Buffer)
  assert.throws(() => pool.give(buffers[0] as Buffer), /recycled twice/)
})

test('a thousand partitions that come to rest leave no more behind than the bound', () => {
  const pool = new RowBufferPool()
  for (let i = 0; i < 1000; i++) pool.give(Buffer.allocUnsafeSlow(MIB))
  assert.ok(pool.spareBytes <= SPARE_BYTES_MAX, `${pool.spareBytes} bytes`)
  assert.ok(pool.spareBytes > SPARE_BYTES_MAX - 2 * MIB, 'and that much is kept')
})

test('sizes nobody asks for any more make room for those in use', () => {
  const pool = new RowBufferPool()
  const small = several(pool, SPARE_BYTES_MAX / 1024, 1024)
  for (const buffer of small) pool.give(buffer)
  assert.equal(pool.spareBytes, SPARE_BYTES_MAX)
  const large = several(pool, 16, 2 * MIB)
  for (const buffer of large) pool.give(buffer)
  assert.equal(pool.spareBytes, SPARE_BYTES_MAX)
  assert.deepEqual(indexesOf(several(pool, 16, 2 * MIB), large), range(16))
})

test('what is larger than any batch should be, and what is not ours, is left to the collector', () => {
  const pool = new RowBufferPool()
  pool.give(pool.take(5 * MIB))
  pool.give(Buffer.alloc(0))
  pool.give(Buffer.alloc(1500))
  assert.equal(pool.spareBytes, 0)
})
