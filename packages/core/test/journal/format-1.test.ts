// A journal as the version before format 2 left it (fixtures/format-1.json, text by text): an upgraded worker goes on from it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  applyRecord,
  decodeGenesis,
  decodeKey,
  decodeRecord,
  EMPTY_KEY_SPACE,
  fold,
  headClaim,
  isDeleted,
  type KeySpaceState,
  knownPosition,
  planStreams,
  streamOffset,
  verdictFor,
} from '@millrace/core'
import { S1, settledUpTo } from './arbitrary-journal.ts'

type Entry = { readonly key: string; readonly value: string }
const FIXTURE = new URL('./fixtures/format-1.json', import.meta.url)

test('every record of format 1 is read and means what it meant', () => {
  const entries = JSON.parse(readFileSync(FIXTURE, 'utf8')) as readonly Entry[]
  const spaces = new Map<number, KeySpaceState>()
  for (const [i, { key, value }] of entries.entries()) {
    const decoded = decodeKey(key)
    if (decoded.kind === 'genesis') {
      assert.deepEqual(decodeGenesis(value).partitionsKnown, { flights: 4 })
      continue
    }
    const { partition } = decoded.space
    const state = spaces.get(partition) ?? EMPTY_KEY_SPACE
    spaces.set(partition, applyRecord(state, decoded.key, decodeRecord(value), BigInt(i)))
  }
  const [ended, released, crashed] = [1, 2, 3].map(partition => spaces.get(partition))
  assert(ended !== undefined && released !== undefined && crashed !== undefined)

  assert.equal(headClaim(crashed)?.workerId, 'w1')
  assert.deepEqual(planStreams(crashed, 2).finalize, [S1])
  const folded = fold(crashed, 2, new Map([[S1, streamOffset(3)]]), null)
  assert.equal(settledUpTo(folded.progress), '<15', 'what landed, the dead letter, and not the batch that did not')
  assert.deepEqual(folded.deadLetters, [{ from: 13n, to: 14n }])
  assert.equal(verdictFor(crashed, S1.replace('s1', 's0') as typeof S1), 4n)

  assert.equal(knownPosition(released), 9_007_199_254_740_994n)
  assert.deepEqual(
    [...planStreams(released, 3).released.values()].map(({ row }) => row),
    [9n],
  )
  assert.ok(isDeleted(ended) && !isDeleted(crashed))
})
