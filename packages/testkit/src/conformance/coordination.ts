// What every implementation of the coordination ports must do. Run on the twin (virtual time) and on a real Redis (real time).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type Assignment,
  type AssignmentBoard,
  isMillraceError,
  type Leadership,
  type Leases,
  type Membership,
  type RampLimits,
  type StatusBoard,
  type StreamPermits,
  type WorkerId,
} from '@millrace/core'

/** The ports as one worker has them. */
export type CoordinationClient = {
  readonly leases: Leases
  readonly membership: Membership
  readonly leadership: Leadership
  readonly board: AssignmentBoard
  readonly status: StatusBoard
  readonly permits: StreamPermits
}
export type CoordinationSubject = AsyncDisposable & {
  /** Two workers on one Redis. */
  readonly one: CoordinationClient
  readonly two: CoordinationClient
  /** Lets time pass. */
  advance(ms: number): Promise<void>
  /** FLUSHALL, as far as these two workers can tell. */
  wipe(): Promise<void>
}

/** Short, so that the real thing stays quick; long enough that a busy machine does not expire it by accident. */
const TTL_MS = 2_500
const EXPIRED_MS = TTL_MS + 150
/** On a real Redis most of a test is waiting. */
const AT_ONCE = { concurrency: true }
const LIMITS: RampLimits = { burst: 4, permitsPerSecMax: 20, permitsPerHourMax: 9_000 }
const ALICE = 'alice' as WorkerId
const BOB = 'bob' as WorkerId
const never = { signal: new AbortController().signal }

export function describeCoordination(name: string, open: (limits: RampLimits) => Promise<CoordinationSubject>): void {
  const check = (title: string, body: (subject: CoordinationSubject) => Promise<void>): void => {
    test(title, async () => {
      await using subject = await open(LIMITS)
      await body(subject)
    })
  }

  describe(name, AT_ONCE, () => {
    describe('leases', AT_ONCE, () => {
      check('one holder at a time, until it expires', async ({ one, two, advance }) => {
        assert.ok(await one.leases.acquire('c/t-0', ALICE, TTL_MS))
        assert.equal(await two.leases.acquire('c/t-0', BOB, TTL_MS), null)
        assert.ok(await two.leases.acquire('c/t-1', BOB, TTL_MS), 'another resource is free')
        await advance(EXPIRED_MS)
        assert.ok(await two.leases.acquire('c/t-0', BOB, TTL_MS))
      })

      check(
        'a renewed lease lives on, an expired one cannot be renewed, even when nobody took it',
        async ({ one, two, advance }) => {
          const lease = await one.leases.acquire('c/t-0', ALICE, TTL_MS)
          await advance(TTL_MS * 0.6)
          assert.equal(await one.leases.renew(lease!), true)
          await advance(TTL_MS * 0.6)
          assert.equal(await two.leases.acquire('c/t-0', BOB, TTL_MS), null)
          await advance(EXPIRED_MS)
          assert.equal(await one.leases.renew(lease!), false)
        },
      )

      check(
        'a lease taken over by another is neither renewed nor released by its old holder',
        async ({ one, two, advance }) => {
          const old = await one.leases.acquire('c/t-0', ALICE, TTL_MS)
          await advance(EXPIRED_MS)
          const current = await two.leases.acquire('c/t-0', BOB, TTL_MS)
          assert.equal(await one.leases.renew(old!), false)
          await one.leases.release(old!)
          assert.equal(await two.leases.renew(current!), true)
          assert.equal(await one.leases.acquire('c/t-0', ALICE, TTL_MS), null)
        },
      )

      check('the same holder may acquire again (its answer was lost); the older token is dead', async ({ one }) => {
        const first = await one.leases.acquire('c/t-0', ALICE, TTL_MS)
        const second = await one.leases.acquire('c/t-0', ALICE, TTL_MS)
        assert.notEqual(first!.token, second!.token)
        assert.equal(await one.leases.renew(first!), false)
        assert.equal(await one.leases.renew(second!), true)
      })

      check('a holder whose id begins another holder’s id is not that holder', async ({ one, two }) => {
        await one.leases.acquire('c/t-0', 'bobby' as WorkerId, TTL_MS)
        assert.equal(await two.leases.acquire('c/t-0', BOB, TTL_MS), null)
      })

      check('released is free at once', async ({ one, two }) => {
        const lease = await one.leases.acquire('c/t-0', ALICE, TTL_MS)
        await one.leases.release(lease!)
        assert.ok(await two.leases.acquire('c/t-0', BOB, TTL_MS))
      })

      check('holders are listed by resource; free ones are absent', async ({ one, two }) => {
        await one.leases.acquire('c/t-0', ALICE, TTL_MS)
        await two.leases.acquire('c/t-1', BOB, TTL_MS)
        const holders = await one.leases.holders(['c/t-0', 'c/t-1', 'c/t-2'])
        assert.deepEqual(
          [...holders],
          [
            ['c/t-0', ALICE],
            ['c/t-1', BOB],
          ],
        )
        assert.equal((await one.leases.holders([])).size, 0)
      })

      check('a wipe frees everything: the old holder cannot renew, but can acquire again', async ({ one, wipe }) => {
        const lease = await one.leases.acquire('c/t-0', ALICE, TTL_MS)
        await wipe()
        assert.equal(await one.leases.renew(lease!), false)
        assert.ok(await one.leases.acquire('c/t-0', ALICE, TTL_MS))
      })
    })

    describe('membership', AT_ONCE, () => {
      const member = (workerId: WorkerId) => ({ workerId, advertised: `${workerId}:8083`, startedAtMs: 17 })
      const ids = async (client: CoordinationClient) => (await client.membership.members()).map(m => m.workerId).sort()

      check('members are who reported within their time to live', async ({ one, two, advance }) => {
        await one.membership.heartbeat(member(ALICE), TTL_MS)
        await two.membership.heartbeat(member(BOB), TTL_MS)
        assert.deepEqual(await ids(one), [ALICE, BOB])
        assert.deepEqual(
          (await two.membership.members()).find(m => m.workerId === ALICE),
          member(ALICE),
        )
        await advance(TTL_MS * 0.6)
        await one.membership.heartbeat(member(ALICE), TTL_MS)
        await advance(TTL_MS * 0.6)
        assert.deepEqual(await ids(two), [ALICE])
      })

      check('who leaves is gone at once, and a wipe forgets all until they report', async ({ one, two, wipe }) => {
        await one.membership.heartbeat(member(ALICE), TTL_MS)
        await two.membership.heartbeat(member(BOB), TTL_MS)
        await one.membership.leave(ALICE)
        assert.deepEqual(await ids(two), [BOB])
        await wipe()
        assert.deepEqual(await ids(two), [])
        await two.membership.heartbeat(member(BOB), TTL_MS)
        assert.deepEqual(await ids(one), [BOB])
      })
    })

    describe('leadership and assignment', AT_ONCE, () => {
      const assignment = (leader: WorkerId, term: number, counter: number): Assignment => ({
        leader,
        generation: { term, counter },
        tasks: [{ connector: 'c', incarnation: 'i', taskId: 0, worker: leader }],
        partitions: [{ connector: 'c', incarnation: 'i', topic: 't', partition: 0, taskId: 0, worker: leader }],
      })

      check(
        'one leads; staying leader keeps the term, the next election has a higher one',
        async ({ one, two, advance }) => {
          const first = await one.leadership.campaign(ALICE, TTL_MS)
          assert.equal(first?.leader, ALICE)
          assert.deepEqual(await two.leadership.campaign(BOB, TTL_MS), first)
          await advance(TTL_MS * 0.6)
          assert.deepEqual(await one.leadership.campaign(ALICE, TTL_MS), first)
          await advance(TTL_MS * 0.6)
          assert.deepEqual(await two.leadership.campaign(BOB, TTL_MS), first)
          await advance(EXPIRED_MS)
          const second = await two.leadership.campaign(BOB, TTL_MS)
          assert.equal(second?.leader, BOB)
          assert.ok(second.term > first.term)
          assert.deepEqual(await one.leadership.campaign(ALICE, TTL_MS), second)
        },
      )

      check('the same worker elected anew has a new term, also within one millisecond', async ({ one }) => {
        const terms = new Set<number>()
        for (let i = 0; i < 5; i++) {
          terms.add((await one.leadership.campaign(ALICE, TTL_MS))!.term)
          await one.leadership.resign(ALICE)
        }
        assert.equal(terms.size, 5)
        assert.deepEqual(
          [...terms].sort((a, b) => a - b),
          [...terms],
        )
      })

      check('terms rise across wipes', async ({ one, two, wipe }) => {
        let before = (await one.leadership.campaign(ALICE, TTL_MS))!.term
        for (let i = 0; i < 3; i++) {
          await two.leadership.campaign(BOB, TTL_MS)
          await wipe()
          const { term } = (await (i % 2 ? one : two).leadership.campaign(i % 2 ? ALICE : BOB, TTL_MS))!
          assert.ok(term > before)
          before = term
        }
      })

      check('only the leader resigns', async ({ one, two }) => {
        const first = await one.leadership.campaign(ALICE, TTL_MS)
        await two.leadership.resign(BOB)
        assert.deepEqual(await two.leadership.campaign(BOB, TTL_MS), first)
        await one.leadership.resign(ALICE)
        assert.equal((await two.leadership.campaign(BOB, TTL_MS))?.leader, BOB)
      })

      check('everybody reads what the leader published last', async ({ one, two, wipe }) => {
        assert.equal(await two.board.current(), null)
        const { term } = (await one.leadership.campaign(ALICE, TTL_MS))!
        await one.board.publish(assignment(ALICE, term, 1))
        assert.deepEqual(await two.board.current(), assignment(ALICE, term, 1))
        assert.deepEqual(await two.board.current(), assignment(ALICE, term, 1))
        await one.board.publish(assignment(ALICE, term, 2))
        assert.deepEqual(await two.board.current(), assignment(ALICE, term, 2))
        await wipe()
        assert.equal(await two.board.current(), null)
      })

      check('a deposed leader publishes nothing', async ({ one, two, advance }) => {
        const old = (await one.leadership.campaign(ALICE, TTL_MS))!
        await advance(EXPIRED_MS)
        const current = (await two.leadership.campaign(BOB, TTL_MS))!
        await two.board.publish(assignment(BOB, current.term, 1))
        await assert.rejects(one.board.publish(assignment(ALICE, old.term, 7)), isNotLeader)
        await assert.rejects(two.board.publish(assignment(BOB, old.term, 7)), isNotLeader)
        assert.deepEqual(await one.board.current(), assignment(BOB, current.term, 1))
      })
    })

    describe('status', AT_ONCE, () => {
      check('reports are shown until they are too old', async ({ one, two, advance }) => {
        await one.status.publish(ALICE, '{"a":1}', TTL_MS)
        await two.status.publish(BOB, '{"b":"ü"}', TTL_MS)
        assert.deepEqual(
          new Map(await one.status.all()),
          new Map([
            [ALICE, '{"a":1}'],
            [BOB, '{"b":"ü"}'],
          ]),
        )
        await advance(TTL_MS * 0.6)
        await two.status.publish(BOB, '{"b":2}', TTL_MS)
        await advance(TTL_MS * 0.6)
        assert.deepEqual([...(await one.status.all())], [[BOB, '{"b":2}']])
      })
    })

    describe('stream permits', AT_ONCE, () => {
      /** Resolves with how many of the takes are through after `ms`. */
      const throughAfter = async (
        subject: CoordinationSubject,
        ms: number,
        takes: Promise<void>[],
      ): Promise<number> => {
        let through = 0
        for (const take of takes)
          take.then(
            () => through++,
            () => {},
          )
        await subject.advance(ms)
        return through
      }
      const takes = (client: CoordinationClient, n: number, signal: AbortSignal): Promise<void>[] =>
        Array.from({ length: n }, () => client.permits.take('coldStart', { signal }))

      check('the burst is for all workers together, then permits trickle at 5 a second', async subject => {
        const stop = new AbortController()
        const waiting = [...takes(subject.one, 20, stop.signal), ...takes(subject.two, 20, stop.signal)]
        const through = await throughAfter(subject, 1_000, waiting)
        assert.ok(through >= 4 && through <= 10, `${through}`)
        stop.abort(new Error('enough'))
        await Promise.allSettled(waiting)
      })

      check('a takeover overtakes waiting cold starts', async subject => {
        const stop = new AbortController()
        await Promise.all(takes(subject.one, 4, stop.signal))
        const order: string[] = []
        const cold = takes(subject.one, 10, stop.signal).map(take =>
          take.then(
            () => order.push('cold'),
            () => {},
          ),
        )
        const takeovers = [1, 2].map(() =>
          subject.two.permits.take('takeover', never).then(() => order.push('takeover')),
        )
        await subject.advance(1_500)
        await Promise.all(takeovers)
        assert.ok(order.lastIndexOf('takeover') <= 2, `${order}`)
        stop.abort(new Error('enough'))
        await Promise.all(cold)
      })

      check('an aborted take rejects with the reason and takes nothing', async subject => {
        await Promise.all(takes(subject.one, 4, never.signal))
        const stop = new AbortController()
        const waiting = takes(subject.one, 5, stop.signal)
        stop.abort(new Error('shutdown'))
        for (const take of waiting) await assert.rejects(take, /shutdown/)
        assert.equal(await throughAfter(subject, 600, takes(subject.two, 1, never.signal)), 1)
      })

      check('a quota error halves the rate', async subject => {
        await Promise.all(takes(subject.one, 4, never.signal))
        await subject.one.permits.report({ latencyMs: 20, quotaExceeded: true })
        const stop = new AbortController()
        const waiting = takes(subject.one, 20, stop.signal)
        const through = await throughAfter(subject, 1_400, waiting)
        assert.ok(through >= 1 && through <= 4, `2.5 a second: ${through}`)
        stop.abort(new Error('enough'))
        await Promise.allSettled(waiting)
      })

      check('after a wipe it restarts at half, not with a full burst', async subject => {
        await Promise.all(takes(subject.one, 4, never.signal))
        await subject.wipe()
        const stop = new AbortController()
        const waiting = takes(subject.one, 20, stop.signal)
        const through = await throughAfter(subject, 100, waiting)
        assert.ok(through >= 1 && through <= 3, `half of 4: ${through}`)
        stop.abort(new Error('enough'))
        await Promise.allSettled(waiting)
      })
    })
  })
}

const isNotLeader = (error: unknown): boolean => isMillraceError(error) && error.code === 'NOT_LEADER'
