// Every interleaving in small scopes. Larger ones take minutes and belong to `npm run sim`, which is not built yet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explore, type Scope } from './explorer.ts'

const SCOPE: Scope = {
  workers: 2,
  records: 1,
  claims: 2,
  compactions: 0,
  crashes: true,
  losses: 1,
  deadLetters: true,
  bad: 0,
}

const SCOPES: Record<string, Scope> = {
  'two workers, one record, crashes, a broken connection': SCOPE,
  'two workers, one record, crashes, a compaction at any point': { ...SCOPE, losses: 0, compactions: 1 },
  'one worker, two records, the first refused by the table': {
    ...SCOPE,
    workers: 1,
    claims: 1,
    records: 2,
    bad: 1,
    deadLetters: false,
  },
  'refused rows beside dead letters, claimed twice': { ...SCOPE, workers: 1, records: 2, bad: 1, losses: 0 },
  'adoption after Release, three claims, no crash': {
    ...SCOPE,
    workers: 1,
    claims: 3,
    records: 2,
    crashes: false,
    losses: 0,
  },
  'the position is moved back beside an owner whose appends linger': {
    ...SCOPE,
    claims: 1,
    crashes: false,
    deadLetters: false,
    alterations: [0],
  },
  'the position is moved back beside two workers that want the partition': {
    ...SCOPE,
    losses: 0,
    crashes: false,
    deadLetters: false,
    alterations: [0],
  },
  'the position is moved back after a crash, appends linger': {
    ...SCOPE,
    workers: 1,
    deadLetters: false,
    alterations: [0],
  },
  'the position is moved past a record that may be a dead letter': {
    ...SCOPE,
    workers: 1,
    losses: 0,
    alterations: [1],
  },
  'two operators at once: forgotten, and moved': {
    ...SCOPE,
    claims: 1,
    losses: 0,
    crashes: false,
    deadLetters: false,
    alterations: [null, 1],
  },
  'the position is moved between two records, a compaction at any point': {
    ...SCOPE,
    workers: 1,
    records: 2,
    losses: 0,
    compactions: 1,
    crashes: false,
    deadLetters: false,
    alterations: [1],
  },
}

for (const [name, scope] of Object.entries(SCOPES)) {
  test(`no interleaving duplicates, loses or doubts a record: ${name}`, () => {
    const result = explore(scope, 200_000)
    assert.equal(result.violation, null, `${result.violation}\n  ${result.trace.join('\n  ')}`)
    assert.ok(result.exhausted, `the scope was explored to the end (${result.states} states)`)
    assert.ok(result.complete > 0, 'some interleaving settles every record')
  })
}
