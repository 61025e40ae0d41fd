// What every JournalLog must do. Run on the twin and on a real broker.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  EMPTY,
  type GenesisLog,
  headClaim,
  type Incarnation,
  isDeleted,
  type JournalLog,
  type JournalRecord,
  type KeySpace,
  kafkaOffset,
  type StreamName,
  streamOffset,
  type WorkerId,
} from '@millrace/core'

export type JournalLogSubject = AsyncDisposable & {
  /** Another worker's client of the same, at first empty, journal. */
  client(): Promise<JournalLog & GenesisLog>
}

const WAIT_MAX_MS = 20_000

const claim = (claimId: string, epoch: number): JournalRecord => ({
  kind: 'claim',
  claimId,
  epoch,
  workerId: 'w' as WorkerId,
  generation: 1,
})
const settled = (claimId: string, epoch: number, frontier: number): JournalRecord => ({
  kind: 'settled',
  claimId,
  epoch,
  progress: { frontier: kafkaOffset(frontier), beyond: EMPTY, fingerprint: null },
})
const intent = (claimId: string, epoch: number, frontier: bigint): JournalRecord => ({
  kind: 'intent',
  claimId,
  epoch,
  stream: 'projects/p/datasets/d/tables/t/streams/s' as StreamName,
  progress: {
    frontier: kafkaOffset(frontier),
    beyond: [{ from: kafkaOffset(frontier + 5n), to: kafkaOffset(frontier + 7n) }],
    fingerprint: null,
  },
  window: [
    {
      firstRow: streamOffset(2n ** 60n),
      rowCount: 2,
      rows: [{ from: kafkaOffset(frontier), to: kafkaOffset(frontier + 2n) }],
      dead: EMPTY,
      drop: EMPTY,
      generation: 1,
      fingerprint: { kafkaOffset: kafkaOffset(frontier + 1n), timestampMs: 12, crc: 4_000_000_000 },
    },
  ],
})
const space = (n: number): KeySpace => ({
  incarnation: 'inc' as Incarnation,
  topic: 'a.b_c-d-1',
  partition: n,
})

export function describeJournalLog(name: string, open: () => Promise<JournalLogSubject>): void {
  const check = (title: string, body: (subject: JournalLogSubject, signal: AbortSignal) => Promise<void>): void => {
    test(title, async () => {
      await using subject = await open()
      await body(subject, AbortSignal.timeout(WAIT_MAX_MS))
    })
  }

  describe(`${name}: journal log`, () => {
    check('an unknown key space is empty', async (subject, signal) => {
      const log = await subject.client()
      assert.equal(headClaim(await log.readToEnd(space(0), { signal })), null)
      assert.equal(log.peek(space(0)).claims.size, 0)
    })

    check('what was acknowledged to one worker, another reads to the end, field by field', async (subject, signal) => {
      const [one, two] = [await subject.client(), await subject.client()]
      const big = 2n ** 55n + 1n
      await one.append(space(0), [claim('c1', 1), intent('c1', 1, big), settled('c1', 1, 9)])
      for (const log of [one, two]) {
        const state = await log.readToEnd(space(0), { signal })
        assert.equal(headClaim(state)?.claimId, 'c1')
        const written = intent('c1', 1, big)
        assert.deepEqual([...state.intents.values()], [written])
        const records = [...state.settled.values()].map(({ journalOffset: _, ...record }) => record)
        assert.deepEqual(records, [settled('c1', 1, 9)])
      }
    })

    check('among equal epochs every worker sees the same head, the first in the log', async (subject, signal) => {
      const logs = await Promise.all([subject.client(), subject.client(), subject.client()])
      await Promise.all(logs.map((log, i) => log.append(space(1), [claim(`c${i}`, 7)])))
      const heads = await Promise.all(
        logs.map(async log => headClaim(await log.readToEnd(space(1), { signal }))?.claimId),
      )
      assert.equal(new Set(heads).size, 1)
    })

    check('records of one append and of one caller stay in order', async (subject, signal) => {
      const log = await subject.client()
      await log.append(space(2), [claim('c', 1)])
      const writes = Array.from({ length: 100 }, (_, i) =>
        log.append(space(2), [settled('c', 1, i), settled('c', 1, i + 1_000)]),
      )
      await Promise.all(writes)
      const state = await log.readToEnd(space(2), { signal })
      assert.equal([...state.settled.values()][0]?.progress?.frontier, 1_099n)
    })

    check('key spaces do not mix', async (subject, signal) => {
      const log = await subject.client()
      await Promise.all([0, 1, 2, 3, 4, 5].map(n => log.append(space(n), [claim(`of-${n}`, n)])))
      for (const n of [0, 1, 2, 3, 4, 5]) {
        const state = await log.readToEnd(space(n), { signal })
        assert.deepEqual([...state.claims.keys()], [`claim/of-${n}`])
      }
    })

    check('a deleted key is gone for everybody, and Deleted stays', async (subject, signal) => {
      const [one, two] = [await subject.client(), await subject.client()]
      await one.append(space(0), [
        claim('old', 1),
        claim('new', 2),
        { kind: 'deleted', claimId: 'new', epoch: 2, by: 'someone' },
      ])
      await one.delete(space(0), ['claim/old'])
      for (const log of [one, two]) {
        const state = await log.readToEnd(space(0), { signal })
        assert.deepEqual([...state.claims.keys()], ['claim/new'])
        assert.equal(isDeleted(state), true)
      }
    })

    check('a worker that comes later reads everything', async (subject, signal) => {
      const one = await subject.client()
      await one.append(space(3), [claim('c', 4)])
      const late = await subject.client()
      assert.equal(headClaim(await late.readToEnd(space(3), { signal }))?.epoch, 4)
    })

    check(
      'a Genesis is read by everybody, the later one wins, and an unknown incarnation has none',
      async (subject, signal) => {
        const [one, two] = [await subject.client(), await subject.client()]
        const incarnation = 'inc-9' as Incarnation
        assert.equal(await two.readGenesis(incarnation, { signal }), null)
        const genesis = { journalId: 'j', journalPartitions: 5, partitionsKnown: { orders: 3, 'a.b': 12 } }
        await one.writeGenesis(incarnation, genesis)
        assert.deepEqual(await two.readGenesis(incarnation, { signal }), genesis)
        await two.writeGenesis(incarnation, { ...genesis, partitionsKnown: {} })
        assert.deepEqual(await one.readGenesis(incarnation, { signal }), { ...genesis, partitionsKnown: {} })
        assert.equal(await one.readGenesis('inc' as Incarnation, { signal }), null)
      },
    )

    check('an aborted read rejects with its reason', async subject => {
      const log = await subject.client()
      const reason = new Error('enough')
      await assert.rejects(log.readToEnd(space(0), { signal: AbortSignal.abort(reason) }), error => error === reason)
    })
  })
}
