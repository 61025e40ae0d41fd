// Every interleaving of every scope keeps every invariant.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SCOPES } from './scopes.ts'
import { explore } from './search.ts'

for (const [name, scope] of Object.entries(SCOPES))
  test(`no interleaving duplicates, loses or doubts a record: ${name}`, t => {
    const found = explore(scope, { statesMax: 2_000_000 })
    const { violation, trace, states, complete, isExhausted } = found
    assert.equal(violation, null, `${violation?.invariant}: ${violation?.what}\n  ${trace.join('\n  ')}`)
    assert.ok(isExhausted, `explored to the end (${states} states)`)
    assert.ok(complete > 0, 'some interleaving delivers everything')
    t.diagnostic(`${states} states, ${complete} with everything delivered`)
  })
