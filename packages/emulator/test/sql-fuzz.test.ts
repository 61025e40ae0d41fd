// Whatever text comes, the translator answers soon: with SQL or with a refusal, never with another error.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Table } from '../src/catalog/resources.ts'
import { schemaFromRest } from '../src/catalog/table-schema.ts'
import { SqlRefused } from '../src/sql/refused.ts'
import { parseStatement } from '../src/sql/statement.ts'
import { runs } from './random-runs.ts'

const table: Table = {
  project: 'p',
  dataset: 'd',
  table: 't',
  incarnation: 'i',
  schema: schemaFromRest({
    fields: [
      { name: 'id', type: 'INT64' },
      { name: 'name', type: 'STRING' },
      { name: 'tags', type: 'STRING', mode: 'REPEATED' },
      { name: 's', type: 'RECORD', fields: [{ name: 'a', type: 'BIGNUMERIC' }] },
    ],
  }),
  location: 'US',
  createdMs: 0,
  modifiedMs: 0,
  version: 1,
  rest: {},
}
const scope = {
  project: 'p',
  dataset: 'd',
  findTable: (ref: { table: string }) => (ref.table === 't' ? table : undefined),
  tablesOf: () => [table],
}

/** Milliseconds a statement of some thousand tokens may take; hundreds of times what it does. */
const SOON_MS = 3000

function translate(sql: string): string | undefined {
  const start = performance.now()
  try {
    return parseStatement(sql, scope).kind
  } catch (error) {
    assert.ok(error instanceof SqlRefused, `${sql.slice(0, 300)}: ${(error as Error).stack}`)
    return undefined
  } finally {
    assert.ok(performance.now() - start < SOON_MS, `${sql.slice(0, 100)} took ${performance.now() - start} ms`)
  }
}

const WORDS =
  'SELECT FROM WHERE GROUP BY ORDER HAVING QUALIFY WINDOW AS t id name tags s s.a * , ( ) [ ] . + - / = < > || ? @p @@x AND OR NOT NULL 1 2.5 "x" b"y" ' +
  'JOIN LEFT ON USING UNNEST WITH OFFSET UNION ALL DISTINCT EXCEPT REPLACE CASE WHEN THEN ELSE END CAST SAFE_CAST STRUCT ARRAY < INT64 STRING >> INTERVAL DAY ' +
  'COUNT SUM OVER PARTITION ROWS BETWEEN UNBOUNDED PRECEDING IGNORE NULLS LIMIT DATE TIMESTAMP EXTRACT DATE_TRUNC WEEK MONDAY SUBSTR SAFE IF COALESCE IN LIKE ANY IS ' +
  'EXISTS RECURSIVE INFORMATION_SCHEMA TABLES COLUMNS INSERT INTO VALUES UPDATE SET DELETE MERGE MATCHED CREATE TABLE DROP ALTER ADD COLUMN PRIMARY KEY RANGE JSON FORMAT_DATE ` `p.d.t` ; # -- /* */'

describe('the translator on garbage', () => {
  it('answers any words with SQL or a refusal', () => {
    const word = fc.constantFrom(...WORDS.split(' '))
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), words => void translate(words.join(' '))),
      runs(400),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), words => void translate(`SELECT ${words.join(' ')} FROM t`)),
      runs(400),
    )
  })

  it('answers any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), text => void translate(text)),
      runs(200),
    )
  })

  const times = (text: string, count: number): string => text.repeat(count)
  const large: [what: string, sql: string][] = [
    ['nested parentheses', `SELECT ${times('(', 100_000)}1${times(')', 100_000)}`],
    ['nested subqueries', `${times('SELECT * FROM (', 50_000)}SELECT 1${times(')', 50_000)}`],
    ['opening brackets', `SELECT ${times('[', 200_000)}`],
    ['opening comments', `SELECT ${times('/*', 300_000)}`],
    ['nested NOTs', `SELECT ${times('NOT ', 100_000)}TRUE`],
    ['nested signs', `SELECT ${times('- ', 200_000)}1`],
    ['unclosed CASEs', `SELECT ${times('CASE WHEN ', 50_000)}`],
    ['nested calls that need their value twice', `SELECT ${times('SUBSTR(', 140)}"x"${times(', -1)', 140)}`],
    ['nested divisions', `SELECT ${times('1 / (', 140)}id${times(')', 140)} FROM t`],
    ['nested types', `SELECT CAST(1 AS ${times('STRUCT<a ', 50_000)}`],
    ['more than a megabyte', `SELECT ${times('1 +', 400_000)} 1`],
  ]
  for (const [what, sql] of large) it(`answers ${what} soon`, () => void translate(sql))

  it('refuses arithmetic chains DuckDB would take minutes for', () => {
    assert.equal(translate(`SELECT ${times('1 + ', 100)}1`), 'query')
    assert.equal(translate(`SELECT ${times('1 + ', 101)}1`), undefined)
  })

  it('takes long lists and chains', () => {
    for (const sql of [
      `SELECT ${times('1, ', 20_000)}1 AS z`,
      `SELECT 1 WHERE ${times('1 = 2 OR ', 20_000)}TRUE`,
      `SELECT id FROM t WHERE id IN (${times('1, ', 50_000)}1)`,
      `SELECT 1 AS x ${times('UNION ALL SELECT 1 ', 5_000)}`,
    ])
      assert.equal(translate(sql), 'query', sql.slice(0, 50))
  })
})
