// What the log tells of health: a change of verdict, once, by one worker; and what /health says of the services.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type {
  Assignment,
  ConfigStore,
  ConnectorEntry,
  Incarnation,
  Logger,
  WorkerId,
  WorkerReport,
} from '@millrace/core'
import { partitionReport, VirtualTime, workerReport } from '@millrace/testkit'
import { HealthMonitor } from '../src/worker/health-monitor.ts'
import { WorkerHealth } from '../src/worker/worker-health.ts'

const { signal } = new AbortController()

function entryOf(name: string): ConnectorEntry {
  return {
    name,
    incarnation: `inc-${name}` as Incarnation,
    version: 1,
    configGeneration: 1,
    config: {},
    targetState: 'STARTED',
    hasTasks: true,
    restarts: { connector: 0, allTasks: 0, tasks: {} },
    journalId: 'j',
    predecessors: [],
    topicsResetAtMs: 0,
    createdAtMs: 0,
    updatedAtMs: 0,
  }
}

/** Two workers that have a partition of every connector each. */
function clusterOf(names: readonly string[]) {
  const time = new VirtualTime()
  time.jump(10_000_000)
  const lines: string[] = []
  const log = (_fields: object, sentence: string): void => void lines.push(sentence)
  const logger: Logger = { error: log, warn: log, info: log, debug: log, child: () => logger }
  const entries = names.map(entryOf)
  const state = { connectors: new Map(entries.map(entry => [entry.name, entry])), deleted: new Map() }
  let stalledMs = 0
  const report = (worker: string, partition: number): WorkerReport =>
    workerReport(
      worker,
      entries.map(({ name, incarnation }) =>
        partitionReport({
          ...{ connector: name, incarnation, partition, lag: 3 },
          ...{ stage: 'logging', progressAtMs: time.nowMs() - stalledMs },
        }),
      ),
      { publishedAtMs: time.nowMs() },
    )
  const cluster = {
    awaySinceMs: null,
    reports: async () => [report('w2', 1), report('w1', 0)],
    assignment: async (): Promise<Assignment | null> => null,
  }
  const random = { nextUint32: () => 1, nextId: () => 'id' }
  const system = { clock: time, timers: time, random, logger }
  const monitors = ['w1', 'w2'].map(
    self =>
      new HealthMonitor(
        { configStore: { read: () => state } as unknown as ConfigStore, cluster, self: self as WorkerId },
        system,
        60_000,
      ),
  )
  const look = async (): Promise<readonly string[]> => {
    for (const monitor of monitors) await monitor.look({ signal })
    return lines.splice(0)
  }
  return {
    look,
    stall: (ms: number): void => {
      stalledMs = ms
    },
  }
}

test('a change of verdict is one line in the cluster, and so is its end', async () => {
  const { look, stall } = clusterOf(['a'])
  assert.deepEqual(await look(), [])
  stall(60_000)
  const lines = await look()
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^The connector is STALLED: NO_PROGRESS: .*journal.* 3 records/)
  assert.deepEqual(await look(), [])
  stall(0)
  assert.deepEqual(await look(), ['The connector gets on again.'])
})

test('a thousand connectors with the same trouble are one line', async () => {
  const { look, stall } = clusterOf(Array.from({ length: 1_000 }, (_, i) => `c${i}`))
  stall(60_000)
  const lines = await look()
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^Connectors are STALLED: NO_PROGRESS/)
})

test('a worker is unhealthy once Kafka or Redis is away for a session, and says which and why', () => {
  let nowMs = 100_000
  let kafka: { readonly sinceMs: number; readonly message: string } | null = null
  let redisAwaySinceMs: number | null = null
  const health = new WorkerHealth(
    { kafka: [() => kafka, () => null], redisAwaySinceMs: () => redisAwaySinceMs },
    10_000,
    () => nowMs,
  )
  assert.deepEqual(health.health(), { status: 'starting' })
  health.ready()
  assert.deepEqual(health.health(), { status: 'healthy' })
  kafka = { sinceMs: nowMs, message: 'journal-3: no broker.' }
  nowMs += 9_999
  assert.equal(health.health().status, 'healthy')
  assert.deepEqual(
    health.troubles().map(({ code }) => code),
    ['KAFKA_UNREACHABLE'],
  )
  nowMs += 1
  assert.deepEqual(health.health(), {
    status: 'unhealthy',
    detail: 'KAFKA_UNREACHABLE for 10 s: journal-3: no broker.',
  })
  kafka = null
  redisAwaySinceMs = nowMs
  assert.equal(health.health().status, 'healthy')
  nowMs += 10_000
  assert.match(health.health().detail ?? '', /^REDIS_UNREACHABLE for 10 s/)
})
