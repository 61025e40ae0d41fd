// Every interleaving of every scope keeps every invariant.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scope } from './scope.ts'
import { explore } from './search.ts'

/** The largest scope has a third of it. */
const STATES_MAX = 1_000_000

export function exploreAll(scopes: Readonly<Record<string, Scope>>): void {
  for (const [name, scope] of Object.entries(scopes))
    test(`no interleaving duplicates, loses or doubts a record: ${name}`, t => {
      const { violation, trace, states, complete, isExhausted } = explore(scope, { statesMax: STATES_MAX })
      assert.equal(violation, null, `${violation?.invariant}: ${violation?.what}\n  ${trace.join('\n  ')}`)
      assert.ok(isExhausted, `explored to the end (${states} states)`)
      assert.ok(complete > 0, 'some interleaving delivers everything')
      t.diagnostic(`${states} states, ${complete} with everything delivered`)
    })
}
