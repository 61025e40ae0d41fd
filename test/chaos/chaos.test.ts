// The short form of the chaos harness, and its checker on the same stage. The whole matrix: `npm run chaos`.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { plainRecord, range, sqlName, textOf } from '../e2e/support/stage.ts'
import { check, type Place } from './checker.ts'
import { ABORTED_FROM, Ledger, POISON_FROM } from './ledger.ts'
import { ROWS } from './rows/index.ts'
import { SHORT_ROW } from './rows/short.ts'
import { runRow } from './run-rows.ts'
import { ChaosStage, GROUP } from './stage.ts'
import { table } from './table.ts'

let stage: ChaosStage
before(async () => {
  stage = await ChaosStage.begin()
})
after(() => stage[Symbol.asyncDispose]())

test('five faults under load lose nothing, double nothing, and leave every partition at work', async t => {
  const outcome = await runRow(stage, SHORT_ROW, false)
  for (const line of table([outcome]).split('\n')) t.diagnostic(line)
  assert.equal(outcome.status, 'held', outcome.because)
})

// verdict.test.ts has every rule; here it is about what is read from the real table and the real topics.
test('the checker reads what is wrong in a table, a dead letter topic and the audit, also where the counts are right', async () => {
  const name = stage.unique('tampered')
  const place: Place = { topic: name, table: name, deadLetterTopic: `${name}_dead` }
  await Promise.all([stage.createTopic(name, 2), stage.createTopic(place.deadLetterTopic, 1), stage.createTable(name)])
  const ledger = new Ledger()
  ledger.acknowledged(ledger.take('committed', 10))
  ledger.acknowledged(ledger.take('aborted', 1))
  ledger.acknowledged(ledger.take('poison', 1))
  const insert = (...rows: readonly (readonly [number | null, string])[]): Promise<unknown> =>
    stage.sql(
      `INSERT INTO ${sqlName(name)} (id, text) VALUES ${rows.map(([id, text]) => `(${id}, '${text}')`).join(', ')}`,
    )
  const letter = async (id: number): Promise<void> => {
    const from = { topic: name, partition: '0', offset: String(id % 10) }
    const headers = Object.fromEntries(Object.entries(from).map(([part, is]) => [`__connect.errors.${part}`, is]))
    await stage.produce(place.deadLetterTopic, [{ key: `k${id}`, value: ledger.valueOf(id), headers }])
  }
  await stage.produce(
    name,
    range(0, 10).map(id => plainRecord(id, id % 2)),
  )
  await insert(...range(0, 10).map(id => [id, textOf(id)] as const))
  await letter(POISON_FROM)
  assert.deepEqual((await check(stage, place, ledger, 1_000)).differences, [])

  await insert([3, textOf(3)], [ABORTED_FROM, textOf(ABORTED_FROM)], [null, 'of nobody'])
  await stage.sql(`DELETE FROM ${sqlName(name)} WHERE id = 5`)
  await stage.sql(`UPDATE ${sqlName(name)} SET text = 'row 60' WHERE id = 6`)
  await letter(7)
  const gap = { kind: 'offsetsLost', id: 'no loss', topic: name, partition: 1, from: '2', to: '4' }
  await stage.produce(`${GROUP}-audit`, [{ key: name, value: JSON.stringify(gap) }])
  const { missing, duplicates, doubleOutcomes, phantoms, torn, falseGaps, differences } = await check(
    stage,
    place,
    ledger,
    1_000,
  )
  assert.deepEqual(
    { missing, duplicates, doubleOutcomes, phantoms, torn, falseGaps },
    // Phantoms: the aborted one, the one without an id, and the letter of a good record. Torn: 6, and the one without an id.
    { missing: 1, duplicates: 1, doubleOutcomes: 1, phantoms: 3, torn: 2, falseGaps: 2 },
    differences.join('; '),
  )
})

test('every row of the matrix goes by its own name', () => {
  const ids = ROWS.map(row => row.id)
  assert.equal(new Set(ids).size, ids.length, ids.join(' '))
})
