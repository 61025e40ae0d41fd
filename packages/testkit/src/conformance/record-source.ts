// What every RecordSource and TopicCatalog must do. Run on the twin and on a real broker.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type FetchTrouble,
  type KafkaOffset,
  kafkaOffset,
  type PartitionReader,
  type RecordSlice,
  type RecordSource,
  type TopicCatalog,
  type TopicPartition,
} from '@millrace/core'

export type SourceRecord = {
  readonly key: string | null
  readonly value: string | null
  readonly header?: readonly [string, string]
  readonly timestampMs: number
}
export type RecordSourceSubject = AsyncDisposable & {
  readonly source: RecordSource
  readonly catalog: TopicCatalog
  /** A fresh topic. */
  createTopic(partitions: number): Promise<string>
  append(tp: TopicPartition, records: readonly SourceRecord[]): Promise<void>
  /** One transaction: its records, then a marker, unless it stays open. */
  transaction(tp: TopicPartition, records: readonly SourceRecord[], outcome: 'commit' | 'abort' | 'open'): Promise<void>
  deleteBefore(tp: TopicPartition, offset: KafkaOffset): Promise<void>
}

const WAIT_MAX_MS = 20_000
const record = (n: number): SourceRecord => ({ key: `k${n}`, value: `v${n}`, timestampMs: 1_700_000_000_000 + n })
const records = (from: number, to: number): SourceRecord[] =>
  Array.from({ length: to - from }, (_, i) => record(from + i))

export function describeRecordSource(name: string, open: () => Promise<RecordSourceSubject>): void {
  const check = (title: string, body: (subject: RecordSourceSubject, signal: AbortSignal) => Promise<void>): void => {
    test(title, async () => {
      await using subject = await open()
      await body(subject, AbortSignal.timeout(WAIT_MAX_MS))
    })
  }

  describe(`${name}: record source`, () => {
    check('slices are contiguous and hold every record as it was written', async (subject, signal) => {
      const tp = { topic: await subject.createTopic(1), partition: 0 }
      const written: SourceRecord[] = [
        ...records(0, 300),
        { key: null, value: 'no key', timestampMs: 5 },
        { key: 'tombstone', value: null, timestampMs: 6 },
        { key: '', value: '', header: ['h', 'ü€😀'], timestampMs: 7 },
      ]
      await subject.append(tp, written)
      const reader = subject.source.open(tp, kafkaOffset(0))
      const slices = await readUntil(reader, kafkaOffset(written.length), signal)
      assertContiguous(slices, 0n)
      assert.deepEqual(
        slices.flatMap(plain),
        written.map((r, i) => ({ kafkaOffset: BigInt(i), ...r })),
      )
      assert.equal(reader.endKafkaOffset, BigInt(written.length))
      reader.close()
    })

    check('a transaction that stays open holds the end back, and is named', async (subject, signal) => {
      const tp = { topic: await subject.createTopic(1), partition: 0 }
      await subject.append(tp, records(0, 2))
      const reader = subject.source.open(tp, kafkaOffset(0))
      await readUntil(reader, kafkaOffset(2), signal)
      const trouble = (): FetchTrouble | null => reader.trouble
      assert.equal(trouble(), null)
      await subject.transaction(tp, records(2, 5), 'open')
      reader.read({ signal }).catch(() => {}) // closed below
      let found = trouble()
      for (; found === null; found = trouble()) {
        signal.throwIfAborted()
        await new Promise(resolve => setTimeout(resolve, 10))
      }
      const { error } = found
      assert.deepEqual([error.code, error.disposition], ['SOURCE_TRANSACTION_OPEN', 'retry'])
      assert.ok(error.message.includes(`${tp.topic}-0@2`), error.message)
      assert.deepEqual([reader.nextKafkaOffset, reader.endKafkaOffset], [2n, 2n])
      reader.close()
    })

    check('a reader begins at exactly the position it was opened at', async (subject, signal) => {
      const tp = { topic: await subject.createTopic(1), partition: 0 }
      await subject.append(tp, records(0, 50))
      const reader = subject.source.open(tp, kafkaOffset(37))
      assert.equal(reader.nextKafkaOffset, 37n)
      const slices = await readUntil(reader, kafkaOffset(50), signal)
      assert.equal(slices[0]!.startKafkaOffset, 37n)
      assert.deepEqual(
        slices.flatMap(plain).map(r => r.key),
        records(37, 50).map(r => r.key),
      )
    })

    check('at the end a read waits until there is more', async (subject, signal) => {
      const tp = { topic: await subject.createTopic(1), partition: 0 }
      await subject.append(tp, records(0, 1))
      const reader = subject.source.open(tp, kafkaOffset(1))
      const waiting = reader.read({ signal })
      await subject.append(tp, records(1, 3))
      const slices = [...(await waiting)]
      if (reader.nextKafkaOffset < 3n) slices.push(...(await readUntil(reader, kafkaOffset(3), signal)))
      assert.deepEqual(
        slices.flatMap(plain).map(r => r.value),
        ['v1', 'v2'],
      )
    })

    check(
      'aborted records are never seen, and the position passes over them and the markers',
      async (subject, signal) => {
        const tp = { topic: await subject.createTopic(1), partition: 0 }
        await subject.append(tp, records(0, 2))
        await subject.transaction(tp, records(2, 4), 'abort')
        await subject.transaction(tp, records(4, 6), 'commit')
        await subject.transaction(tp, records(6, 8), 'abort')
        const reader = subject.source.open(tp, kafkaOffset(0))
        const slices = await readUntil(reader, kafkaOffset(11), signal)
        assertContiguous(slices, 0n)
        assert.deepEqual(
          slices.flatMap(plain).map(r => [r.kafkaOffset, r.value]),
          [
            [0n, 'v0'],
            [1n, 'v1'],
            [5n, 'v4'],
            [6n, 'v5'],
          ],
        )
        assert.equal(reader.endKafkaOffset, 11n)
      },
    )

    check(
      'a position that retention passed, or beyond the end, is SOURCE_OFFSET_LOST and nothing moves',
      async (subject, signal) => {
        const tp = { topic: await subject.createTopic(1), partition: 0 }
        await subject.append(tp, records(0, 20))
        await subject.deleteBefore(tp, kafkaOffset(10))
        for (const position of [kafkaOffset(3), kafkaOffset(99)]) {
          const reader = subject.source.open(tp, position)
          const lost = {
            code: 'SOURCE_OFFSET_LOST',
            disposition: 'failPartition',
            message: new RegExp(`${tp.topic}-0@${position}`),
          }
          await assert.rejects(reader.read({ signal }), lost)
          await assert.rejects(reader.read({ signal }), lost)
          assert.equal(reader.nextKafkaOffset, position)
          reader.close()
        }
      },
    )

    check('two readers of one partition read independently', async (subject, signal) => {
      const tp = { topic: await subject.createTopic(1), partition: 0 }
      await subject.append(tp, records(0, 40))
      const [one, two] = [subject.source.open(tp, kafkaOffset(0)), subject.source.open(tp, kafkaOffset(20))]
      const [first, second] = await Promise.all([
        readUntil(one, kafkaOffset(40), signal),
        readUntil(two, kafkaOffset(40), signal),
      ])
      assert.equal(first.flatMap(plain).length, 40)
      assert.equal(second.flatMap(plain).length, 20)
    })

    check('an abort ends a read with its reason, and the reader goes on', async (subject, signal) => {
      const tp = { topic: await subject.createTopic(1), partition: 0 }
      const reader = subject.source.open(tp, kafkaOffset(0))
      const abort = new AbortController()
      const reason = new Error('enough')
      const waiting = reader.read({ signal: abort.signal })
      abort.abort(reason)
      await assert.rejects(waiting, error => error === reason)
      await subject.append(tp, records(0, 1))
      assert.equal((await readUntil(reader, kafkaOffset(1), signal)).flatMap(plain).length, 1)
    })

    check('a closed reader rejects, also a read that waits', async (subject, signal) => {
      const tp = { topic: await subject.createTopic(1), partition: 0 }
      const reader = subject.source.open(tp, kafkaOffset(0))
      const waiting = reader.read({ signal })
      reader.close()
      reader.close()
      await assert.rejects(waiting)
      await assert.rejects(reader.read({ signal }))
    })

    check('a topic that does not exist is KAFKA_TOPIC_MISSING', async (subject, signal) => {
      const missing = { code: 'KAFKA_TOPIC_MISSING' }
      const tp = { topic: 'nowhere', partition: 0 }
      await assert.rejects(async () => subject.source.open(tp, kafkaOffset(0)).read({ signal }), missing)
      await assert.rejects(subject.source.offsets([tp], 'latest', { signal }), missing)
    })

    check('earliest and latest are the first and the last stable offset of each partition', async (subject, signal) => {
      const topic = await subject.createTopic(2)
      const tps = [0, 1].map(partition => ({ topic, partition }))
      await subject.append(tps[0]!, records(0, 9))
      await subject.deleteBefore(tps[0]!, kafkaOffset(4))
      const earliest = await subject.source.offsets(tps, 'earliest', { signal })
      const latest = await subject.source.offsets(tps, 'latest', { signal })
      assert.deepEqual([...earliest].sort(), [
        [`${topic}-0`, 4n],
        [`${topic}-1`, 0n],
      ])
      assert.deepEqual([...latest].sort(), [
        [`${topic}-0`, 9n],
        [`${topic}-1`, 0n],
      ])
    })

    check('the catalog counts partitions of the topics that exist', async (subject, signal) => {
      const topic = await subject.createTopic(3)
      const counts = await subject.catalog.partitionCounts([topic, 'nowhere'], { signal })
      assert.deepEqual([...counts], [[topic, 3]])
      assert.equal((await subject.catalog.partitionCounts('all', { signal })).get(topic), 3)
    })
  })
}

async function readUntil(reader: PartitionReader, end: KafkaOffset, signal: AbortSignal): Promise<RecordSlice[]> {
  const slices: RecordSlice[] = []
  while (reader.nextKafkaOffset < end) {
    const some = await reader.read({ signal })
    assert.ok(some.length > 0, 'a read answers at least one slice')
    slices.push(...some)
  }
  return slices
}

function assertContiguous(slices: readonly RecordSlice[], start: bigint): void {
  let next = start
  for (const slice of slices) {
    assert.equal(slice.startKafkaOffset, next)
    assert.ok(slice.nextKafkaOffset > next)
    next = slice.nextKafkaOffset
  }
}

function plain(s: RecordSlice): (SourceRecord & { kafkaOffset: bigint })[] {
  const text = (from: number, to: number): string | null => (from === -1 ? null : s.bytes.toString('utf8', from, to))
  return Array.from({ length: s.count }, (_, i) => {
    const header = oneHeader(s.bytes.subarray(s.headersStart[i]!, s.headersEnd[i]!))
    return {
      kafkaOffset: s.startKafkaOffset + BigInt(s.offsetDelta[i]!),
      key: text(s.keyStart[i]!, s.keyEnd[i]!),
      value: text(s.valueStart[i]!, s.valueEnd[i]!),
      ...(header === null ? {} : { header }),
      timestampMs: s.timestampMs[i]!,
    }
  })
}

/** Kafka's raw headers section with no or one short header. */
function oneHeader(section: Buffer): [string, string] | null {
  if (section[0] === 0) return null
  assert.equal(section[0], 2)
  const keyEnd = 2 + section[1]! / 2
  return [section.toString('utf8', 2, keyEnd), section.toString('utf8', keyEnd + 1, keyEnd + 1 + section[keyEnd]! / 2)]
}
