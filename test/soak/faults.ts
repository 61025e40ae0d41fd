// The faults of a soak. Each goes on for some seconds, undoes itself, and takes what it works on for itself meanwhile: so several are
// on at the same time, but never two on the same thing, and never more than the cluster promises to survive (of three brokers one).
import { setTimeout as sleep } from 'node:timers/promises'
import type { SeededRandom, WorkerProcess } from '@millrace/testkit'
import type { Scene } from '../chaos/scene.ts'
import { BROKERS, type ChaosStage, type Seat } from '../chaos/stage.ts'
import { ask, connectorConfig, DLQ, LEASE_TTL_MS } from '../e2e/support/stage.ts'

export type FaultContext = {
  readonly stage: ChaosStage
  readonly scene: Scene
  readonly random: SeededRandom
  /** The one whose process lives as long as the soak does, so that its memory tells something; never killed. */
  readonly elder: Seat
  /** Workers that were told to end: how they do is no news. */
  readonly dismissed: Set<WorkerProcess>
  /** The soak is over: what lasts ends early. */
  readonly signal: AbortSignal
}

export type Fault = {
  readonly name: string
  readonly takes: 'worker' | 'broker' | 'redis' | 'network' | 'bigquery' | 'connector'
  /** How often it is chosen, beside the others. */
  readonly weight: number
  /** Resolves with whether it hit, when it is undone. */
  readonly run: (context: FaultContext) => Promise<boolean>
}

/** Ends early with the soak. */
const lasting = (ms: number, { signal }: FaultContext): Promise<unknown> =>
  sleep(ms, undefined, { signal }).catch(() => {})

function mortal({ stage, elder, random }: FaultContext): Seat | null {
  const some = stage.running.filter(seat => seat !== elder)
  return some.length === 0 ? null : random.pick(some)
}

const link = ({ stage, random }: FaultContext, way: 'redis' | 'grpc' | 'rest' | 'kafka') => {
  const { links } = random.pick(stage.seats)
  return way === 'kafka' ? random.pick(links.kafka) : links[way]
}

/** Also while others lack what a worker needs to start. */
async function startAgain({ stage, signal }: FaultContext, seat: Seat): Promise<void> {
  for (;;) {
    try {
      return await stage.startAt(seat)
    } catch (error) {
      if (signal.aborted) throw error // whoever heals the stage starts it
    }
  }
}

const WAYS = ['redis', 'grpc', 'rest', 'kafka'] as const

/** A fault of the emulator for some seconds; it hit if the emulator says so. */
async function bigQueryFault(context: FaultContext, fault: Readonly<Record<string, unknown>>): Promise<boolean> {
  const { stage, random } = context
  const { body } = await stage.askEmulator('POST', '/emulator/faults', fault)
  const id = (body as { ids: readonly number[] }).ids[0]
  await lasting(random.between(1_000, 5_000), context)
  const { body: all } = await stage.askEmulator('GET', '/emulator/faults')
  const found = (all as { faults?: readonly { id: number; fired: number }[] }).faults?.find(each => each.id === id)
  await stage.askEmulator('DELETE', `/emulator/faults/${id}`)
  return (found?.fired ?? 0) > 0
}

/** Whether the cluster took it. One that cannot answer just now is no fault of the soak. */
async function order({ stage, random }: FaultContext, method: string, path: string, body?: unknown): Promise<boolean> {
  if (stage.alive.length === 0) return false
  const worker = random.pick(stage.alive)
  const answer = await ask(method, worker.rest + path, body).catch(() => null)
  return answer !== null && answer.status < 300
}

/** Until the cluster takes it: what was paused has to go on. */
async function insist(context: FaultContext, method: string, path: string): Promise<void> {
  while (!(await order(context, method, path))) await sleep(500)
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'worker killed',
    takes: 'worker',
    weight: 4,
    async run(context) {
      const seat = mortal(context)
      if (seat === null) return false
      await seat.kill()
      await lasting(context.random.between(200, 2 * LEASE_TTL_MS), context)
      await startAgain(context, seat)
      return true
    },
  },
  {
    name: 'worker frozen',
    takes: 'worker',
    weight: 3,
    async run(context) {
      const seat = context.random.pick(context.stage.running)
      seat.freeze()
      await lasting(context.random.between(500, 3 * LEASE_TTL_MS), context)
      seat.thaw()
      return true
    },
  },
  {
    name: 'worker leaves and another joins',
    takes: 'worker',
    weight: 2,
    async run(context) {
      const seat = mortal(context)
      if (seat === null) return false
      if (seat.worker !== null) context.dismissed.add(seat.worker)
      seat.signal('SIGTERM')
      await seat.worker?.child.exited
      await lasting(context.random.between(0, LEASE_TTL_MS), context)
      await startAgain(context, seat)
      return true
    },
  },
  {
    name: 'broker killed',
    takes: 'broker',
    weight: 1,
    async run(context) {
      const { stage, random } = context
      const broker = random.below(BROKERS)
      await stage.kafka.stopBroker(broker, 'SIGKILL')
      await lasting(random.between(1_000, 8_000), context)
      await stage.kafka.startBroker(broker)
      await untilInSync(context)
      return true
    },
  },
  {
    name: 'Redis wiped',
    takes: 'redis',
    weight: 2,
    run: async ({ stage }) => (await stage.redisCommand('FLUSHALL').catch(() => '')).startsWith('+OK'),
  },
  {
    name: 'Redis restarted',
    takes: 'redis',
    weight: 1,
    async run(context) {
      const { stage, random } = context
      const primary = await stage.sentinel.primary()
      primary.child().kill('SIGKILL')
      await primary.child().exited
      await lasting(random.between(0, 8_000), context)
      await primary.restart()
      return true
    },
  },
  {
    name: 'connections cut',
    takes: 'network',
    weight: 3,
    async run(context) {
      const proxy = link(context, context.random.pick(WAYS))
      const before = proxy.counts.cut
      proxy.cutAll()
      return proxy.counts.cut > before
    },
  },
  {
    name: 'network silent',
    takes: 'network',
    weight: 2,
    async run(context) {
      const proxy = link(context, context.random.pick(WAYS))
      const before = proxy.counts.held
      proxy.set(context.random.pick([{ up: 'frozen' }, { down: 'frozen' }, { up: 'frozen', down: 'frozen' }] as const))
      await lasting(context.random.between(500, 3 * LEASE_TTL_MS), context)
      proxy.clear()
      return proxy.counts.held > before
    },
  },
  {
    name: 'network slow',
    takes: 'network',
    weight: 2,
    async run(context) {
      const proxy = link(context, context.random.pick(WAYS))
      const before = proxy.counts.held
      const late = { latencyMs: context.random.between(20, 400), jitterMs: 100 }
      proxy.set({ up: late, down: late })
      await lasting(context.random.between(1_000, 6_000), context)
      proxy.clear()
      return proxy.counts.held > before
    },
  },
  ...(
    [
      ['appends applied, answers lost', 3, { effect: 'closeAfterApply', every: 5 }],
      ['appends lost', 2, { effect: 'close', every: 4 }],
      ['appends answered late', 2, { effect: 'delayReply', every: 3, delayMs: 1_500 }],
      ['appends applied late', 2, { effect: 'delayApply', every: 10, delayMs: 2 * LEASE_TTL_MS, times: 3 }],
      ['appends INTERNAL in 30 %', 2, { effect: 'inBand', code: 'INTERNAL', probability: 0.3 }],
      ['appends throttled', 1, { effect: 'inBand', code: 'RESOURCE_EXHAUSTED', probability: 0.5 }],
      ['Finalize applied, answers lost', 2, { method: 'FinalizeWriteStream', effect: 'closeAfterApply', every: 2 }],
      ['Finalize UNAVAILABLE', 2, { method: 'FinalizeWriteStream', effect: 'close', code: 'UNAVAILABLE' }],
      ['streams created, answers lost', 2, { method: 'CreateWriteStream', effect: 'closeAfterApply', every: 2 }],
      ['everything UNAVAILABLE', 1, { method: '*', effect: 'close', code: 'UNAVAILABLE' }],
    ] as const
  ).map(
    ([name, weight, fault]): Fault => ({
      name,
      takes: 'bigquery',
      weight,
      run: context => bigQueryFault(context, { ...fault, seed: context.random.below(2 ** 31) }),
    }),
  ),
  {
    name: 'connections of BigQuery drained',
    takes: 'bigquery',
    weight: 2,
    async run({ stage, random }) {
      const how = random.pick(['close', 'restart', 'drain'])
      await stage.askEmulator('POST', `/emulator/connections/${how}`, how === 'drain' ? { graceMs: 500 } : {})
      return true
    },
  },
  {
    name: 'connector paused and resumed',
    takes: 'connector',
    weight: 2,
    async run(context) {
      const { name } = context.scene
      if (!(await order(context, 'PUT', `/connectors/${name}/pause`))) return false
      await lasting(context.random.between(200, 4_000), context)
      await insist(context, 'PUT', `/connectors/${name}/resume`)
      return true
    },
  },
  {
    name: 'connector restarted',
    takes: 'connector',
    weight: 2,
    run: context => order(context, 'POST', `/connectors/${context.scene.name}/restart?includeTasks=true`),
  },
  {
    name: 'config changed',
    takes: 'connector',
    weight: 2,
    run: context => order(context, 'PUT', `/connectors/${context.scene.name}/config`, anyConfig(context)),
  },
]

/** Batches of another size in another number of tasks; what arrives must not depend on it. */
function anyConfig({ scene, random }: FaultContext): Record<string, string> {
  return connectorConfig(scene.name, {
    'tasks.max': String(random.between(1, scene.flow.partitions)),
    'append.linger.ms': String(random.pick([1, 20, 100, 500])),
    'append.max.rows': String(random.pick([5, 50, 1_000, 10_000])),
    ...DLQ(scene.deadLetterTopic),
    'errors.deadletterqueue.topic.replication.factor': String(BROKERS),
  })
}

/** The next broker may be killed when this one has caught up: with two behind, nobody could write, and with three rows would be gone. */
async function untilInSync({ stage, signal }: FaultContext): Promise<void> {
  while (!signal.aborted) {
    const { topics } = await stage.admin.fetchTopicMetadata().catch(() => ({ topics: [] }))
    const partitions = topics.flatMap(topic => topic.partitions)
    if (partitions.length > 0 && partitions.every(({ isr, replicas }) => isr.length === replicas.length)) return
    await sleep(500, undefined, { signal }).catch(() => {})
  }
}
