// Connect's states out of wishes, assignment and reports.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { workerReport } from '@millrace/testkit'
import {
  type Assignment,
  activeTopics,
  type ConnectorEntry,
  type ConnectorStatus,
  clusterView,
  connectorRestartToken,
  connectorStatus,
  decodeWorkerReport,
  encodeWorkerReport,
  type Incarnation,
  isMillraceError,
  kafkaOffset,
  type PartitionReport,
  type PartitionState,
  restartToken,
  STREAMS_REPORTED_MAX,
  type TaskState,
  TRACE_CHARS_MAX,
  taskIds,
  type WorkerId,
  type WorkerReport,
} from '../src/index.ts'
import { INCARNATION, PARTITION_REPORT } from './control-samples.ts'

const ENTRY: ConnectorEntry = {
  name: 'c',
  incarnation: INCARNATION,
  version: 1,
  configGeneration: 1,
  config: { name: 'c', 'tasks.max': '2' },
  targetState: 'STARTED',
  hasTasks: true,
  restarts: { connector: 0, allTasks: 0, tasks: {} },
  journalId: 'j',
  predecessors: [],
  topicsResetAtMs: 0,
  createdAtMs: 1,
  updatedAtMs: 1,
}

const part = (more: Partial<PartitionReport> = {}): PartitionReport => ({ ...PARTITION_REPORT, ...more })
const worker = (
  name: string,
  partitions: readonly PartitionReport[] = [],
  more: Partial<WorkerReport> = {},
): WorkerReport => ({ ...workerReport(name, partitions), ...more })

type Slot = { readonly partition: number; readonly taskId: number; readonly worker: string; readonly topic?: string }
function assign(partitions: readonly Slot[], tasks: readonly Omit<Slot, 'partition'>[] = partitions): Assignment {
  const base = { connector: 'c', incarnation: INCARNATION }
  return {
    generation: { term: 1, counter: 1 },
    leader: 'w1' as WorkerId,
    tasks: tasks.map(({ taskId, worker }) => ({ ...base, taskId, worker: worker as WorkerId })),
    partitions: partitions.map(({ partition, taskId, worker, topic }) => ({
      ...base,
      topic: topic ?? 't',
      partition,
      taskId,
      worker: worker as WorkerId,
    })),
  }
}

function status(
  entry: ConnectorEntry,
  workers: readonly WorkerReport[],
  assignment: Assignment | null = null,
): ConnectorStatus {
  return connectorStatus(entry, clusterView(workers, assignment, 'self:1'))
}

describe('connector and task states', () => {
  test('without any worker known everything is UNASSIGNED, with a worker_id all the same', () => {
    assert.deepEqual(status(ENTRY, []), {
      name: 'c',
      connector: { state: 'UNASSIGNED', workerId: 'self:1' },
      tasks: [
        { id: 0, state: 'UNASSIGNED', workerId: 'self:1' },
        { id: 1, state: 'UNASSIGNED', workerId: 'self:1' },
      ],
    })
  })

  test('a task is as bad as its worst partition', () => {
    const cases: readonly (readonly [readonly PartitionState[], TaskState])[] = [
      [['RUNNING', 'RUNNING'], 'RUNNING'],
      [['RUNNING', 'STARTING'], 'UNASSIGNED'],
      [['STARTING', 'RESTARTING'], 'RESTARTING'],
      [['RESTARTING', 'FAILED', 'RUNNING'], 'FAILED'],
      [['RUNNING', 'IN_DOUBT'], 'FAILED'],
      [['RUNNING', 'PAUSED'], 'PAUSED'],
    ]
    for (const [states, expected] of cases) {
      const reports = states.map((state, partition) => part({ state, partition }))
      assert.equal(status(ENTRY, [worker('w1', reports)]).tasks[0]?.state, expected, states.join())
    }
  })

  test('the trace of a FAILED task is that of its first failed partition, headed by where it stands', () => {
    const reports = [
      part({ partition: 10, state: 'FAILED', trace: 'later' }),
      part({ partition: 9, state: 'FAILED', trace: 'boom', nextOffset: kafkaOffset(2n ** 60n) }),
    ]
    const [task] = status(ENTRY, [worker('w1', reports)]).tasks
    assert.deepEqual(task, { id: 0, state: 'FAILED', workerId: 'w1:8083', trace: `t-9@${2n ** 60n}: boom` })
    const silent = status(ENTRY, [worker('w1', [part({ state: 'FAILED', nextOffset: null })])])
    assert.match(silent.tasks[0]?.trace ?? '', /^t-0: /)
  })

  test('a failure from before the latest restart request shows as RESTARTING, not as FAILED', () => {
    const restarted = { ...ENTRY, restarts: { connector: 1, allTasks: 0, tasks: { '0': 1 } } }
    const failed = part({ state: 'FAILED', trace: 'boom', restartToken: restartToken(ENTRY, 0) })
    assert.equal(status(restarted, [worker('w1', [failed])]).tasks[0]?.state, 'RESTARTING')
    const again = { ...failed, restartToken: restartToken(restarted, 0) }
    assert.equal(status(restarted, [worker('w1', [again])]).tasks[0]?.state, 'FAILED')
  })

  test('of two workers that report a partition the one with the newer claim counts', () => {
    const old = worker('w1', [part({ state: 'RUNNING', epoch: 3 })])
    const owner = worker('w2', [part({ state: 'FAILED', trace: 'x', epoch: 4 })])
    for (const workers of [
      [old, owner],
      [owner, old],
    ]) {
      assert.equal(status(ENTRY, workers).tasks[0]?.state, 'FAILED')
    }
  })

  test('reports of another incarnation do not count', () => {
    const stale = part({ incarnation: 'before' as Incarnation, state: 'FAILED', trace: 'x' })
    assert.equal(status(ENTRY, [worker('w1', [stale])]).tasks[0]?.state, 'UNASSIGNED')
  })

  test('an assigned partition nobody reports yet leaves its task UNASSIGNED; a task without partitions runs', () => {
    const assignment = assign(
      [{ partition: 0, taskId: 0, worker: 'w1' }],
      [
        { taskId: 0, worker: 'w1' },
        { taskId: 1, worker: 'w2' },
      ],
    )
    assert.deepEqual(status(ENTRY, [worker('w1'), worker('w2')], assignment).tasks, [
      { id: 0, state: 'UNASSIGNED', workerId: 'w1:8083' },
      { id: 1, state: 'RUNNING', workerId: 'w2:8083' },
    ])
    const dead = status(ENTRY, [worker('w1')], assignment).tasks[1]
    assert.equal(dead?.state, 'UNASSIGNED', 'its worker is gone')
  })

  test('a paused connector is PAUSED with its tasks, whose partitions nobody holds; a failure still shows', () => {
    const paused: ConnectorEntry = { ...ENTRY, targetState: 'PAUSED' }
    const assignment = assign([{ partition: 0, taskId: 0, worker: 'w1' }])
    const states = (given: ConnectorStatus): readonly string[] => [
      given.connector.state,
      ...given.tasks.map(task => task.state),
    ]
    assert.deepEqual(states(status(paused, [worker('w1')], assignment)), ['PAUSED', 'PAUSED', 'PAUSED'])
    const failed = worker('w1', [part({ state: 'FAILED', trace: 'x' })])
    assert.deepEqual(states(status(paused, [failed], assignment)), ['PAUSED', 'FAILED', 'PAUSED'])
    const notYet = worker('w1', [part({ state: 'RUNNING' })])
    assert.deepEqual(states(status(paused, [notYet], assignment)), ['PAUSED', 'RUNNING', 'PAUSED'])
  })

  test('a stopped connector is STOPPED and has no tasks, whatever is still reported', () => {
    const stopped: ConnectorEntry = { ...ENTRY, targetState: 'STOPPED', hasTasks: false }
    const answer = status(stopped, [worker('w1', [part()])])
    assert.equal(answer.connector.state, 'STOPPED')
    assert.deepEqual(answer.tasks, [])
  })

  test('a connector that cannot run at all is FAILED with its trace until it is restarted', () => {
    const token = connectorRestartToken(ENTRY)
    const failure = { connector: 'c', incarnation: INCARNATION, trace: 'no credentials', restartToken: token }
    const workers = [worker('w1', [], { connectorFailures: [failure] })]
    assert.deepEqual(status(ENTRY, workers).connector, {
      state: 'FAILED',
      workerId: 'w1:8083',
      trace: 'no credentials',
    })
    const restarted = { ...ENTRY, restarts: { ...ENTRY.restarts, connector: 1 } }
    assert.deepEqual(status(restarted, workers).connector, { state: 'RESTARTING', workerId: 'w1:8083' })
    assert.equal(status({ ...ENTRY, targetState: 'STOPPED' }, workers).connector.state, 'STOPPED')
  })

  test('tasks.max says how many tasks there are; auto follows partitions and workers', () => {
    const ids = (
      tasksMax: string | undefined,
      workers: readonly WorkerReport[],
      assignment: Assignment | null,
    ): number => {
      const config = tasksMax === undefined ? {} : { 'tasks.max': tasksMax }
      return taskIds({ ...ENTRY, config }, clusterView(workers, assignment, 'self')).length
    }
    assert.equal(ids(undefined, [], null), 1)
    assert.equal(ids('7', [worker('w1')], null), 7)
    const wide = Array.from({ length: 10 }, (_, partition) => part({ partition }))
    assert.equal(ids('auto', [worker('w1', wide)], null), 4)
    assert.equal(ids('auto', [], null), 1)
    assert.equal(ids('1000000000', [], null), 10_000)
  })

  test('topics are those it works on; after a reset only those it has read from since', () => {
    const reports = [part({ lastRecordAtMs: 100 }), part({ topic: 'idle', lastRecordAtMs: 10 })]
    const view = clusterView([worker('w1', reports)], null, 'self')
    assert.deepEqual(activeTopics(ENTRY, view), ['idle', 't'])
    assert.deepEqual(activeTopics({ ...ENTRY, topicsResetAtMs: 50 }, view), ['t'])
  })
})

describe('worker reports', () => {
  test('survive encoding, offsets beyond 2^53 included', () => {
    const report = worker('w1', [
      part({ nextOffset: kafkaOffset(2n ** 62n), endOffset: null, lag: null, restartToken: 'x', lastRecordAtMs: 3 }),
      part({ partition: 1, lostOffsets: 7 }),
    ])
    assert.deepEqual(decodeWorkerReport(encodeWorkerReport(report)), report)
  })

  test('are bounded: long traces and many streams are cut', () => {
    const streams = Array.from({ length: 100 }, (_, i) => `s${i}`)
    const decoded = decodeWorkerReport(
      encodeWorkerReport(worker('w1', [part({ state: 'FAILED', trace: 'x'.repeat(100_000), streams })])),
    )
    assert.equal(decoded.partitions[0]?.trace?.length, TRACE_CHARS_MAX)
    assert.equal(decoded.partitions[0]?.streams.length, STREAMS_REPORTED_MAX)
    const failed = part({ state: 'FAILED', trace: 'x'.repeat(100_000) })
    const many = encodeWorkerReport(
      worker(
        'w1',
        Array.from({ length: 1000 }, (_, partition) => ({ ...failed, partition })),
      ),
    )
    assert.ok(many.length < 1024 * 1024, `${many.length} characters`)
  })

  test('that are damaged are refused, naming the field', () => {
    const good = JSON.parse(encodeWorkerReport(worker('w1', [part()]))) as Record<string, unknown>
    const damaged: readonly (readonly [unknown, RegExp])[] = [
      [null, /report must be an object/],
      [{ ...good, pid: -1 }, /report\.pid/],
      [
        { ...good, partitions: [{ ...part(), state: 'DANCING', nextOffset: null, endOffset: null }] },
        /partitions\[0\]\.state/,
      ],
      [{ ...good, partitions: [{ ...part(), nextOffset: 5, endOffset: null }] }, /partitions\[0\]\.nextOffset/],
      [{ ...good, connectorFailures: 'none' }, /report\.connectorFailures/],
    ]
    for (const [value, expected] of damaged) {
      assert.throws(
        () => decodeWorkerReport(JSON.stringify(value)),
        error => isMillraceError(error) && error.code === 'CONFIG_INVALID' && expected.test(error.message),
      )
    }
    assert.throws(() => decodeWorkerReport('{'), isMillraceError)
  })
})
