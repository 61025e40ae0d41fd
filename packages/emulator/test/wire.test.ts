// The hand-written readers: right on what protobufjs writes, and nothing but MalformedProto on what nobody should.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { schemaFromRest } from '../src/catalog/table-schema.ts'
import { daysFromCivil, unpackDatetime } from '../src/rows/civil.ts'
import { FixedColumn } from '../src/rows/columns.ts'
import { formatDecimal, fromLittleEndian, parseDecimal } from '../src/rows/decimal.ts'
import { readDescriptor } from '../src/rows/descriptor.ts'
import { RowBatch } from '../src/rows/row-batch.ts'
import { compileRowDecoder } from '../src/rows/row-decoder.ts'
import { readAppendRequest } from '../src/wire/append-request.ts'
import { Cursor, MalformedProto } from '../src/wire/cursor.ts'
import { runs } from './random-runs.ts'
import { encode, writer } from './raw-client.ts'

const bytes = fc.uint8Array({ maxLength: 60 }).map(array => Buffer.from(array))

describe('wire format', () => {
  it('reads back any append request', () => {
    const request = fc.record({
      writeStream: fc.string(),
      offset: fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), { nil: undefined }),
      rows: fc.array(bytes, { maxLength: 20 }),
      traceId: fc.string(),
    })
    fc.assert(
      fc.property(request, ({ writeStream, offset, rows, traceId }) => {
        const message = {
          writeStream,
          traceId,
          ...(offset !== undefined && { offset: { value: String(offset) } }),
          protoRows: { writerSchema: { protoDescriptor: { name: 'Row' } }, rows: { serializedRows: rows } },
        }
        const read = readAppendRequest(encode('AppendRowsRequest', message))
        assert.deepEqual([read.writeStream, read.offset, read.traceId], [writeStream, offset, traceId])
        assert.equal(readDescriptor(read.schema!).name, 'Row')
        const { bounds, count } = read.rows
        assert.deepEqual(
          Array.from({ length: count }, (_, i) =>
            Buffer.from(read.rows.bytes.subarray(bounds[2 * i], bounds[2 * i + 1])),
          ),
          rows,
        )
      }),
    )
  })

  it('reads back any 64-bit varint', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), value => {
        const row = writer('optional int64 v = 1;').row({ v: String(value) })
        const cursor = new Cursor(row)
        assert.equal(cursor.tag(), 8)
        cursor.varint64()
        assert.equal(cursor.int64(), value)
        assert.equal(cursor.pos, row.length)
      }),
    )
  })

  it('meets garbage with MalformedProto or a row error, never anything else', () => {
    const schema = schemaFromRest({
      fields: [
        { name: 'a', type: 'INT64' },
        { name: 'b', type: 'STRING' },
        { name: 'c', type: 'RECORD', mode: 'REPEATED', fields: [{ name: 'd', type: 'NUMERIC', mode: 'REPEATED' }] },
        { name: 'e', type: 'TIMESTAMP' },
      ],
    })
    const { descriptor, row } = writer(
      'optional int64 a = 1; optional string b = 2; repeated C c = 3; optional int64 e = 4; message C { repeated bytes d = 1; }',
    )
    const good = row({ a: 5, b: 'a text of some length', c: [{ d: [Buffer.from([1, 2])] }, {}], e: 7 })
    const batch = new RowBatch(schema)
    const { decode } = compileRowDecoder(
      readDescriptor(encode('google.protobuf.DescriptorProto', descriptor)),
      schema,
      batch.columns,
    )
    const mangled = fc.tuple(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length)).map(([at, value, length]) => {
      const copy = Buffer.from(good)
      copy[at] = value
      return copy.subarray(0, length)
    })
    fc.assert(
      fc.property(fc.oneof(bytes, mangled), garbage => {
        for (const read of [readAppendRequest, readDescriptor])
          try {
            read(garbage)
          } catch (error) {
            assert.ok(error instanceof MalformedProto, String(error))
          }
        batch.begin(garbage)
        decode(new Cursor(garbage), batch.addRow())
        batch.rollback()
        assert.equal(batch.rowCount, 0)
      }),
      runs(1000),
    )
  })
})

describe('values', () => {
  it('counts days as the calendar does', () => {
    fc.assert(
      fc.property(fc.integer({ min: -719162, max: 2932896 }), days => {
        const date = new Date(days * 86_400_000)
        assert.equal(daysFromCivil(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()), days)
      }),
    )
    assert.equal(daysFromCivil(2021, 2, 29), undefined)
    assert.equal(daysFromCivil(1900, 2, 29), undefined)
  })

  it('stores seconds and micros exactly over the whole range', () => {
    const column = new FixedColumn(8)
    fc.assert(
      fc.property(fc.integer({ min: -62135596800, max: 253402300799 }), fc.nat(999_999), (seconds, micros) => {
        column.setMicros(0, seconds, micros)
        assert.equal(new BigInt64Array(column.bytes.buffer)[0], BigInt(seconds) * 1_000_000n + BigInt(micros))
      }),
    )
    assert.equal(unpackDatetime(0, 0, { seconds: 0, micros: 0 }), false)
  })

  it('spells and reads decimals exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 255n), max: 2n ** 255n - 1n }), fc.constantFrom(9, 38), (scaled, scale) => {
        assert.equal(parseDecimal(formatDecimal(scaled, scale), scale), scaled)
        const wide = Buffer.alloc(32)
        let rest = BigInt.asUintN(256, scaled)
        for (let i = 0; i < 32; i++, rest >>= 8n) wide[i] = Number(rest & 255n)
        assert.equal(fromLittleEndian(wide), scaled)
      }),
    )
    assert.equal(parseDecimal('1e-999', 9), 0n)
    assert.equal(parseDecimal('.', 9), undefined)
  })
})
