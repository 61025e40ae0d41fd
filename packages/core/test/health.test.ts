// Health by table: what is reported, what it means, and that nothing stands still in silence.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { workerReport } from '@millrace/testkit'
import {
  type Assignment,
  type ConnectorEntry,
  clusterView,
  connectorHealth,
  decodeWorkerReport,
  ERROR_CODES,
  encodeWorkerReport,
  type HealthContext,
  type HealthVerdict,
  noteAbsent,
  PARTITION_STAGES,
  type PartitionReport,
  type WorkerId,
  type WorkerReport,
} from '../src/index.ts'
import { INCARNATION, PARTITION_REPORT } from './control-samples.ts'

const STALL_MS = 60_000
/** The reporting worker's clock is far ahead of ours: only its own times may be compared with it. */
const WORKER_NOW_MS = 9_000_000
const NOW_MS = 5_000_000

const ENTRY: ConnectorEntry = {
  name: 'c',
  incarnation: INCARNATION,
  version: 1,
  configGeneration: 1,
  config: { 'tasks.max': '1' },
  targetState: 'STARTED',
  hasTasks: true,
  restarts: { connector: 0, allTasks: 0, tasks: {} },
  journalId: 'j',
  predecessors: [],
  topicsResetAtMs: 0,
  createdAtMs: 0,
  updatedAtMs: 0,
}

function partition(change: Partial<PartitionReport> = {}): PartitionReport {
  return { ...PARTITION_REPORT, stage: 'appending', progressAtMs: WORKER_NOW_MS, ...change }
}

function worker(partitions: readonly PartitionReport[], change: Partial<WorkerReport> = {}): WorkerReport {
  return { ...workerReport('w1', partitions), publishedAtMs: WORKER_NOW_MS, ...change }
}

const CONTEXT: HealthContext = {
  nowMs: NOW_MS,
  stallMs: STALL_MS,
  absentSinceMs: new Map(),
  boardAwaySinceMs: null,
}

const ago = (ms: number): number => WORKER_NOW_MS - ms
const judge = (
  workers: readonly WorkerReport[],
  {
    entry = ENTRY,
    assignment = null,
    ...change
  }: Partial<HealthContext> & {
    readonly entry?: ConnectorEntry
    readonly assignment?: Assignment | null
  } = {},
) => connectorHealth(entry, clusterView(workers, assignment, 'self:1'), { ...CONTEXT, ...change })

type Case = {
  readonly what: string
  readonly report: Partial<PartitionReport>
  readonly worker?: Partial<WorkerReport>
  readonly verdict: HealthVerdict
  readonly code?: string
  readonly says?: RegExp
}
const UNREACHABLE = { code: 'BIGQUERY_UNREACHABLE', message: 'It does not answer.' } as const
const OPEN_TRANSACTION = { code: 'SOURCE_TRANSACTION_OPEN', message: 't-0@5: since here.' } as const
const CASES: readonly Case[] = [
  { what: 'progress a moment ago', report: {}, verdict: 'OK' },
  { what: 'no progress for a while', report: { progressAtMs: ago(STALL_MS - 1) }, verdict: 'OK' },
  {
    what: 'lag without progress and without a word',
    report: { progressAtMs: ago(STALL_MS) },
    verdict: 'STALLED',
    code: 'NO_PROGRESS',
    says: /BigQuery has not acknowledged.* 4 records/,
  },
  { what: 'a retry that just began', report: { waiting: { ...UNREACHABLE, sinceMs: ago(500) } }, verdict: 'OK' },
  {
    what: 'a retry that lasts',
    report: { waiting: { ...UNREACHABLE, sinceMs: ago(12_000) }, progressAtMs: ago(12_000) },
    verdict: 'DEGRADED',
    code: 'BIGQUERY_UNREACHABLE',
  },
  {
    what: 'a retry that lasts too long',
    report: { waiting: { ...UNREACHABLE, sinceMs: ago(70_000) }, progressAtMs: ago(70_000) },
    verdict: 'STALLED',
    code: 'BIGQUERY_UNREACHABLE',
  },
  {
    what: 'a new cause of an old stall',
    report: { waiting: { ...UNREACHABLE, sinceMs: ago(100) }, progressAtMs: ago(70_000) },
    verdict: 'STALLED',
    code: 'BIGQUERY_UNREACHABLE',
  },
  {
    what: 'permits',
    report: {
      stage: 'openingStream',
      progressAtMs: ago(90_000),
      waiting: { code: 'WAITING_FOR_STREAM_PERMITS', message: 'A stream has to be created.', sinceMs: ago(90_000) },
    },
    verdict: 'STALLED',
    code: 'WAITING_FOR_STREAM_PERMITS',
  },
  {
    what: 'a worker that knows what is wrong',
    report: { stage: 'logging', progressAtMs: ago(STALL_MS) },
    worker: { troubles: [{ code: 'KAFKA_UNREACHABLE', message: 'The journal is away.', sinceMs: ago(80_000) }] },
    verdict: 'STALLED',
    code: 'KAFKA_UNREACHABLE',
  },
  {
    what: 'a failure',
    report: { state: 'FAILED', trace: 'TABLE_MISSING: no table\nCause: x', progressAtMs: ago(1_000) },
    verdict: 'DEGRADED',
    code: 'PARTITION_FAILED',
    says: /^TABLE_MISSING: no table$/,
  },
  {
    what: 'a failure with its code, that lasts',
    report: {
      state: 'FAILED',
      trace: 'x',
      failure: { code: 'TABLE_MISSING', message: 'no table', sinceMs: ago(70_000) },
      progressAtMs: ago(70_000),
    },
    verdict: 'STALLED',
    code: 'TABLE_MISSING',
  },
  {
    what: 'a new attempt after a failure',
    report: {
      state: 'STARTING',
      failure: { code: 'TABLE_MISSING', message: 'no table', sinceMs: ago(70_000) },
      progressAtMs: ago(70_000),
    },
    verdict: 'STALLED',
    code: 'TABLE_MISSING',
  },
  { what: 'doubt', report: { state: 'IN_DOUBT', trace: 'IN_DOUBT: s' }, verdict: 'STALLED', code: 'IN_DOUBT' },
  {
    what: 'a claim that gets nowhere',
    report: { state: 'STARTING', stage: 'claiming', lag: null, progressAtMs: ago(STALL_MS) },
    verdict: 'STALLED',
    code: 'NO_PROGRESS',
    says: /being claimed.* not known/,
  },
  {
    what: 'a transaction that is open for less than a stall',
    report: { waiting: { ...OPEN_TRANSACTION, sinceMs: ago(STALL_MS - 1) }, progressAtMs: ago(STALL_MS - 1) },
    verdict: 'OK',
  },
  {
    what: 'a transaction that hangs',
    report: { waiting: { ...OPEN_TRANSACTION, sinceMs: ago(STALL_MS) }, progressAtMs: ago(STALL_MS) },
    verdict: 'STALLED',
    code: 'SOURCE_TRANSACTION_OPEN',
  },
  {
    what: 'many dead letters',
    report: { recent: { rows: 90, deadLetters: 10 } },
    verdict: 'DEGRADED',
    code: 'DEAD_LETTER_RATE',
    says: /10 of the last 100 records .* \(10 %\)/,
  },
  { what: 'a few dead letters', report: { recent: { rows: 0, deadLetters: 9 } }, verdict: 'OK' },
  { what: 'a small share of dead letters', report: { recent: { rows: 9_990, deadLetters: 10 } }, verdict: 'OK' },
]

describe('one partition', () => {
  for (const { what, report, worker: of, verdict, code, says } of CASES)
    test(`${what}: ${verdict}${code === undefined ? '' : ` ${code}`}`, () => {
      const health = judge([worker([partition(report as Partial<PartitionReport>)], of)])
      assert.equal(health.verdict, verdict, JSON.stringify(health))
      assert.equal(health.reasons[0]?.code, code)
      assert.match(health.reasons[0]?.message ?? '', says ?? /^/)
    })
})

test('RUNNING with lag and no progress is never OK, whatever else it says', () => {
  for (const stage of PARTITION_STAGES)
    for (const sinceMs of [ago(0), ago(STALL_MS), undefined])
      for (const lag of [1, null]) {
        const waiting = sinceMs === undefined ? {} : { waiting: { ...UNREACHABLE, sinceMs } }
        const report = partition({ stage, lag, progressAtMs: ago(STALL_MS), ...waiting })
        const { verdict, reasons } = judge([worker([report])])
        assert.equal(verdict, 'STALLED', `${stage} ${sinceMs} ${lag}`)
        const [reason] = reasons
        assert.ok(reason !== undefined && ERROR_CODES[reason.code].fix.length > 0, 'a cause and a fix')
        assert.ok(reason.topic === 't' && reason.partition === 0 && reason.sinceMs !== null)
      }
})

test('a report of an older worker, without times, is judged by its state alone', () => {
  const { stage: _stage, progressAtMs: _progressAtMs, ...old } = partition()
  assert.equal(judge([worker([old])]).verdict, 'OK')
  assert.equal(judge([worker([{ ...old, state: 'FAILED', trace: 'x' }])]).verdict, 'DEGRADED')
})

test('what is paused or stopped stands still on purpose', () => {
  for (const targetState of ['PAUSED', 'STOPPED'] as const) {
    const report = partition({ progressAtMs: ago(STALL_MS) })
    assert.equal(judge([worker([report])], { entry: { ...ENTRY, targetState } }).verdict, 'OK')
  }
})

describe('what is not there', () => {
  const CONFIG = { 'tasks.max': '1', topics: 't' }
  const task = { connector: 'c', incarnation: 'inc1', taskId: 0, worker: 'w1' as WorkerId }
  const partitionOf = (number: number, owner: string) => ({
    ...task,
    topic: 't',
    partition: number,
    worker: owner as WorkerId,
  })
  const assigned = (...partitions: Assignment['partitions']): Assignment => ({
    generation: { term: 1, counter: 1 },
    leader: 'w1' as WorkerId,
    tasks: [task],
    partitions,
  })
  /** As a worker judges that has looked at it once before, `forMs` ago. */
  const judgeAfter = (
    forMs: number,
    workers: readonly WorkerReport[],
    assignment: Assignment | null,
    {
      config = CONFIG,
      boardAwaySinceMs = null as number | null,
    }: { config?: ConnectorEntry['config']; boardAwaySinceMs?: number | null } = {},
  ) => {
    const entry = { ...ENTRY, config }
    const cluster = clusterView(workers, assignment, 'self:1')
    const seen = new Map(noteAbsent(new Map(), entry, cluster, NOW_MS - forMs))
    const absentSinceMs = new Map(noteAbsent(seen, entry, cluster, NOW_MS))
    assert.deepEqual(absentSinceMs, seen, 'the first moment is kept')
    return connectorHealth(entry, cluster, { ...CONTEXT, absentSinceMs, boardAwaySinceMs })
  }
  const told = ({ verdict, reasons: [first] }: ReturnType<typeof judgeAfter>) => [verdict, first?.code, first?.message]

  test('no worker at all', () => {
    assert.deepEqual(told(judge([])).slice(0, 2), ['STALLED', 'NO_WORKER'])
  })

  test('no leader, so no tasks', () => {
    const message = 'No leader has assigned its tasks to workers.'
    assert.deepEqual(told(judgeAfter(9_999, [worker([])], null)), ['OK', undefined, undefined])
    assert.deepEqual(told(judgeAfter(10_000, [worker([])], null)), ['DEGRADED', 'UNASSIGNED', message])
    assert.deepEqual(told(judgeAfter(STALL_MS, [worker([])], null)), ['STALLED', 'UNASSIGNED', message])
  })

  test('topics that match nothing, each way to name them', () => {
    const regex = { 'topics.regex': 'flights-[0-9]+' }
    for (const [config, what] of [
      [CONFIG, 'topics=t'],
      [regex, 'topics.regex=flights-[0-9]+'],
    ] as const) {
      assert.equal(judgeAfter(9_999, [worker([])], assigned(), { config }).verdict, 'OK')
      const message = `No topic of the cluster matches ${what}.`
      for (const forMs of [10_000, STALL_MS * 100])
        assert.deepEqual(told(judgeAfter(forMs, [worker([])], assigned(), { config })), [
          'DEGRADED',
          'NO_PARTITIONS',
          message,
        ])
    }
  })

  test('one of several topics', () => {
    const here = assigned(partitionOf(0, 'w1'))
    const of = (topics: string, forMs: number) =>
      judgeAfter(forMs, [worker([partition()])], here, { config: { ...CONFIG, topics } })
    assert.equal(of('t, u', 9_999).verdict, 'OK')
    const { verdict, reasons } = of(' t , u', 10_000)
    assert.equal(verdict, 'DEGRADED')
    assert.deepEqual(
      reasons.map(({ code, topic, message }) => [code, topic, message]),
      [['KAFKA_TOPIC_MISSING', 'u', 'Topic u does not exist or may not be seen; the others go on.']],
    )
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of a config provider
    assert.equal(of('t,${file:/topics:more},', STALL_MS).verdict, 'OK', 'what a placeholder stands for is not known')
  })

  test('a partition whose worker is gone, and one whose worker has no lease', () => {
    const workers = [worker([partition()])]
    const gone = assigned(partitionOf(0, 'w1'), partitionOf(1, 'w9'))
    assert.equal(judgeAfter(9_999, workers, gone).verdict, 'OK')
    const { verdict, reasons } = judgeAfter(STALL_MS, workers, gone)
    assert.deepEqual([verdict, reasons[0]?.code, reasons[0]?.workerId], ['STALLED', 'UNASSIGNED', null])
    assert.match(reasons[0]?.message ?? '', /not known to run/)
    const leaseless = judgeAfter(STALL_MS, workers, assigned(partitionOf(0, 'w1'), partitionOf(1, 'w1')))
    assert.deepEqual([leaseless.verdict, leaseless.reasons[0]?.workerId], ['STALLED', 'w1:8083'])
    assert.match(leaseless.reasons[0]?.message ?? '', /another worker holds its lease/)
  })

  test('while the status board is away that alone is told: what others own goes on', () => {
    const gone = assigned(partitionOf(0, 'w1'), partitionOf(1, 'w9'))
    for (const [partitions, assignment] of [
      [[partition()], gone],
      [[], null],
    ] as const) {
      const blind = judgeAfter(STALL_MS, [worker(partitions)], assignment, { boardAwaySinceMs: NOW_MS - 30_000 })
      assert.deepEqual([blind.verdict, blind.reasons.map(r => r.code)], ['DEGRADED', ['REDIS_UNREACHABLE']])
    }
  })

  test('what was written by a clock that is ahead or behind is judged by the own clock', () => {
    for (const updatedAtMs of [0, NOW_MS * 2]) {
      const entry = { ...ENTRY, updatedAtMs }
      const cluster = clusterView([worker([])], assigned(), 'self:1')
      const absentSinceMs = new Map(noteAbsent(new Map(), entry, cluster, NOW_MS - 10_000))
      assert.equal(connectorHealth(entry, cluster, { ...CONTEXT, absentSinceMs }).verdict, 'DEGRADED')
      assert.equal(connectorHealth(entry, cluster, CONTEXT).verdict, 'OK', 'seen for the first time')
    }
  })

  test('nothing is missed while it is paused', () => {
    assert.deepEqual(noteAbsent(new Map(), { ...ENTRY, targetState: 'PAUSED' }, clusterView([], null, ''), 1), [])
  })
})

test('the worst reason comes first, and a flood is counted, not listed', () => {
  const flood = Array.from({ length: 300 }, (_, i) =>
    partition({ partition: i, state: 'FAILED', trace: 'x', progressAtMs: ago(i === 250 ? STALL_MS : 1) }),
  )
  const { verdict, reasons, reasonCount } = judge([worker(flood)])
  assert.deepEqual([verdict, reasons.length, reasonCount, reasons[0]?.partition], ['STALLED', 100, 300, 250])
})

test('a report survives its codec; what an older worker leaves out and a newer one adds is no error', () => {
  const full = worker(
    [
      partition({
        waiting: { ...UNREACHABLE, sinceMs: 5 },
        failure: { code: 'TABLE_MISSING', message: 'm', sinceMs: 6 },
        pastFailures: [{ code: 'TABLE_MISSING', message: 'm', sinceMs: 6 }],
        restartsAtMs: 9,
        recent: { rows: 1, deadLetters: 2 },
      }),
    ],
    { troubles: [{ code: 'KAFKA_UNREACHABLE', message: 'm', sinceMs: 7 }] },
  )
  assert.deepEqual(decodeWorkerReport(encodeWorkerReport(full)), full)
  const newer = encodeWorkerReport(full).replaceAll('BIGQUERY_UNREACHABLE', 'NEW_CODE').replace('appending', 'dancing')
  const [read] = decodeWorkerReport(newer).partitions
  assert.deepEqual([read?.waiting, read?.stage, read?.progressAtMs], [undefined, undefined, WORKER_NOW_MS])
})
