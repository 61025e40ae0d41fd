// Every rule broken on purpose is noticed. MILLRACE_EXPLORER_TRACE=1 prints the shortest way to each violation.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MUTANTS } from './mutants.ts'
import { PRODUCTION } from './rules.ts'
import { explore } from './search.ts'

const STATES_MAX = 400_000
const isTraced = process.env['MILLRACE_EXPLORER_TRACE'] !== undefined

for (const [name, { does, caughtBy, rules, scope }] of Object.entries(MUTANTS))
  test(`mutant ${name} (${does}) is caught by ${caughtBy}`, t => {
    const found = explore(scope, { rules: { ...PRODUCTION, ...rules }, watch: [caughtBy], statesMax: STATES_MAX })
    assert.equal(found.violation?.invariant, caughtBy, `it survives ${found.states} states`)
    t.diagnostic(`${found.violation.what}: depth ${found.depth}, ${found.states} states`)
    if (isTraced) t.diagnostic(`\n  ${found.trace.join('\n  ')}`)
  })
