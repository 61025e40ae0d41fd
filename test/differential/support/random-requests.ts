// Requests about a few connectors, by chance but from a seed, most of them meaningful in the state things are in.
import type { Request } from './exchange.ts'
import type { Model } from './model.ts'
import { sinkConfig, TOPIC } from './sink-config.ts'

/** A small generator of good enough numbers (mulberry32): the same seed, the same requests. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How many tasks each has, always: a paused connector is where a changed number shows at different times. */
const TASKS_MAX: Readonly<Record<string, number>> = { chance1: 1, chance2: 2, chance3: 3 }
const NAMES = Object.keys(TASKS_MAX)

export function randomRequest(random: () => number, model: Model): Request {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const name = pick(NAMES)
  const path = `/connectors/${name}`
  const config = sinkConfig({ 'tasks.max': TASKS_MAX[name], chance: String(Math.floor(random() * 3)) })
  const expected = model.connectors.get(name)
  if (expected === undefined && random() < 0.6) {
    const initial = pick([undefined, undefined, 'RUNNING', 'PAUSED', 'STOPPED'])
    if (initial === undefined && random() < 0.5) return { method: 'PUT', path: `${path}/config`, body: config }
    return { method: 'POST', path: '/connectors', body: { name, config, initial_state: initial } }
  }
  const choices: readonly (readonly [weight: number, make: () => Request])[] = [
    [6, () => ({ method: 'PUT', path: `${path}/${pick(['pause', 'resume', 'stop'])}` })],
    [2, () => ({ method: 'PUT', path: `${path}/config`, body: config })],
    [2, () => ({ method: 'PATCH', path: `${path}/config`, body: { chance: pick(['x', null, 7, true]) } })],
    [1, () => ({ method: 'POST', path: '/connectors', body: { name, config } })],
    [2, () => ({ method: 'DELETE', path })],
    [3, () => ({ method: 'POST', path: `${path}/restart${pick(RESTART_QUERIES)}` })],
    [2, () => ({ method: 'POST', path: `${path}/tasks/${pick([0, 1, 7])}/restart` })],
    [1, () => ({ method: 'PUT', path: `${path}/config`, body: { ...config, topics: '' } })],
    [1, () => ({ method: 'PATCH', path: `${path}/config`, body: { topics: null } })],
    [1, () => ({ method: 'PATCH', path: `${path}/offsets`, body: { offsets: [] } })],
    [2, () => ({ method: 'PATCH', path: `${path}/offsets`, body: { offsets: positions(random) } })],
    [1, () => ({ method: 'DELETE', path: `${path}/offsets` })],
    [1, () => ({ method: 'PUT', path: `${path}/topics/reset` })],
    [10, () => ({ method: 'GET', path: path + pick(expected?.isMoved ? [...VIEWS, '/offsets', '/offsets'] : VIEWS) })],
    [1, () => ({ method: 'HEAD', path: path + pick(VIEWS) })],
    [2, () => ({ method: 'GET', path: `/connectors${pick(['', '?expand=status', '?expand=info', '/'])}` })],
    [1, () => ({ method: 'GET', path: '/admin/loggers/some.logger' })],
    [
      2,
      () => ({
        method: 'PUT',
        path: `/admin/loggers/some.logger${pick(['', '?scope=worker', '?scope=cluster', '?scope=nonsense'])}`,
        body: { level: pick(['DEBUG', 'info', 'NONSENSE', null]) },
      }),
    ],
  ]
  let left = random() * choices.reduce((sum, [weight]) => sum + weight, 0)
  let request: Request = { method: 'GET', path }
  for (const [weight, make] of choices) {
    left -= weight
    if (left >= 0) continue
    request = make()
    break
  }
  // Its tasks show the new config at different times, which is a difference of its own.
  const isPaused = expected?.state === 'PAUSED'
  return isPaused && request.path.endsWith('/config') ? { method: 'GET', path: `${path}/config` } : request
}

/** Of both partitions, each somewhere in its log: five records. */
const positions = (random: () => number): readonly unknown[] =>
  [0, 1].map(partition => ({
    partition: { kafka_topic: TOPIC, kafka_partition: partition },
    offset: { kafka_offset: Math.floor(random() * 6) },
  }))

const RESTART_QUERIES = ['', '?includeTasks=true', '?onlyFailed=true', '?includeTasks=true&onlyFailed=true']
const VIEWS = ['', '/', '/config', '/status', '/tasks', '/tasks/0/status', '/tasks/2/status']
