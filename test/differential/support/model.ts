// What a sequence of requests should have led to: which connectors there are, in which state, with how many tasks. Both sides
// must come to be like that before the next request that changes something, so that comparing never depends on who is faster.
import { type Answer, bodyText, type Request } from './exchange.ts'

export type TargetState = 'RUNNING' | 'PAUSED' | 'STOPPED'
export type Expected = {
  readonly state: TargetState
  readonly tasks: number
  readonly tasksMax: number
  /** Somebody moved or forgot all of its positions, and it has not run since: both must show the same. */
  readonly isMoved?: boolean
}

export class Model {
  readonly connectors: Map<string, Expected> = new Map()

  /** @param answer of Kafka Connect: what it refused did not happen. */
  apply(request: Request, answer: Answer): void {
    if (answer.status >= 300 || request.method === 'GET' || request.method === 'HEAD') return
    const [path = ''] = request.path.split('?')
    const [root, encoded, verb, more] = path.split('/').filter(part => part !== '')
    if (root !== 'connectors') return
    if (encoded === undefined) {
      if (request.method === 'POST') this.#create(request)
      return
    }
    const name = decodeURIComponent(encoded)
    if (verb === 'config') this.#configure(name, answer)
    else if (verb === 'offsets') this.#change(name, before => ({ ...before, isMoved: true }))
    else if (verb === undefined && request.method === 'DELETE') this.connectors.delete(name)
    else if (verb === 'pause' && more === undefined) this.#change(name, before => ({ ...before, state: 'PAUSED' }))
    else if (verb === 'stop') this.#change(name, before => ({ ...before, state: 'STOPPED', tasks: 0 }))
    else if (verb === 'resume') this.#change(name, running)
  }

  #create(request: Request): void {
    const body = JSON.parse(bodyText(request.body) ?? '{}') as {
      readonly name: string
      readonly initial_state?: string
      readonly config: Readonly<Record<string, unknown>>
    }
    const state = (body.initial_state ?? 'RUNNING').toUpperCase() as TargetState
    const tasksMax = tasksMaxOf(body.config)
    this.connectors.set(body.name.trim(), { state, tasksMax, tasks: state === 'RUNNING' ? tasksMax : 0 })
  }

  /** A paused connector keeps the tasks it has until it is resumed. */
  #configure(name: string, answer: Answer): void {
    const { config } = JSON.parse(answer.text) as { readonly config: Readonly<Record<string, unknown>> }
    const before = this.connectors.get(name) ?? { state: 'RUNNING', tasks: 0, tasksMax: 0 }
    const changed = { ...before, tasksMax: tasksMaxOf(config) }
    this.connectors.set(name, before.state === 'RUNNING' ? running(changed) : changed)
  }

  #change(name: string, change: (before: Expected) => Expected): void {
    const before = this.connectors.get(name)
    if (before !== undefined) this.connectors.set(name, change(before))
  }
}

const running = (before: Expected): Expected => ({
  ...before,
  state: 'RUNNING',
  tasks: before.tasksMax,
  isMoved: false,
})
const tasksMaxOf = (config: Readonly<Record<string, unknown>>): number => Number(config['tasks.max'] ?? 1)
