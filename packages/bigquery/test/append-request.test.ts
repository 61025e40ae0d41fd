import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  APPEND_HEADROOM_BYTES,
  type FrozenRows,
  PROTO_TYPE,
  type StreamName,
  streamOffset,
  type WriterSchema,
} from '@millrace/core'
import { AppendFraming } from '../src/append-request.ts'
import { encodeDescriptor } from '../src/descriptor.ts'
import { freezeRows, schema, stream } from './support/harness.ts'
import { readRequest } from './support/scripted-server.ts'

const framing = new AppendFraming(stream, schema, 'millrace test')
const serializedRows = (request: Record<string, unknown>): unknown =>
  (request.protoRows as { rows?: { serializedRows: unknown } }).rows?.serializedRows
const expectedRows = (frozen: FrozenRows): unknown =>
  serializedRows(
    readRequest(Buffer.concat([Buffer.from([0x22, ...varint(frozen.end - frozen.start, 1)]), body(frozen)])),
  )

test('the first request names stream, schema and trace; later ones only offset and rows', () => {
  const rows = freezeRows(3)
  const first = readRequest(framing.frame(rows, streamOffset(0), true))
  assert.equal(first.writeStream, stream)
  assert.equal(first.traceId, 'millrace test')
  assert.equal(offsetOf(first), 0n)
  const described = (first.protoRows as { writerSchema: { protoDescriptor: unknown } }).writerSchema.protoDescriptor
  assert.deepEqual(described, readDescriptor(schema))
  const later = readRequest(framing.frame(rows, streamOffset(7), false))
  assert.equal(later.writeStream, undefined)
  assert.equal(later.traceId, undefined)
  assert.equal((later.protoRows as { writerSchema?: unknown }).writerSchema, undefined)
  assert.equal(offsetOf(later), 7n)
  assert.deepEqual(serializedRows(later), serializedRows(first))
})

test('rows are not copied: the request is a view that ends where the rows end', () => {
  const rows = freezeRows(100)
  const request = framing.frame(rows, streamOffset(1), false)
  assert.ok(isWithin(request, rows.bytes))
  assert.equal(request.byteOffset + request.length, rows.bytes.byteOffset + rows.end)
})

test('the rows are the same bytes after any number of sends', () => {
  const rows = freezeRows(50)
  const before = Buffer.from(rows.bytes.subarray(rows.start, rows.end))
  framing.frame(rows, streamOffset(1), true)
  framing.frame(rows, streamOffset(2n ** 62n), false)
  framing.frame(rows, streamOffset(0), true)
  assert.deepEqual(rows.bytes.subarray(rows.start, rows.end), before)
})

test('offsets and row sizes of every varint length are framed exactly', () => {
  for (const size of [1, 100, 127, 128, 129, 16_000, 16_384, 70_000]) {
    for (const offset of [0n, 1n, 127n, 128n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n - 1n]) {
      const rows = freezeRows(1, 5, size)
      for (const isFirst of [true, false]) {
        const request = readRequest(framing.frame(rows, streamOffset(offset), isFirst))
        assert.equal(offsetOf(request), offset)
        assert.deepEqual(serializedRows(request), expectedRows(rows))
      }
    }
  }
})

test('a schema beyond the headroom is sent in a copy, and the rows stay as they are', () => {
  const wide: WriterSchema = {
    fields: Array.from({ length: 500 }, (_, i) => ({
      name: `c${i}`,
      number: i + 1,
      type: PROTO_TYPE.STRING,
      label: 'optional',
    })),
  }
  const wideFraming = new AppendFraming(stream, wide, 'trace')
  const rows = freezeRows(3)
  const request = wideFraming.frame(rows, streamOffset(0), true)
  assert.ok(encodeDescriptor(wide).length > APPEND_HEADROOM_BYTES)
  assert.ok(!isWithin(request, rows.bytes))
  assert.deepEqual(serializedRows(readRequest(request)), expectedRows(rows))
})

test('a default stream gets no offset', () => {
  const name = 'projects/p/datasets/d/tables/t/streams/_default' as StreamName
  const request = readRequest(new AppendFraming(name, schema, 'trace').frame(freezeRows(2), streamOffset(4), true))
  assert.equal(request.offset, undefined)
  assert.equal(request.writeStream, name)
})

test('frozen rows without headroom are a bug that is said', () => {
  assert.throws(() => framing.frame(freezeRows(1, 0, 8, 3), streamOffset(0), false), { code: 'BUG' })
})

/** Whether one buffer is a view on the memory of another. */
const isWithin = (view: Buffer, memory: Buffer): boolean =>
  view.buffer === memory.buffer &&
  view.byteOffset >= memory.byteOffset &&
  view.byteOffset + view.length <= memory.byteOffset + memory.length

/** An Int64Value of 0 is present without a value. */
function offsetOf(request: Record<string, unknown>): bigint | undefined {
  const offset = request.offset as { value?: string } | undefined
  return offset === undefined ? undefined : BigInt(offset.value ?? 0)
}

function readDescriptor(described: WriterSchema): unknown {
  const bytes = encodeDescriptor(described)
  const wrapped = Buffer.concat([Buffer.from([0x0a, ...varint(bytes.length, 0)]), bytes])
  const protoRows = Buffer.concat([Buffer.from([0x0a, ...varint(wrapped.length, 0)]), wrapped])
  const request = Buffer.concat([Buffer.from([0x22, ...varint(protoRows.length, 0)]), protoRows])
  return (readRequest(request).protoRows as { writerSchema: { protoDescriptor: unknown } }).writerSchema.protoDescriptor
}

/** `rows` field of ProtoData around the frozen rows. */
const body = (frozen: FrozenRows): Buffer =>
  Buffer.concat([
    Buffer.from([0x12, ...varint(frozen.end - frozen.start, 0)]),
    frozen.bytes.subarray(frozen.start, frozen.end),
  ])

/** A varint of `length`, or of the size of a `rows` field of that length. */
function varint(length: number, wrap: 0 | 1): number[] {
  const out: number[] = []
  let rest = wrap === 1 ? length + 1 + varint(length, 0).length : length
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest & 127) | 128)
  return [...out, rest]
}
