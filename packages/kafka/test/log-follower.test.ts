// A follower of a compacted log whose leader does not know what others have known (R3): it waits, tells, and goes on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FORMAT_HEADER, LogFollower } from '../src/log-follower.ts'
import { clusterOf, LogInMemory } from './log-in-memory.ts'
import { within } from './support.ts'

const HEADERS = [{ key: FORMAT_HEADER, value: Buffer.from('1') }]
const STALE_MS = 50
const LOST = { code: 'JOURNAL_LOST', disposition: 'failPartition' }

const append = (log: LogInMemory, ...keys: readonly string[]): void => {
  for (const key of keys) log.appendRecords({ key: Buffer.from(key), value: null, headers: HEADERS, timestampMs: 1 })
}
function logOf(...keys: readonly string[]): LogInMemory {
  const log = new LogInMemory()
  append(log, ...keys)
  return log
}

/** Has read the log to its end once. `leader` is who answers; `acknowledged` what our own writer was told. */
async function following(log: LogInMemory) {
  const at = { leader: log, acknowledged: -1n }
  const keys: string[] = []
  const options = { followIntervalMs: 60_000, staleLeaderMs: STALE_MS, formats: ['1'] }
  const follower = new LogFollower(
    clusterOf(() => at.leader),
    't',
    1,
    ({ key }) => void keys.push(key),
    () => at.acknowledged,
    options,
  )
  const read = (): Promise<void> => follower.readToEnd(0, within(5_000))
  await read()
  return { at, keys, follower, read, [Symbol.asyncDispose]: () => follower.close() }
}

test('a leader that was deposed long ago is JOURNAL_LOST for as long as it answers, and no longer', async () => {
  const log = logOf('a', 'b', 'c')
  await using it = await following(log)
  it.at.leader = logOf('a', 'b')
  await assert.rejects(it.read(), LOST)
  assert.match(it.follower.trouble?.message ?? '', /below 3|out of range/)
  await assert.rejects(it.read(), LOST, 'and again')
  it.at.leader = log
  append(log, 'd')
  await it.read()
  assert.deepEqual(it.keys, ['a', 'b', 'c', 'd'])
  assert.equal(it.follower.trouble, null)
})

test('a deposed leader that has all we read, but not what was acknowledged to us, is told apart as well', async () => {
  const log = logOf('a', 'b', 'c')
  await using it = await following(log)
  it.at.leader = logOf('a', 'b', 'c')
  append(log, 'd')
  it.at.acknowledged = 3n
  await assert.rejects(it.read(), LOST)
  it.at.leader = log
  await it.read()
  assert.deepEqual(it.keys, ['a', 'b', 'c', 'd'])
})

test('an end that is too low for a moment only holds a reader up', async () => {
  const log = logOf('a', 'b', 'c')
  await using it = await following(log)
  it.at.leader = logOf('a')
  const reading = it.read()
  await sleep(STALE_MS / 5)
  it.at.leader = log
  await reading
  assert.deepEqual(it.keys, ['a', 'b', 'c'])
})

test('a log that was lost and has grown as long again is not the one it was: JOURNAL_LOST for good', async () => {
  for (const isLong of [false, true]) {
    const log = logOf('a', 'b', 'c')
    await using it = await following(log)
    it.at.leader = logOf('a')
    const reading = it.read()
    if (isLong) await assert.rejects(reading, LOST)
    else await sleep(STALE_MS / 5)
    append(it.at.leader, 'x', 'y', 'z')
    await assert.rejects(isLong ? it.read() : reading, { ...LOST, message: /offset 2 is another record than it was/ })
    it.at.leader = log
    await assert.rejects(it.read(), LOST, 'whoever leads it then')
    assert.deepEqual(it.keys, ['a', 'b', 'c'], 'nothing of it is applied')
  }
})

test('so it is where the last record is not there any more: nobody can tell', async () => {
  const log = logOf('a', 'b', 'c')
  await using it = await following(log)
  it.at.leader = logOf('a')
  await assert.rejects(it.read(), LOST)
  append(log, 'd')
  log.batches = log.batches.filter(({ base }) => base !== 2n)
  it.at.leader = log
  await assert.rejects(it.read(), { ...LOST, message: /offset 2 is not there any more/ })
})
