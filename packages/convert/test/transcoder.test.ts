// The transcoder and the general path are the same function: same bytes, same verdicts, on random tables and records.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TableSchema } from '@millrace/core'
import fc from 'fast-check'
import { compileJsonEncoder, RowBuffer, type RowEncoder, writerSchemaFor } from '../src/index.ts'
import { compileGeneralJsonEncoder } from '../src/json/row-encoder.ts'
import { compileRowPlan, type RowOptions } from '../src/row-plan.ts'
import { oneValue, recordFor, tableSchema } from './support/arbitrary-records.ts'

const RUNS = Number(process.env.MILLRACE_TEST_RUNS ?? 1500)
const options: fc.Arbitrary<RowOptions> = fc.record({
  ignoreUnknownFields: fc.boolean(),
  sanitizeFieldNames: fc.boolean(),
})

function encodersFor(table: TableSchema, rowOptions: RowOptions): { fast: RowEncoder; general: RowEncoder } {
  const writerSchema = writerSchemaFor(table)
  return {
    fast: compileJsonEncoder({ tableSchema: table, writerSchema, options: rowOptions }),
    general: compileGeneralJsonEncoder(compileRowPlan(table, writerSchema, null, rowOptions)),
  }
}

/** Encodes every record, each lying between its neighbours in one buffer, and shows what came of it. */
function outcomes(encoder: RowEncoder, records: readonly Buffer[]): string[] {
  const bytes = Buffer.concat(records)
  const out = new RowBuffer(2048)
  let start = 0
  return records.map(record => {
    const before = out.end
    const length = encoder.encode(bytes, start, start + record.length, out)
    start += record.length
    const row = out.bytes.toString('hex', before, out.end)
    return length < 0 ? `${length} ${row}` : `row of ${length}: ${row}`
  })
}

test('the transcoder and the general path give the same bytes and the same verdicts', () => {
  const cases = tableSchema.chain(table =>
    fc.tuple(fc.constant(table), options, fc.array(recordFor(table), { minLength: 1, maxLength: 8 })),
  )
  fc.assert(
    fc.property(cases, ([table, rowOptions, records]) => {
      const { fast, general } = encodersFor(table, rowOptions)
      // Twice: the second time every prediction is set by other records.
      const twice = [...records, ...records]
      assert.deepEqual(outcomes(fast, twice), outcomes(general, twice))
    }),
    { numRuns: RUNS },
  )
})

test('the transcoder and the general path agree about every single odd value', () => {
  const rowOptions: RowOptions = { ignoreUnknownFields: false, sanitizeFieldNames: false }
  fc.assert(
    fc.property(oneValue, ([table, record]) => {
      const { fast, general } = encodersFor(table, rowOptions)
      assert.deepEqual(outcomes(fast, [record]), outcomes(general, [record]))
    }),
    { numRuns: RUNS * 4 },
  )
})
