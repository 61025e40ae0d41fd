import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapInPieces, PIECE_MS } from '../src/index.ts'

/** Each item takes `itemMs`; what was done is written down, turns of the event loop as '|'. */
function slowWork(itemMs: number) {
  let nowMs = 1_000
  const log: (number | '|')[] = []
  const clock = { monotonicMs: () => nowMs }
  const sleep = async (ms: number, { signal }: { signal: AbortSignal }): Promise<void> => {
    assert.equal(ms, 0)
    signal.throwIfAborted()
    log.push('|')
    nowMs += 500 // what others do in between is not our work
  }
  const work = (item: number): string => {
    nowMs += itemMs
    log.push(item)
    return `done ${item}`
  }
  return { log, work, deps: { clock, timers: { sleep } } }
}

test('long work lets others have their turn after each piece, and answers in order', async () => {
  const { log, work, deps } = slowWork(PIECE_MS / 2)
  const results = await mapInPieces([1, 2, 3, 4, 5], work, deps, new AbortController())
  assert.deepEqual(results, ['done 1', 'done 2', 'done 3', 'done 4', 'done 5'])
  assert.deepEqual(log, [1, 2, '|', 3, 4, '|', 5])
})

test('short work is done at once', async () => {
  const { log, work, deps } = slowWork(PIECE_MS / 10)
  await mapInPieces([1, 2, 3, 4, 5], work, deps, new AbortController())
  assert.deepEqual(log, [1, 2, 3, 4, 5])
})

test('work that nobody waits for any more ends between two pieces', async () => {
  const { log, work, deps } = slowWork(PIECE_MS)
  const closing = new AbortController()
  const stopAtTwo = (item: number): string => {
    if (item === 2) closing.abort(new Error('closing'))
    return work(item)
  }
  await assert.rejects(mapInPieces([1, 2, 3], stopAtTwo, deps, closing), /closing/)
  assert.deepEqual(log, [1, '|', 2])
})
