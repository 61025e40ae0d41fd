// The short form of the chaos harness. The whole matrix: `npm run chaos`.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROWS } from './rows/index.ts'
import { SHORT_ROW } from './rows/short.ts'
import { runRows } from './run-rows.ts'
import { table } from './table.ts'

test('five faults under load lose nothing, double nothing, and leave every partition at work', async t => {
  const [outcome] = await runRows([SHORT_ROW], { isFull: false })
  assert.ok(outcome !== undefined)
  for (const line of table([outcome]).split('\n')) t.diagnostic(line)
  assert.equal(outcome.status, 'held', outcome.because)
})

test('every row of the matrix goes by its own name', () => {
  const ids = ROWS.map(row => row.id)
  assert.equal(new Set(ids).size, ids.length, ids.join(' '))
})
