// docs/exactly-once.md says for every state of the two machines what happens to an owner that dies in it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ClaimState, LaneState } from '@millrace/core'

/** Records, so that a new state does not compile until somebody has looked at the matrix. */
const CLAIM: Readonly<Record<ClaimState['kind'], true>> = {
  following: true,
  claiming: true,
  confirming: true,
  finalizing: true,
  folding: true,
  pausing: true,
  resolvingStart: true,
  loggingLetters: true,
  confirmingLetters: true,
  savingDeadLetters: true,
  settling: true,
  confirmingSettled: true,
  owning: true,
  altered: true,
  fenced: true,
  inDoubt: true,
}
const LANE: Readonly<Record<LaneState['kind'], true>> = {
  unopened: true,
  creating: true,
  loggingOpen: true,
  confirmingOpen: true,
  rechecking: true,
  appending: true,
  draining: true,
  splitting: true,
  pausing: true,
  finalizing: true,
  misaligned: true,
  settling: true,
  ended: true,
}

test('the crash matrix names every state of a claim and of a lane', () => {
  const page = readFileSync(new URL('../../../../docs/exactly-once.md', import.meta.url), 'utf8')
  const [, matrix = ''] = page.split('\n## Crash matrix\n')
  const [chapter = ''] = matrix.split('\n## ')
  const missing = Object.keys({ ...CLAIM, ...LANE }).filter(state => !chapter.includes(`\`${state}\``))
  assert.deepEqual(missing, [])
})
