import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import fc from 'fast-check'
import { decompressFrameSync } from 'lz4-napi'
import { compress } from '../src/demo/codec.ts'
import { crc32c } from '../src/demo/crc32c.ts'
import { producedOf } from '../src/demo/faults.ts'
import { batchIds, codecOf, layoutOf, PARTITIONS, partitionOf, roundKind } from '../src/demo/layout.ts'
import { parseDemoOptions } from '../src/demo/options.ts'
import { encodeBatch } from '../src/demo/record-batch.ts'

test('every id is in exactly one batch, of the partition it is said to be in', () => {
  for (const records of [10_000, 10_001, 54_321]) {
    const layout = layoutOf(records)
    const seen = new Uint8Array(records)
    for (let round = 0; round < layout.rounds; round++) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const { from, to } = batchIds(layout, round, partition)
        for (let id = from; id < to; id++) {
          seen[id]! += 1
          assert.equal(partitionOf(layout, id), partition)
        }
      }
    }
    assert.ok(seen.every(count => count === 1))
  }
})

test('what of a partition was produced follows from the highest id alone', () => {
  fc.assert(
    fc.property(fc.integer({ min: 10_000, max: 100_000 }), fc.nat(), (records, random) => {
      const layout = layoutOf(records)
      const produced = random % (records + 1)
      const counted = new Array<number>(PARTITIONS).fill(0)
      for (let id = 0; id < produced; id++) counted[partitionOf(layout, id)]! += 1
      assert.deepEqual(
        counted.map((_, partition) => producedOf(layout, produced, partition)),
        counted,
      )
    }),
    { numRuns: 20 },
  )
})

test('every partition sees every codec and every kind of round', () => {
  for (let partition = 0; partition < PARTITIONS; partition++) {
    assert.equal(new Set(Array.from({ length: 10 }, (_, round) => codecOf(round, partition))).size, 5)
  }
  assert.deepEqual(
    new Set(Array.from({ length: 5 }, (_, round) => roundKind(round))),
    new Set(['plain', 'committed', 'aborted beside']),
  )
})

test('CRC-32C agrees with its published check value', () => {
  // https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-32-iscsi
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
})

test('what is compressed can be read back', () => {
  const text = Buffer.from('{"id":1,"delay":33}\n'.repeat(10_000))
  assert.deepEqual(gunzipSync(compress(1, text)), text)
  assert.deepEqual(decompressFrameSync(compress(3, text)), text)
  assert.deepEqual(zstdDecompressSync(compress(4, text)), text)
  for (const codec of [1, 2, 3, 4]) assert.ok(compress(codec, text).length < text.length / 5)
})

test('a batch holds one record per line, in order', () => {
  const lines = Buffer.from('skip\nalpha\nbe\n\nomega\nskip\n')
  const batch = encodeBatch(lines, 5, 21, 0, 1_700_000_000_000, { producerId: 7n, producerEpoch: 2, baseSequence: 40 })
  assert.equal(batch.readInt32BE(8), batch.length - 12)
  assert.equal(batch.readUInt32BE(17), crc32c(batch, 21))
  assert.equal(batch.readInt16BE(21), 0x10)
  assert.equal(batch.readInt32BE(57), 4)
  assert.deepEqual([batch.readBigInt64BE(43), batch.readInt16BE(51), batch.readInt32BE(53)], [7n, 2, 40])
  const values: string[] = []
  for (let at = 61; at < batch.length; ) {
    const size = batch[at]! / 2
    const length = batch[at + 5]! / 2
    assert.equal(batch[at + 3]! / 2, values.length)
    values.push(batch.toString('utf8', at + 6, at + 6 + length))
    at += 1 + size
  }
  assert.deepEqual(values, ['alpha', 'be', '', 'omega'])
})

test('a wrong command line is answered with what is wrong', () => {
  assert.deepEqual(parseDemoOptions([]), { records: 3_000_000, keep: false, json: false })
  assert.deepEqual(parseDemoOptions(['--records', '20_000', '--json']), { records: 20_000, keep: false, json: true })
  for (const argv of [
    ['--records', '9999'],
    ['--records', '3000001'],
    ['--records', 'many'],
    ['--nothing'],
    ['extra'],
  ]) {
    assert.equal(typeof parseDemoOptions(argv), 'string', argv.join(' '))
  }
})
