// Long random walks of the lane: full windows, pipelining, refused rows, dead letters, any number of lost connections. At every
// step a new owner would conclude from the journal exactly what is in the tables (NoDup, NoLoss, OneOutcome, Aligned, IntentFirst).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Choose, LaneWorld } from './lane-world.ts'

const WALKS = 150
const RECORDS = 40
const TROUBLE_STEPS = 220

/** xorshift32: a walk is repeated by its seed. */
function chooser(seed: number): Choose {
  let x = seed * 2_654_435_761 || 1
  return count => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % count
  }
}

function walk(seed: number): LaneWorld {
  const choose = chooser(seed)
  const bad = new Set(Array.from({ length: RECORDS }, (_, r) => r).filter(() => choose(seed % 3 === 0 ? 4 : 15) === 0))
  const world = new LaneWorld(choose, RECORDS, bad)
  let steps = 0
  while (!world.isFinished && steps++ < TROUBLE_STEPS) world.step(true)
  while (!world.isFinished) {
    assert.ok(steps++ < 5_000, 'Progress: it does not end')
    world.step(false)
  }
  return world
}

test(`${WALKS} random walks of a lane: recoverable at every step, complete at the end`, () => {
  let rotations = 0
  let letters = 0
  for (let seed = 1; seed <= WALKS; seed++) {
    try {
      const world = walk(seed)
      rotations += world.streams.size - 1
      letters += world.letters.size
    } catch (error) {
      assert.fail(`seed=${seed}: ${error instanceof Error ? error.stack : String(error)}`)
    }
  }
  assert.ok(
    rotations > WALKS / 10 && letters > WALKS,
    `the walks see enough: ${rotations} rotations, ${letters} letters`,
  )
})
