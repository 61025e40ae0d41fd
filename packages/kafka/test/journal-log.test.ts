// What the journal writes, batch by batch: a record batch is in the log whole or not at all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Incarnation, type KeySpace, kafkaOffset, recordKey, startAt, type WorkerId } from '@millrace/core'
import { KafkaJournalLog } from '../src/journal-log.ts'
import { clusterOf, LogInMemory } from './log-in-memory.ts'
import { within } from './support.ts'

const SPACE: KeySpace = { topic: 'flights', partition: 0, incarnation: 'inc' as Incarnation }
/** So small that any two appends go apart. */
const WRITER = { batchBytes: 100 }

test('all that a claim sweeps goes in one record batch: no compaction and no reader comes between', async () => {
  const log = new LogInMemory()
  const journal = await KafkaJournalLog.open(
    clusterOf(log),
    { topic: 't', partitions: 1, followIntervalMs: 60_000, writer: WRITER },
    within(5_000),
  )
  const claims = Array.from({ length: 50 }, (_, i) => {
    const claimId = `c${i}`
    return [
      { kind: 'claim', claimId, epoch: i + 1, workerId: 'w' as WorkerId, generation: 1 },
      { kind: 'settled', claimId, epoch: i + 1, progress: startAt(kafkaOffset(i)) },
    ] as const
  })
  for (const records of claims) await journal.append(SPACE, records)
  assert.equal(log.batches.length, claims.length, 'so does what one append writes')

  const old = claims.slice(0, -1).flat().map(recordKey)
  const others = [1, 2, 3].map(i => journal.append({ ...SPACE, partition: i }, [{ kind: 'barrier', claimId: 'c49' }]))
  await Promise.all([journal.delete(SPACE, old), ...others])
  const added = log.batches.slice(claims.length).map(({ base, next }) => Number(next - base))
  assert.deepEqual(
    added.filter(count => count >= old.length),
    [old.length],
  )
  const state = await journal.readToEnd(SPACE, within(5_000))
  assert.deepEqual([...state.claims.keys(), ...state.settled.keys()], ['claim/c49', 'settled/c49'])
  await journal.close(within(1_000))
})
