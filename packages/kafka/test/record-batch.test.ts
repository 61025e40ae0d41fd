import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { isMillraceError, type KafkaOffset, type RecordSlice } from '@millrace/core'
import fc from 'fast-check'
import { crc32c } from '../src/crc32c.ts'
import { type AbortedTransaction, type Chunk, ChunkReader, readHeaders, scanBatches } from '../src/record-batch.ts'
import { encodeRecordBatch, type OutgoingRecord } from '../src/record-batch-encoder.ts'
import { compressors, rawSnappy } from './support.ts'

const require = createRequire(import.meta.url)
type Encoder = { buffer: Buffer }
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch(options: object): Promise<Encoder>
}
const kafkaJsRecord = require('kafkajs/src/protocol/recordBatch/record/v0') as (options: object) => Encoder
const kafkaJsDecode = require('kafkajs/src/protocol/recordBatch/v0/decoder') as (decoder: unknown) => Promise<{
  records: {
    key: Buffer | null
    value: Buffer | null
    offset: string
    timestamp: string
    headers: Record<string, Buffer>
  }[]
}>
const Decoder = require('kafkajs/src/protocol/decoder') as new (buffer: Buffer) => unknown

const tp = { topic: 'orders', partition: 3 }
const OFFSET_MAX = 2n ** 62n

type Plain = {
  offset: bigint
  timestampMs: number
  key: string | null
  value: string | null
  headers: { key: string; value: string | null }[]
}

const text = (bytes: Buffer, from: number, to: number): string | null =>
  from === -1 ? null : bytes.toString('latin1', from, to)

function plain(slices: readonly RecordSlice[]): Plain[] {
  return slices.flatMap(s =>
    Array.from({ length: s.count }, (_, i) => ({
      offset: s.startKafkaOffset + BigInt(s.offsetDelta[i]!),
      timestampMs: s.timestampMs[i]!,
      key: text(s.bytes, s.keyStart[i]!, s.keyEnd[i]!),
      value: text(s.bytes, s.valueStart[i]!, s.valueEnd[i]!),
      headers: readHeaders(s.bytes, s.headersStart[i]!, s.headersEnd[i]!).map(h => ({
        key: h.key,
        value: h.value === null ? null : h.value.toString('latin1'),
      })),
    })),
  )
}

function decodeAll(bytes: Buffer, position = 0n, aborted: readonly AbortedTransaction[] = []): RecordSlice[] {
  const { end } = scanBatches(tp, bytes, 0, bytes.length, position)
  const chunk: Chunk = { tp, bytes, start: 0, end, aborted }
  const reader = new ChunkReader(chunk, position)
  const slices: RecordSlice[] = []
  for (let slice = reader.next(); slice !== null; slice = reader.next()) {
    assert.equal(
      slice.startKafkaOffset,
      slices.at(-1)?.nextKafkaOffset ?? (position as KafkaOffset),
      'slices are contiguous',
    )
    assert.ok(slice.nextKafkaOffset > slice.startKafkaOffset)
    slices.push(slice)
  }
  return slices
}

const bytesArb = fc.option(
  fc.uint8Array({ maxLength: 300 }).map(a => Buffer.from(a)),
  { nil: null },
)
const recordArb: fc.Arbitrary<OutgoingRecord> = fc.record({
  key: bytesArb,
  value: bytesArb,
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 20 }), value: bytesArb }), { maxLength: 4 }),
  timestampMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
})
const batchArb = fc.array(recordArb, { minLength: 1, maxLength: 20 })

const expected = (records: readonly OutgoingRecord[], base: bigint): Plain[] =>
  records.map((r, i) => ({
    offset: base + BigInt(i),
    timestampMs: r.timestampMs,
    key: r.key?.toString('latin1') ?? null,
    value: r.value?.toString('latin1') ?? null,
    headers: r.headers.map(h => ({ key: h.key, value: h.value?.toString('latin1') ?? null })),
  }))

/** A batch as a broker would store it: base offset set, codec applied, CRC made anew. */
function stored(
  batch: Buffer,
  base: bigint,
  options: {
    codec?: number
    compress?: (b: Buffer) => Buffer
    attributes?: number
    lastDelta?: number
    count?: number
    producerId?: bigint
  } = {},
): Buffer {
  const records = batch.subarray(61)
  const codec = options.codec ?? 0
  const body = codec === 0 ? records : (options.compress ?? compressors[codec]!)(Buffer.from(records))
  const out = Buffer.concat([batch.subarray(0, 61), body])
  out.writeBigInt64BE(base, 0)
  out.writeInt32BE(out.length - 12, 8)
  out.writeInt16BE(codec | (options.attributes ?? 0), 21)
  if (options.lastDelta !== undefined) out.writeInt32BE(options.lastDelta, 23)
  if (options.producerId !== undefined) out.writeBigInt64BE(options.producerId, 43)
  if (options.count !== undefined) out.writeInt32BE(options.count, 57)
  out.writeUInt32BE(crc32c(out, 21, out.length), 17)
  return out
}
const NOBODY = { producerId: -1n, producerEpoch: -1 }
const simple = (count: number, value = 'v'): Buffer =>
  encodeRecordBatch(
    Array.from({ length: count }, (_, i) => ({
      key: Buffer.from(`k${i}`),
      value: Buffer.from(value),
      headers: [],
      timestampMs: 1_000 + i,
    })),
    NOBODY,
    0,
  )

function thrown(run: () => unknown): { code: string; message: string } {
  try {
    run()
  } catch (error) {
    assert.ok(isMillraceError(error), `a MillraceError, not ${String(error)}`)
    return { code: error.code, message: error.message }
  }
  throw new Error('nothing was thrown')
}

test('crc32c gives the check value of the Castagnoli polynomial', () => {
  assert.equal(crc32c(Buffer.from('123456789'), 0, 9), 0xe3069283)
  assert.equal(crc32c(Buffer.alloc(32), 0, 32), 0x8a9136aa)
})

test('what the encoder writes, KafkaJS and the decoder read back', async () => {
  await fc.assert(
    fc.asyncProperty(batchArb, fc.bigInt({ min: 0n, max: OFFSET_MAX - 100n }), async (records, base) => {
      const batch = stored(encodeRecordBatch(records, { producerId: 7n, producerEpoch: 1 }, 5), base)
      assert.deepEqual(plain(decodeAll(batch, base)), expected(records, base))
      const theirs = await kafkaJsDecode(new Decoder(batch))
      assert.deepEqual(
        theirs.records.map(r => ({ key: r.key, value: r.value, offset: r.offset, timestamp: r.timestamp })),
        records.map((r, i) => ({
          key: r.key,
          value: r.value,
          offset: String(base + BigInt(i)),
          timestamp: String(r.timestampMs),
        })),
      )
    }),
    { numRuns: 200 },
  )
})

/** KafkaJS takes one value per header name, and no null ones. */
const kafkaJsHeaders = (record: OutgoingRecord): OutgoingRecord['headers'] =>
  record.headers.slice(0, 1).filter(h => h.key !== '__proto__' && h.value !== null)

test('what KafkaJS encodes, the decoder reads, with every codec and several batches in a row', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(batchArb, fc.integer({ min: 0, max: 4 })), { minLength: 1, maxLength: 5 }),
      async batches => {
        const parts: Buffer[] = []
        const wanted: Plain[] = []
        let base = 10n
        for (const [records, codec] of batches) {
          const plainRecords = records.map(r => ({ ...r, headers: kafkaJsHeaders(r) }))
          const first = plainRecords[0]!.timestampMs
          const encoded = await RecordBatch({
            compression: codec,
            firstOffset: base.toString(),
            firstTimestamp: first,
            maxTimestamp: first,
            lastOffsetDelta: records.length - 1,
            records: plainRecords.map((r, i) =>
              kafkaJsRecord({
                offsetDelta: i,
                timestampDelta: r.timestampMs - first,
                key: r.key,
                value: r.value,
                headers: Object.fromEntries(r.headers.map(h => [h.key, h.value])),
              }),
            ),
          })
          parts.push(encoded.buffer)
          wanted.push(...expected(plainRecords, base))
          base += BigInt(records.length) + 3n // a hole, as compaction leaves them
        }
        assert.deepEqual(plain(decodeAll(Buffer.concat(parts))), wanted)
      },
    ),
    { numRuns: 100 },
  )
})

test('raw snappy blocks are read like xerial ones', () => {
  const batch = stored(simple(50, 'abc'.repeat(40)), 0n, { codec: 2, compress: rawSnappy })
  assert.equal(plain(decodeAll(batch)).length, 50)
})

test('reading may begin inside a batch and at the record asked for', () => {
  const bytes = Buffer.concat([stored(simple(10), 100n), stored(simple(10), 110n, { codec: 1 })])
  for (const position of [100n, 104n, 109n, 110n, 115n]) {
    const records = plain(decodeAll(bytes, position))
    assert.equal(records[0]!.offset, position)
    assert.equal(records.length, Number(120n - position))
  }
})

test('a cut tail is left for the next fetch, and a cut first batch moves nothing', () => {
  const whole = stored(simple(10), 0n)
  const next = stored(simple(10), 10n)
  for (const cut of [1, 11, 16, 20, 60, 61, next.length - 1]) {
    const bytes = Buffer.concat([whole, next.subarray(0, cut)])
    const scan = scanBatches(tp, bytes, 0, bytes.length, 0n)
    const last = { baseOffset: 0n, nextKafkaOffset: 10n, crc: whole.readUInt32BE(17) }
    assert.deepEqual(scan, { end: whole.length, nextKafkaOffset: 10n, isPartial: true, last })
    const alone = scanBatches(tp, next.subarray(0, cut), 0, cut, 10n)
    assert.deepEqual(alone, { end: 0, nextKafkaOffset: 10n, isPartial: true, last: null })
  }
})

test('aborted transactions and control records are left out, and the position passes over them', () => {
  const TRANSACTIONAL = 0x10
  const CONTROL = 0x20
  const bytes = Buffer.concat([
    stored(simple(2, 'plain'), 0n),
    stored(simple(2, 'aborted'), 2n, { attributes: TRANSACTIONAL, producerId: 7n }),
    stored(simple(2, 'committed'), 4n, { attributes: TRANSACTIONAL, producerId: 8n }),
    stored(simple(1), 6n, { attributes: TRANSACTIONAL | CONTROL, producerId: 7n }),
    stored(simple(2, 'later'), 7n, { attributes: TRANSACTIONAL, producerId: 7n }),
    stored(simple(1), 9n, { attributes: TRANSACTIONAL | CONTROL, producerId: 8n }),
    stored(simple(2, 'aborted-2'), 10n, { attributes: TRANSACTIONAL, producerId: 9n }),
  ])
  // As a broker may send it: not in order.
  const slices = decodeAll(bytes, 0n, [
    { producerId: 9n, firstOffset: 10n },
    { producerId: 7n, firstOffset: 2n },
  ])
  assert.deepEqual(
    plain(slices).map(r => [r.offset, r.value]),
    [
      [0n, 'plain'],
      [1n, 'plain'],
      [4n, 'committed'],
      [5n, 'committed'],
      [7n, 'later'],
      [8n, 'later'],
    ],
  )
  assert.equal(slices.at(-1)!.nextKafkaOffset, 12n)
})

test('a chunk of nothing but control records is one empty slice', () => {
  const slices = decodeAll(stored(simple(1), 41n, { attributes: 0x30, producerId: 1n }), 40n)
  assert.deepEqual(
    slices.map(s => [s.count, s.startKafkaOffset, s.nextKafkaOffset]),
    [[0, 40n, 42n]],
  )
})

test('a compacted batch whose last records are gone still moves the position to its end', () => {
  const slices = decodeAll(stored(simple(3), 5n, { lastDelta: 9 }))
  assert.equal(slices.at(-1)!.nextKafkaOffset, 15n)
  assert.equal(
    decodeAll(stored(simple(0 + 1).subarray(0, 61), 5n, { count: 0, lastDelta: 4 })).at(-1)!.nextKafkaOffset,
    10n,
  )
})

test('log append time is the time of every record', () => {
  const batch = simple(3)
  batch.writeBigInt64BE(777n, 35)
  assert.deepEqual(
    plain(decodeAll(stored(batch, 0n, { attributes: 8 }))).map(r => r.timestampMs),
    [777, 777, 777],
  )
})

test('small uncompressed batches come as one slice', () => {
  const bytes = Buffer.concat(Array.from({ length: 100 }, (_, i) => stored(simple(1), BigInt(i))))
  assert.equal(decodeAll(bytes).length, 1)
})

const resealed = (batch: Buffer, change: (b: Buffer) => void): Buffer => {
  const copy = Buffer.from(batch)
  change(copy)
  copy.writeUInt32BE(crc32c(copy, 21, copy.length), 17)
  return copy
}

function changed(batch: Buffer, change: (b: Buffer) => void): Buffer {
  change(batch)
  return batch
}

const DAMAGE: readonly (readonly [string, (b: Buffer) => Buffer, RegExp])[] = [
  ['a flipped bit', b => changed(b, c => c.writeUInt8(c[70]! ^ 1, 70)), /wrong CRC/],
  ['message format 1', b => changed(b, c => c.writeInt8(1, 16)), /message format 1, from before Kafka 0\.11/],
  ['message format 3', b => changed(b, c => c.writeInt8(3, 16)), /unknown message format 3/],
  ['an unknown codec', b => resealed(b, c => c.writeInt16BE(6, 21)), /unknown codec 6/],
  ['a codec that is not what the bytes are', b => resealed(b, c => c.writeInt16BE(1, 21)), /damaged gzip/],
  ['lz4 without a frame', b => resealed(b, c => c.writeInt16BE(3, 21)), /no lz4 frame/],
  ['a batch length of 3', b => changed(b, c => c.writeInt32BE(3, 8)), /batch length of 3/],
  ['a negative batch length', b => changed(b, c => c.writeInt32BE(-5, 8)), /batch length of -5/],
  ['a negative last offset delta', b => resealed(b, c => c.writeInt32BE(-2, 23)), /last offset delta of -2/],
  ['a last offset delta that lies', b => resealed(b, c => c.writeInt32BE(1, 23)), /record count of 5/],
  ['a count of 2^31 - 1', b => resealed(b, c => c.writeInt32BE(2 ** 31 - 1, 57)), /record count of 2147483647/],
  ['a negative count', b => resealed(b, c => c.writeInt32BE(-1, 57)), /record count of -1/],
  ['a count too small', b => resealed(b, c => c.writeInt32BE(4, 57)), /bytes after its last record/],
  ['a record longer than the batch', b => resealed(b, c => c.writeUInt8(0x7e, 61)), /record length of 63/],
  ['a negative record length', b => resealed(b, c => c.writeUInt8(0x03, 61)), /record length of -2/],
  ['a key length of -2', b => resealed(b, c => c.writeUInt8(0x03, 65)), /key length of -2/],
  ['a value length beyond the record', b => resealed(b, c => c.writeUInt8(0x40, 68)), /value length of 32/],
  ['headers that are not there', b => resealed(b, c => c.writeUInt8(0x02, 70)), /header count of 1/],
  ['an offset delta that goes back', b => resealed(b, c => c.writeUInt8(0x00, 74)), /offset delta of 0/],
]

test('every damage is SOURCE_CORRUPT naming topic, partition and offset', () => {
  for (const [name, damage, message] of DAMAGE) {
    const batch = stored(simple(5), 1_000n)
    const error = thrown(() => decodeAll(damage(Buffer.from(batch))))
    assert.equal(error.code, 'SOURCE_CORRUPT', name)
    assert.match(error.message, /^orders-3@1000: /, name)
    assert.match(error.message, message, name)
  }
})

test('batches that overlap or begin below zero are corrupt', () => {
  const overlap = Buffer.concat([stored(simple(5), 0n), stored(simple(5), 4n)])
  assert.match(
    thrown(() => scanBatches(tp, overlap, 0, overlap.length, 0n)).message,
    /before the end of the one before/,
  )
  const negative = stored(simple(5), -7n)
  assert.match(thrown(() => scanBatches(tp, negative, 0, negative.length, 0n)).message, /negative base offset/)
})

test('any change of any byte is refused or harmless, never a crash, hang or wrong record', () => {
  const whole = [0, 1, 2, 3, 4].map(codec => stored(simple(20, 'some value that compresses a little'), 0n, { codec }))
  fc.assert(
    fc.property(
      fc.constantFrom(...whole),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      (batch, changes, seal) => {
        const copy = Buffer.from(batch)
        for (const [at, byte] of changes) copy[at % copy.length] = byte
        if (seal) copy.writeUInt32BE(crc32c(copy, 21, copy.length), 17)
        try {
          decodeAll(copy)
        } catch (error) {
          assert.ok(isMillraceError(error), String(error))
        }
      },
    ),
    { numRuns: 2_000 },
  )
})

test('a decompression bomb of every codec is BATCH_TOO_LARGE before it takes the memory', () => {
  const huge = Buffer.alloc(40 * 1024 * 1024)
  for (const codec of [1, 4, 3]) {
    const batch = stored(simple(1), 77n, { codec, compress: () => compressors[codec]!(huge) })
    const before = process.memoryUsage().arrayBuffers
    const error = thrown(() => decodeAll(batch))
    assert.equal(error.code, 'BATCH_TOO_LARGE', `codec ${codec}`)
    assert.match(error.message, /^orders-3@77: /)
    assert.ok(process.memoryUsage().arrayBuffers - before < 300 * 1024 * 1024)
  }
  const lying = Buffer.from([0xff, 0xff, 0xff, 0x7f, 0x00, 0x41])
  assert.equal(
    thrown(() => decodeAll(stored(simple(1), 77n, { codec: 2, compress: () => lying }))).code,
    'BATCH_TOO_LARGE',
  )
})

test('a legitimate batch of alike records passes although it inflates 300-fold', () => {
  const batch = stored(simple(20, 'x'.repeat(500_000)), 0n, { codec: 1 })
  assert.equal(plain(decodeAll(batch)).length, 20)
})
