// docs/holes.md names a test for each hole; one that was renamed or deleted would leave a promise without proof.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './source-tree.ts'

const HOLES = 35
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const rows = read('docs/holes.md')
  .split('\n')
  .filter(line => /^\| H\d+ \|/.test(line))
  .map(line => line.slice(2, -2).split(' | '))

test('each hole is in the table, once', () => {
  assert.deepEqual(
    rows.map(([hole]) => hole),
    Array.from({ length: HOLES }, (_, i) => `H${i + 1}`),
  )
})

test('every test and mutant that the table names exists', () => {
  for (const [hole, , , shownBy = ''] of rows)
    for (const one of shownBy.split(/; (?=packages\/|test\/)/)) {
      const [, file = '', name = ''] = /^(\S+\.ts): (.+)$/.exec(one) ?? []
      assert.ok(file !== '' && existsSync(join(root, file)), `${hole}: ${one}`)
      const text = read(file)
      const isThere = file.endsWith('/mutants.ts') ? text.includes(`\n  ${name}: {\n`) : isNamed(text, name)
      assert.ok(isThere, `${hole}: ${file} has "${name}"`)
    }
})

/** The string, or where it is part of a template, its beginning. */
const isNamed = (text: string, name: string): boolean =>
  [`'${name}'`, `"${name}"`, `\`${name} \${`].some(quoted => text.includes(quoted))

// https://kafka.apache.org/protocol#protocol_api_keys
const TRANSACTIONS =
  /transactionalId: (?!null)|\.transaction\(|AddPartitionsToTxn|AddOffsetsToTxn|EndTxn|TxnOffsetCommit/

test('H15 no source of a worker begins a Kafka transaction', () => {
  const sources = globSync('packages/{kafka,worker,core}/src/**/*.ts', { cwd: root })
  assert.ok(sources.length > 50)
  assert.deepEqual(
    sources.filter(path => TRANSACTIONS.test(read(path))),
    [],
  )
})
