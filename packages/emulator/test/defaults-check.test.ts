// What the emulator takes as defaultValueExpression, and in which words it refuses the rest.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Column, InvalidSchema } from '../src/catalog/table-schema.ts'
import { checkDefault } from '../src/rows/defaults.ts'
import { runs } from './random-runs.ts'

const column = (type: Column['type'], defaultExpression: string, more: Partial<Column> = {}): Column => ({
  name: 'c',
  type,
  mode: 'NULLABLE',
  fields: [],
  defaultExpression,
  ...more,
})
const field = (name: string, type: Column['type']): Column => ({ name, type, mode: 'NULLABLE', fields: [] })

describe('default expressions', () => {
  const taken: Column[] = [
    column('STRING', "'it''s'".replace("''", "\\'")),
    column('STRING', `"""triple "quoted" text"""`),
    column('STRING', String.raw`r'raw \d'`),
    column('STRING', 'GENERATE_UUID()'),
    column('STRING', 'SESSION_USER()'),
    column('BYTES', String.raw`b'\x00\377'`),
    column('BOOL', 'true'),
    column('INT64', '-5 -- a comment'),
    column('INT64', '0xFF'),
    column('INT64', "CAST('7' AS INT64)"),
    column('FLOAT64', '1e3'),
    column('FLOAT64', "CAST('-inf' AS FLOAT64)"),
    column('FLOAT64', 'RAND()'),
    column('NUMERIC', "NUMERIC '1.5'"),
    column('BIGNUMERIC', '2'),
    column('DATE', "DATE '2020-01-31'"),
    column('DATE', "'2020-01-31'"),
    column('DATE', 'current_date'),
    column('TIME', 'CURRENT_TIME()'),
    column('DATETIME', 'CURRENT_DATETIME()'),
    column('TIMESTAMP', 'CURRENT_TIMESTAMP()'),
    column('TIMESTAMP', "TIMESTAMP '2020-01-31 10:00:00+02'"),
    column('TIMESTAMP', 'CURRENT_TIMESTAMP', { timestampPrecision: 12 }),
    column('JSON', `JSON '{"a": [1]}'`),
    column('INTERVAL', 'INTERVAL 5 DAY'),
    column('INTERVAL', "INTERVAL '1-2 3 4:5:6.7' YEAR TO SECOND"),
    column('GEOGRAPHY', 'ST_GEOGPOINT(-122.35, 47.62)'),
    column('RANGE', "RANGE<DATE> '[2020-01-01, UNBOUNDED)'", { rangeElementType: 'DATE' }),
    column('INT64', '[1, 2, 3]', { mode: 'REPEATED' }),
    column('INT64', 'ARRAY<INT64>[]', { mode: 'REPEATED' }),
    column('STRUCT', "STRUCT<a INT64, b STRING>(1, 'x')", { fields: [field('a', 'INT64'), field('b', 'STRING')] }),
    column('STRUCT', '(1 AS a, NULL AS b)', { fields: [field('a', 'INT64'), field('b', 'STRING')] }),
    column('INT64', 'NULL'),
  ]
  for (const given of taken)
    it(`takes ${given.defaultExpression} for ${given.mode} ${given.type}`, () => checkDefault(given))

  const refused: [Column, RegExp][] = [
    [column('INT64', "'5'"), /column c: '5': it is STRING, the column INT64/],
    [column('DATE', "DATE '2021-02-29'"), /Invalid date: '2021-02-29' on field c/],
    [
      column('STRING', "'too long'", { maxLength: 3 }),
      /STRING\(3\) has maximum length 3 but got a value with length 8/,
    ],
    [column('INT64', '9223372036854775808'), /out of the range of INT64/],
    [column('STRING', 'CONCAT("a", "b")'), /CONCAT is not supported: literals and CURRENT_DATE/],
    [column('INT64', '1 + 1'), /"\+" is not understood there/],
    [column('INT64', '(SELECT 1)'), /SELECT is not supported/],
    [column('STRING', "'open"), /"'open" is not understood/],
    [column('INT64', ''), /it ends too early/],
    [column('INT64', '['.repeat(100_000)), /longer than 65536 characters/],
    [column('INT64', '['.repeat(1000)), /nests more than 15 levels/],
    [column('INT64', '(1))'), /is not understood there/],
    [column('INT64', 'NULL', { mode: 'REQUIRED' }), /a REQUIRED column cannot be NULL by default/],
    [column('DATE', 'CURRENT_TIMESTAMP()'), /it is CURRENT_TIMESTAMP\(\), the column DATE/],
    [column('GEOGRAPHY', 'ST_GEOGPOINT(0, 91)'), /latitude 91 is not in \[-90, 90\]/],
    [
      column('RANGE', "RANGE<DATE> '[2020-01-02, 2020-01-01)'", { rangeElementType: 'DATE' }),
      /Range start element must be less than range end element on field c/,
    ],
    [column('NUMERIC', '1e30'), /NUMERIC value: 1000000000000000000000000000000 is out of range/],
    [
      { name: 's', type: 'STRUCT', mode: 'NULLABLE', fields: [column('INT64', '1')] },
      /Field s\.c: only top-level columns can have a defaultValueExpression/,
    ],
  ]
  for (const [given, message] of refused)
    it(`refuses ${String(given.defaultExpression).slice(0, 40)} for ${given.mode} ${given.type}`, () => {
      assert.throws(
        () => checkDefault(given),
        (error: Error) => error instanceof InvalidSchema && message.test(error.message) && error.message.length < 700,
      )
    })

  it('meets any text with a default or an InvalidSchema, never anything else', () => {
    const pieces = fc.constantFrom(
      ...[
        '(',
        ')',
        '[',
        ']',
        '<',
        '>',
        ',',
        '-',
        '+',
        ' ',
        "'",
        '"',
        '\\',
        '1',
        '1.5e999',
        'NULL',
        'DATE',
        "'2020-01-01'",
        'STRUCT',
        'ARRAY',
        'RANGE',
      ],
      ...[
        'INTERVAL',
        'DAY',
        'TO',
        'CAST',
        'AS',
        'INT64',
        'b',
        'r',
        '--',
        '/*',
        '`',
        '0x',
        'CURRENT_DATE',
        'ST_GEOGPOINT',
        '\u0000',
        '漢',
      ],
    )
    const expression = fc
      .array(fc.oneof(pieces, fc.string({ maxLength: 3 })), { maxLength: 12 })
      .map(list => list.join(''))
    const types = fc.constantFrom<Column>(
      column('STRING', ''),
      column('INT64', '', { mode: 'REPEATED' }),
      column('DATE', ''),
      column('INTERVAL', ''),
      column('RANGE', '', { rangeElementType: 'DATE' }),
      column('STRUCT', '', { fields: [field('a', 'NUMERIC')] }),
      column('GEOGRAPHY', ''),
    )
    fc.assert(
      fc.property(types, expression, (given, defaultExpression) => {
        try {
          checkDefault({ ...given, defaultExpression })
        } catch (error) {
          assert.ok(error instanceof InvalidSchema, (error as Error).stack)
        }
      }),
      runs(1000),
    )
  })
})
