// The transcoder and the general path are the same function: same bytes, same verdicts, on random tables and records.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Column, ColumnType, TableSchema } from '@millrace/core'
import fc from 'fast-check'
import { compileJsonEncoder, RowBuffer, type RowEncoder, writerSchemaFor } from '../src/index.ts'
import { compileGeneralJsonEncoder } from '../src/json/row-encoder.ts'
import { BAIL, Transcoder } from '../src/json/transcoder.ts'
import { TranscoderPlan } from '../src/json/transcoder-plan.ts'
import { compileRowPlan, type RowOptions } from '../src/row-plan.ts'
import { oneValue, recordFor, tableSchema } from './support/arbitrary-records.ts'

const RUNS = Number(process.env.MILLRACE_TEST_RUNS ?? 700)
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

/** What may follow the last record in its buffer: the transcoder looks ahead, and must not take any of it for the record's. */
const TAILS = [Buffer.alloc(0), Buffer.from('1"}]'.repeat(20)), Buffer.alloc(80, '7')]

/** Encodes every record, each lying between its neighbours in one buffer, and shows what came of it. */
function outcomes(encoder: RowEncoder, records: readonly Buffer[], tail: Buffer): string[] {
  const bytes = Buffer.concat([...records, tail])
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
      // Again and again: from the second time on every prediction is set by other records.
      const expected = outcomes(general, records, TAILS[0]!)
      for (const tail of TAILS) assert.deepEqual(outcomes(fast, records, tail), expected)
    }),
    { numRuns: RUNS },
  )
})

test('the transcoder and the general path agree about every single odd value', () => {
  const rowOptions: RowOptions = { ignoreUnknownFields: false, sanitizeFieldNames: false }
  fc.assert(
    fc.property(oneValue, ([table, record]) => {
      const { fast, general } = encodersFor(table, rowOptions)
      const expected = outcomes(general, [record], TAILS[0]!)
      for (const tail of TAILS) assert.deepEqual(outcomes(fast, [record], tail), expected)
    }),
    { numRuns: RUNS * 4 },
  )
})

test('strings and numbers of every length, with something special at every place, are what the general path makes of them', () => {
  const table: TableSchema = {
    columns: (['STRING', 'INT64', 'NUMERIC', 'FLOAT64', 'TIME'] as const).map(type => ({
      name: `a_${type.toLowerCase()}`,
      type,
      mode: 'NULLABLE',
    })),
  }
  const records: Buffer[] = []
  const add = (type: string, text: string): number => records.push(Buffer.from(`{"a_${type}":${text}}`))
  for (let length = 0; length <= 40; length++) {
    const letters = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH'.slice(0, length)
    add('string', `"${letters}"`)
    for (let at = 0; at < length; at++) {
      for (const special of [
        '\\n',
        '\\u00e9',
        'é',
        '日',
        '\u{1f600}',
        '\u0001',
        '\u007f',
        '\\"',
        '\\\\',
        'éé日\u{1f600}'.repeat(9),
      ])
        add('string', `"${letters.slice(0, at)}${special}${letters.slice(at)}"`)
    }
  }
  const digits = '90123456789876543210123'
  for (let length = 0; length <= 21; length++) {
    for (const sign of ['', '-']) {
      for (const whole of [digits.slice(0, length), digits.slice(1, length), '1'.padEnd(length, '0')]) {
        for (const type of ['int64', 'numeric', 'float64']) {
          add(type, sign + whole)
          add(type, `"${sign}${whole}"`)
          for (let decimals = 0; decimals <= 11; decimals++)
            add(type, `${sign}${whole}.${digits.slice(length % 3, decimals)}`)
          add(type, `${sign}${whole}e2`)
        }
      }
    }
    add('time', `"12:34:56.${digits.slice(0, length)}"`)
  }
  const { fast, general } = encodersFor(table, { ignoreUnknownFields: false, sanitizeFieldNames: false })
  assert.deepEqual(outcomes(fast, records, TAILS[1]!), outcomes(general, records, TAILS[0]!))
})

test('timestamps of the same day and of others, spelled in every way, are what the general path makes of them', () => {
  const table: TableSchema = { columns: [{ name: 'ts', type: 'TIMESTAMP', mode: 'NULLABLE' }] }
  const usual = '2026-11-22T21:28:22.123Z'
  const times = [
    '00:00:00.000',
    '09:59:59.999',
    '19:00:01.010',
    '20:00:00.100',
    '23:59:59.999',
    '24:00:00.000',
    '29:10:10.000',
  ]
  const odd = [
    '2026-11-22T21:60:00.000Z',
    '2026-11-22T21:00:60.000Z',
    '2026-11-22 21:28:22.123Z',
    '2026-11-22T21:28:22.123',
    '2026-11-22T21:28:22.123+02:00',
  ]
  for (let at = 0; at < usual.length; at++)
    for (const c of ['x', '0', '3', '9', ':', ' ', '/']) odd.push(usual.slice(0, at) + c + usual.slice(at + 1))
  const days = [
    '1969-12-31',
    '1970-01-01',
    '2024-02-29',
    '2026-11-22',
    '2243-10-17',
    '2243-10-18',
    '9999-12-31',
    '0001-01-01',
  ]
  const spelled = days.flatMap(day => times.flatMap(time => [`${day}T${time}Z`, `${day}T${time}Z`, `${day} ${time}Z`]))
  const records = [...spelled, ...odd.flatMap(each => [usual, each])].map(each => Buffer.from(`{"ts":"${each}"}`))
  const { fast, general } = encodersFor(table, { ignoreUnknownFields: false, sanitizeFieldNames: false })
  assert.deepEqual(outcomes(fast, records, TAILS[1]!), outcomes(general, records, TAILS[0]!))
})

test('in a table of many columns, too, keys that repeat, change places or are absent are what the general path makes of them', () => {
  const columns: Column[] = Array.from({ length: 40 }, (_, c) => ({
    name: `column_${'x'.repeat(c % 17)}${c}`,
    type: 'INT64',
    mode: c % 20 === 7 ? 'REQUIRED' : 'NULLABLE',
  }))
  const { fast, general } = encodersFor({ columns }, { ignoreUnknownFields: true, sanitizeFieldNames: false })
  const members = columns.map(({ name }, c) => `"${name}":${c}`)
  const record = (...some: readonly string[]): Buffer => Buffer.from(`{${some.join()}}`)
  const records = [record(...members), record(...members, '"column":0'), Buffer.from('{"":1}'), Buffer.from('{"""":1}')]
  for (let c = 0; c < members.length; c++) {
    const without = members.filter((_, other) => other !== c)
    records.push(record(...members, `"${columns[c]!.name}":"again"`), record(...members, '"":[]', members[c]!))
    records.push(record(...without), record(...without, members[c]!), record(members[c]!, ...without, '"":null'))
    for (let at = 0; at < members[c]!.indexOf('":'); at++) {
      const misspelled = `${members[c]!.slice(0, at + 1)}Z${members[c]!.slice(at + 2)}`
      records.push(record(...members), record(...members.slice(0, c), misspelled, ...members.slice(c + 1)))
    }
    records.push(record(...without, `"${columns[c]!.name}":null`), record(...members.slice(c), ...members.slice(0, c)))
  }
  assert.deepEqual(outcomes(fast, records, TAILS[1]!), outcomes(general, records, TAILS[0]!))
})

test('usual records of every type are the transcoder’s own work', () => {
  const leaf = (name: string, type: ColumnType, mode: Column['mode'] = 'NULLABLE'): Column => ({ name, type, mode })
  const fields = [
    leaf('b', 'BOOL'),
    leaf('i', 'INT64'),
    leaf('f', 'FLOAT64'),
    leaf('n', 'NUMERIC'),
    leaf('s', 'STRING'),
    leaf('y', 'BYTES'),
    leaf('d', 'DATE'),
    leaf('t', 'TIME'),
    leaf('dt', 'DATETIME'),
    leaf('ts', 'TIMESTAMP'),
    leaf('j', 'JSON'),
    leaf('r', 'INT64', 'REPEATED'),
  ]
  const table: TableSchema = { columns: [...fields, { name: 'st', type: 'STRUCT', mode: 'REPEATED', fields }] }
  const some =
    '"b":true,"i":-9007199254740993,"f":1.25e3,"n":-12.5,"s":"é\\n\\ud83d\\ude00","y":"AQI=","d":"2024-02-29","t":"01:02:03.5",' +
    '"dt":"2024-02-29 01:02:03","ts":"2024-02-29T01:02:03.123456+01:00","j":{"a":[1,"x",null]},"r":[1, 2]'
  const writerSchema = writerSchemaFor(table)
  const plan = compileRowPlan(table, writerSchema, null, { ignoreUnknownFields: true, sanitizeFieldNames: false })
  const transcoder = new Transcoder(new TranscoderPlan(plan, 0))
  const out = new RowBuffer(1024)
  for (const json of [
    `{${some}}`,
    `{ ${some} , "unknown" : [ {"x":"\\u0041"} ],"st":[{${some}},{}, {${some}}]}`,
    '{}',
    '{"i":null}',
  ]) {
    const record = Buffer.from(json)
    assert.notEqual(transcoder.encodeRow(record, 0, record.length, out, 0), BAIL, json)
    const amidst = Buffer.from(`${json}${' '.repeat(80)}`)
    assert.notEqual(transcoder.encodeRow(amidst, 0, record.length, out, 0), BAIL, json)
  }
  // And what is broken never is.
  for (const json of [
    '{"i":1',
    '{"i":1}x',
    '{"i":1,"i":2}',
    '{"i":true}',
    '[]',
    '{"s":"\\ud83d"}',
    '{"d":"2023-02-29"}',
  ]) {
    const record = Buffer.from(json)
    assert.equal(transcoder.encodeRow(record, 0, record.length, out, 0), BAIL, json)
  }
})
