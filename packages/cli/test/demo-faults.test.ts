import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stopInFlight } from '../src/demo/faults.ts'
import { layoutOf } from '../src/demo/layout.ts'
import type { Situation } from '../src/demo/situation.ts'
import { DemoFailure } from '../src/demo/wait.ts'
import type { FleetWorker } from '../src/demo/worker-fleet.ts'

const layout = layoutOf(10_000)
const RESERVE = { from: 3_200, to: 4_800 }
const signal = AbortSignal.timeout(30_000)

/** A cluster of two workers with three and five partitions; `lost` rows of partition 7 have not arrived. */
function situationWith(lost: (attempt: number) => number): {
  situation: Situation
  signals: string[]
  busy: FleetWorker
} {
  const signals: string[] = []
  let allowed = 3_200
  let attempt = 0
  const worker = (name: string): FleetWorker =>
    ({
      name,
      id: name,
      state: 'running',
      process: { child: { kill: (kill: string) => void signals.push(`${name} ${kill}`) } },
    }) as unknown as FleetWorker
  const [idle, busy] = [worker('idle'), worker('busy')]
  const partitions = Array.from({ length: 8 }, (_, partition) => ({
    partition,
    worker: partition < 3 ? 'idle' : 'busy',
    state: 'RUNNING',
    epoch: 5,
    inFlightRows: 2,
  }))
  const situation = {
    partitions: () => partitions,
    sources: {
      fleet: { running: () => [idle, busy].filter(one => one.state === 'running') },
      producer: {
        produced: () => allowed,
        allow: (records: number) => {
          // The real one goes on a moment later.
          setImmediate(() => {
            allowed = records
          })
        },
      },
      emulator: {
        query: async () => {
          attempt += 1
          const perPartition = allowed / 8
          return partitions.map(p => [
            String(p.partition),
            String(perPartition - (p.partition === 7 ? lost(attempt) : 0)),
          ])
        },
      },
    },
  } as unknown as Situation
  return { situation, signals, busy }
}

test('the worker with most partitions is stopped and stays stopped when rows of it are missing', async () => {
  const { situation, signals, busy } = situationWith(() => 13)
  const hit = await stopInFlight(situation, layout, RESERVE, signal)
  assert.equal(hit.victim, busy)
  assert.equal(hit.unfinishedRows, 13)
  assert.deepEqual([...hit.epochs.keys()], [3, 4, 5, 6, 7])
  assert.deepEqual(signals, ['busy SIGSTOP'])
  assert.equal(busy.state, 'frozen')
})

test('a stop that hit nothing is taken back, and tried again with more records', async () => {
  const { situation, signals } = situationWith(attempt => (attempt < 3 ? 0 : 1))
  await stopInFlight(situation, layout, RESERVE, signal)
  assert.deepEqual(signals, ['busy SIGSTOP', 'busy SIGCONT', 'busy SIGSTOP', 'busy SIGCONT', 'busy SIGSTOP'])
})

test('a fault that never hits fails the demo, and leaves the worker running', async () => {
  const { situation, signals, busy } = situationWith(() => 0)
  await assert.rejects(stopInFlight(situation, layout, RESERVE, signal), (error: unknown) => {
    assert.ok(error instanceof DemoFailure)
    assert.match(error.message, /The fault hit nothing/)
    return true
  })
  assert.equal(signals.at(-1), 'busy SIGCONT')
  assert.equal(busy.state, 'running')
})
