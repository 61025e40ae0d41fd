import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { flightsFile, flightsQuery } from '../src/demo/flights.ts'
import { type RunSql, verdictLine, verify } from '../src/demo/verify.ts'

const RECORDS = 20_000
let connection: DuckDBConnection

before(async () => {
  connection = await (await DuckDBInstance.create(':memory:')).connect()
})
after(() => connection.closeSync())

const runSql: RunSql = async sql =>
  (await connection.runAndReadAll(sql)).getRows().map(row => row.map(value => (value === null ? null : String(value))))

/** The verdict on a table that equals the file but for `changes`. */
async function verdictAfter(...changes: readonly string[]): Promise<string> {
  await connection.run(`CREATE OR REPLACE TABLE arrived AS SELECT * FROM ${flightsQuery(flightsFile(), RECORDS)}`)
  for (const change of changes) await connection.run(change)
  return verdictLine(await verify(runSql, 'arrived', RECORDS))
}

test('a table that equals the file is verified', async () => {
  assert.equal(await verdictAfter(), 'verified: 20000 records = 20000 rows, 0 missing, 0 duplicates')
})

test('a missing row is counted and named', async () => {
  assert.equal(
    await verdictAfter('DELETE FROM arrived WHERE id IN (12345, 12346)'),
    'different: 20000 records, 19998 rows, 2 missing, 0 duplicates; missing ids begin with 12345, 12346',
  )
})

test('a doubled row is counted and named', async () => {
  assert.equal(
    await verdictAfter('INSERT INTO arrived SELECT * FROM arrived WHERE id = 777'),
    'different: 20000 records, 20001 rows, 0 missing, 1 duplicates; ids more than once begin with 777 (2 times)',
  )
})

test('a missing and a doubled row do not cancel out', async () => {
  const line = await verdictAfter(
    'DELETE FROM arrived WHERE id = 5',
    'INSERT INTO arrived SELECT * FROM arrived WHERE id = 6',
  )
  assert.match(line, /^different: 20000 records, 20000 rows, 1 missing, 1 duplicates/)
})

test('a row of an aborted transaction is named', async () => {
  const line = await verdictAfter(
    'INSERT INTO arrived SELECT 1000000003, date, delay, distance, origin, destination FROM arrived WHERE id = 3',
  )
  assert.match(line, /^different: 20000 records, 20001 rows, 0 missing, 0 duplicates; .*never committed.* 1000000003/)
})

for (const [what, change] of [
  ['a changed value', 'UPDATE arrived SET delay = delay + 1 WHERE id = 100'],
  ['a changed minute', 'UPDATE arrived SET date = date + INTERVAL 1 MINUTE WHERE id = 100'],
  ['a changed origin', "UPDATE arrived SET origin = 'ZZZ' WHERE id = 100"],
  ['a null', 'UPDATE arrived SET destination = NULL WHERE id = 100'],
  [
    'a value exchanged between two rows',
    'UPDATE arrived SET distance = (SELECT a.distance FROM arrived a WHERE a.id = 301 - arrived.id) WHERE id IN (100, 201)',
  ],
] as const) {
  test(`${what} is found`, async () => {
    assert.match(
      await verdictAfter(change),
      /^different: 20000 records, 20000 rows, 0 missing, 0 duplicates; (all|origin|destination|day)/,
    )
  })
}
