import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type AssignableConnector,
  type Assignment,
  type AssignmentInput,
  assignPartitions,
  EMPTY_PLACEMENT,
  isToFollow,
  type Placement,
  partitionResource,
  placementFromHolders,
  type WorkerId,
} from '../src/index.ts'

const worker = (n: number): WorkerId => `w${n}` as WorkerId
const connector = (name: string, partitionCount: number, tasksMax: number | 'auto'): AssignableConnector => ({
  name,
  incarnation: `${name}-1`,
  tasksMax,
  partitions: Array.from({ length: partitionCount }, (_, partition) => ({ topic: `topic-${name}`, partition })),
})
const assign = (
  members: readonly WorkerId[],
  connectors: readonly AssignableConnector[],
  previous: Placement = EMPTY_PLACEMENT,
  rest: Partial<AssignmentInput> = {},
): Placement => assignPartitions({ members, connectors, previous, loads: new Map(), ...rest })

const ownerOf = (placement: Placement): Map<string, WorkerId> =>
  new Map(placement.partitions.map(p => [partitionResource(p.connector, p), p.worker]))
const moved = (before: Placement, after: Placement): string[] => {
  const owners = ownerOf(after)
  return [...ownerOf(before)]
    .filter(([resource, owner]) => owners.get(resource) !== owner)
    .map(([resource]) => resource)
}
const spread = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts)
const taskCounts = (placement: Placement, members: readonly WorkerId[]): number[] =>
  members.map(m => placement.tasks.filter(t => t.worker === m).length)

const membersArb = fc.integer({ min: 1, max: 7 }).map(n => Array.from({ length: n }, (_, i) => worker(i)))
const tasksMaxArb = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant('auto' as const))
const connectorsArb = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 30 }), tasksMaxArb), { maxLength: 5 })
  .map(list => list.map(([partitionCount, tasksMax], i) => connector(`c${i}`, partitionCount, tasksMax)))
/** Task count = partition count: every task weighs the same. */
const evenConnectorArb = fc.integer({ min: 1, max: 40 }).map(n => connector('even', n, n))

function assertWellFormed(
  placement: Placement,
  members: readonly WorkerId[],
  connectors: readonly AssignableConnector[],
) {
  const resources = placement.partitions.map(p => partitionResource(p.connector, p))
  const expected = connectors.flatMap(c => c.partitions.map(tp => partitionResource(c.name, tp)))
  assert.deepEqual([...resources].sort(), expected.sort(), 'every partition exactly once')
  for (const c of connectors) {
    const tasks = placement.tasks.filter(t => t.connector === c.name)
    const count = c.tasksMax === 'auto' ? Math.max(1, Math.min(c.partitions.length, 4 * members.length)) : c.tasksMax
    assert.deepEqual(
      tasks.map(t => t.taskId),
      Array.from({ length: count }, (_, id) => id),
    )
    for (const p of placement.partitions.filter(one => one.connector === c.name)) {
      assert.equal(tasks[p.taskId]?.worker, p.worker, 'a partition is where its task is')
    }
    const sizes = tasks.map(
      t => placement.partitions.filter(p => p.connector === c.name && p.taskId === t.taskId).length,
    )
    assert.ok(spread(sizes) <= 1, `tasks of one connector differ by at most one partition: ${sizes}`)
  }
  for (const t of placement.tasks) assert.ok(members.includes(t.worker), 'only members work')
}

describe('assignment', () => {
  test('gives every partition to exactly one task of exactly one member, through any history of changes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(membersArb, connectorsArb), { minLength: 1, maxLength: 5 }), history => {
        let placement = EMPTY_PLACEMENT
        for (const [members, connectors] of history) {
          placement = assign(members, connectors, placement)
          assertWellFormed(placement, members, connectors)
        }
      }),
    )
  })

  test('moves nothing when nothing changed', () => {
    fc.assert(
      fc.property(
        membersArb,
        membersArb,
        connectorsArb,
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true })),
        (first, members, connectors, rates) => {
          const resources = connectors.flatMap(c => c.partitions.map(tp => partitionResource(c.name, tp)))
          const loads = new Map(rates.slice(0, resources.length).map((rate, i) => [resources[i]!, rate]))
          const once = assign(members, connectors, assign(first, connectors), { loads })
          assert.deepEqual(assign(members, connectors, once, { loads }), once)
        },
      ),
    )
  })

  test('spreads tasks of equal weight so that workers differ by at most one, through joins and leaves', () => {
    fc.assert(
      fc.property(fc.array(membersArb, { minLength: 1, maxLength: 6 }), evenConnectorArb, (history, even) => {
        let placement = EMPTY_PLACEMENT
        for (const members of history) {
          placement = assign(members, [even], placement)
          const counts = taskCounts(placement, members)
          assert.ok(spread(counts) <= 1, `${counts}`)
        }
      }),
    )
  })

  test('spreads one task each of many connectors as evenly', () => {
    const members = [worker(0), worker(1), worker(2)]
    const many = Array.from({ length: 10 }, (_, i) => connector(`c${i}`, 1, 1))
    assert.ok(spread(taskCounts(assign(members, many), members)) <= 1)
  })

  test('moves only the partitions of a worker that left', () => {
    fc.assert(
      fc.property(membersArb, fc.integer({ min: 0, max: 6 }), evenConnectorArb, (members, index, even) => {
        fc.pre(members.length > 1)
        const left = members[index % members.length]!
        const before = assign(members, [even])
        const after = assign(
          members.filter(m => m !== left),
          [even],
          before,
        )
        for (const resource of moved(before, after)) assert.equal(ownerOf(before).get(resource), left)
      }),
    )
  })

  test('with tasks.max=auto too, moves only the partitions of a worker that left', () => {
    for (const partitionCount of [8, 24, 25, 96]) {
      const members = [worker(0), worker(1), worker(2)]
      const auto = connector('auto', partitionCount, 'auto')
      const before = assign(members, [auto])
      const after = assign(members.slice(0, 2), [auto], before)
      for (const resource of moved(before, after)) assert.equal(ownerOf(before).get(resource), worker(2))
    }
  })

  test('gives a new worker its fair share, and moves no more than that', () => {
    fc.assert(
      fc.property(membersArb, evenConnectorArb, (members, even) => {
        const before = assign(members, [even])
        const after = assign([...members, worker(9)], [even], before)
        const owned = [...ownerOf(after).values()].filter(owner => owner === worker(9)).length
        const fair = even.partitions.length / (members.length + 1)
        assert.ok(owned >= Math.floor(fair) && owned <= Math.ceil(fair), `${owned} of ${fair}`)
        assert.equal(moved(before, after).length, owned)
      }),
    )
  })

  test('gives a new worker a share although the heaviest worker has one giant partition it cannot split', () => {
    const giant = connector('giant', 1, 1)
    const small = connector('small', 10, 10)
    const loads = new Map([[partitionResource('giant', giant.partitions[0]!), 1_000_000]])
    for (const tp of small.partitions) loads.set(partitionResource('small', tp), 10)
    const before = assign([worker(0), worker(1)], [giant, small], EMPTY_PLACEMENT, { loads })
    const after = assign([worker(0), worker(1), worker(2)], [giant, small], before, { loads })
    assert.equal(after.tasks.filter(t => t.worker === worker(2)).length, 5)
  })

  test('a replaced worker hands its partitions to its replacement alone', () => {
    const even = connector('even', 8, 4)
    const before = assign([worker(0), worker(1)], [even])
    const after = assign([worker(0), worker(2)], [even], before)
    assert.deepEqual(
      moved(before, after).sort(),
      [...ownerOf(before)]
        .filter(([, w]) => w === worker(1))
        .map(([r]) => r)
        .sort(),
    )
    assert.deepEqual(taskCounts(after, [worker(0), worker(2)]), [2, 2])
  })

  test('does not move for loads that differ little, and does for loads that differ much', () => {
    const even = connector('even', 8, 8)
    const members = [worker(0), worker(1)]
    const before = assign(members, [even])
    const withLoads = (loadOf: (resource: string) => number): Placement =>
      assign(members, [even], before, { loads: new Map([...ownerOf(before).keys()].map(r => [r, loadOf(r)])) })
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 8, maxLength: 8 }), wobble => {
        const resources = [...ownerOf(before).keys()]
        assert.deepEqual(
          withLoads(r => 50_000 * wobble[resources.indexOf(r)]!),
          before,
        )
      }),
    )
    const after = withLoads(r => (ownerOf(before).get(r) === worker(0) ? 90_000 : 10_000))
    assert.deepEqual(
      moved(before, after).map(r => ownerOf(before).get(r)),
      [worker(0)],
      'one heavy partition moves',
    )
  })

  test('shares that differ by a fifth stay when loads are measured; by two fifths they are evened out', () => {
    const members = [worker(0), worker(1)]
    const kept = (left: number, right: number): Placement => {
      const all = connector('c', left + right, left + right)
      const owner = (id: number) => (id < left ? worker(0) : worker(1))
      const tasks = all.partitions.map((_, taskId) => ({
        connector: 'c',
        incarnation: 'c-1',
        taskId,
        worker: owner(taskId),
      }))
      const partitions = tasks.map(task => ({ ...task, topic: 'topic-c', partition: task.taskId }))
      const loads = new Map(all.partitions.map(tp => [partitionResource('c', tp), 5_000]))
      return assign(members, [all], { tasks, partitions }, { loads })
    }
    assert.deepEqual(taskCounts(kept(10, 8), members), [10, 8])
    assert.deepEqual(taskCounts(kept(10, 6), members), [8, 8])
  })

  test('a worker follows the elected leader whatever it had, and otherwise only what is newer', () => {
    const by = (leader: WorkerId, term: number, counter: number): Assignment => ({
      leader,
      generation: { term, counter },
      ...EMPTY_PLACEMENT,
    })
    const current = by(worker(0), 7, 3)
    const elected = { leader: worker(1), term: 5 }
    assert.equal(isToFollow(current, null, null), true)
    assert.equal(isToFollow(current, current, elected), false)
    assert.equal(isToFollow(by(worker(1), 5, 1), current, elected), true, 'Redis went back in time')
    assert.equal(isToFollow(by(worker(1), 4, 9), current, elected), false)
    assert.equal(isToFollow(by(worker(2), 5, 9), current, elected), false)
    assert.equal(isToFollow(by(worker(0), 7, 2), current, null), false)
    assert.equal(isToFollow(by(worker(0), 7, 2), current, { leader: worker(0), term: 7 }), false, 'rolled back')
    assert.equal(isToFollow(by(worker(0), 7, 4), current, null), true)
    assert.equal(isToFollow(by(worker(2), 8, 1), current, null), true)
  })

  test('new partitions go to the lightest tasks and move no other', () => {
    const before = assign([worker(0), worker(1)], [connector('c', 6, 4)])
    const after = assign([worker(0), worker(1)], [connector('c', 8, 4)], before)
    assert.deepEqual(moved(before, after), [])
    assert.equal(after.partitions.length, 8)
  })

  test('a connector re-created under the same name starts from nothing', () => {
    const before = assign([worker(0)], [connector('c', 4, 2)])
    const again = { ...connector('c', 4, 2), incarnation: 'another' }
    assert.ok(assign([worker(0)], [again], before).partitions.every(p => p.incarnation === 'another'))
  })

  test('tasks of a lingering worker wait for it, and it gains none', () => {
    const even = connector('even', 8, 4)
    const before = assign([worker(0), worker(1)], [even])
    const lingering = new Set([worker(1)])
    assert.deepEqual(assign([worker(0)], [even], before, { lingering }), before)
    const joined = assign([worker(0), worker(2)], [even], before, { lingering })
    for (const resource of moved(before, joined)) assert.notEqual(ownerOf(joined).get(resource), worker(1))
  })

  test('without members nobody owns anything', () => {
    assert.deepEqual(assign([], [connector('c', 4, 2)]), EMPTY_PLACEMENT)
  })

  test('partitions stay where they run when the board is lost and the leases tell', () => {
    fc.assert(
      fc.property(membersArb, fc.integer({ min: 1, max: 30 }), tasksMaxArb, (members, partitionCount, tasksMax) => {
        const connectors = [connector('c', partitionCount, tasksMax)]
        const before = assign(members, connectors)
        const seen = placementFromHolders(connectors, ownerOf(before), members.length)
        const after = assign(members, connectors, seen)
        assertWellFormed(after, members, connectors)
        if (tasksMax !== 'auto' && tasksMax <= members.length) assert.deepEqual(moved(before, after), [])
      }),
    )
  })
})
