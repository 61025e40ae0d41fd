// Kafka Connect and Millrace side by side, each on a Kafka of its own: both name the consumer group of a connector alike. A
// request goes to both, and both answers are compared; what they disagree about must be a known difference.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Connect, type Kafka, startConnect, startKafka } from '@millrace/testkit'
import { Kafka as KafkaClient, logLevel } from 'kafkajs'
import { plainRecord, range, Stage } from '../../e2e/support/stage.ts'
import { type Answers, type Disagreement, disagreements } from './compare.ts'
import { type Difference, explanation } from './differences.ts'
import { type Answer, bodyText, type Request, send } from './exchange.ts'
import { type Expected, Model } from './model.ts'
import { addressed, type Side, withPlaceholders } from './sides.ts'
import { EMPTY_TOPIC, TOPIC } from './sink-config.ts'
import { validationDisagreements } from './validation.ts'

/** On a busy machine; a healthy one needs a tenth. */
const PATIENCE_MS = 20_000
/**
 * How long Connect may go on saying that it rebalances; it says so for other reasons, too. Tasks have 5 s to stop
 * (task.shutdown.graceful.timeout.ms), and until then their offsets are not altered.
 */
const REBALANCE_MS = 12_000
/** How long two views of settled states may go on differing. */
const AGREEMENT_MS = 3_000
const POLL_MS = 25
const PARTITIONS = 2
const ROWS = 10

export class Pair implements AsyncDisposable {
  readonly #stage: Stage
  readonly #connectKafka: Kafka
  readonly #connect: Connect
  readonly #bases: Readonly<Record<Side, string>>
  /** Differences that occurred. */
  readonly seen: Set<Difference> = new Set()

  private constructor(stage: Stage, connectKafka: Kafka, connect: Connect, millrace: string) {
    this.#stage = stage
    this.#connectKafka = connectKafka
    this.#connect = connect
    this.#bases = { connect: connect.rest, millrace }
  }

  static async open(): Promise<Pair> {
    await using stack = new AsyncDisposableStack()
    const [[stage, worker], [kafka, connect]] = await Promise.all([openStage(stack), openConnect(stack)])
    const pair = new Pair(stage, kafka, connect, worker.rest)
    stack.move()
    return pair
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#stage[Symbol.asyncDispose](), this.#connect.stop().then(() => this.#connectKafka.stop())])
  }

  /** A sequence of requests about connectors of its own. */
  sequence(): Sequence {
    return new Sequence(this)
  }

  send(side: Side, request: Request): Promise<Answer> {
    return send(this.#bases[side], addressed(request, side))
  }
}

async function openStage(stack: AsyncDisposableStack): Promise<[Stage, { readonly rest: string }]> {
  const stage = stack.use(await Stage.open({ heapMegabytes: 256 }))
  const [worker] = await Promise.all([
    stage.startWorker(),
    stage.createTopic(TOPIC, PARTITIONS).then(() => stage.produceRows(TOPIC, range(0, ROWS), PARTITIONS)),
    stage.createTopic(EMPTY_TOPIC, 1),
    stage.createTable(TOPIC),
    stage.createTable(EMPTY_TOPIC),
  ])
  return [stage, worker]
}

async function openConnect(stack: AsyncDisposableStack): Promise<[Kafka, Connect]> {
  const kafka = stack.use(await startKafka({ heapMegabytes: 256 }))
  const client = new KafkaClient({ brokers: [kafka.bootstrapServers], logLevel: logLevel.NOTHING })
  const admin = client.admin()
  // A batch that is sent again because the topic is new must not be there twice.
  const producer = client.producer({ idempotent: true })
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({
    topics: [
      { topic: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1 },
      { topic: EMPTY_TOPIC, numPartitions: 1, replicationFactor: 1 },
    ],
  })
  await producer.send({ topic: TOPIC, messages: range(0, ROWS).map(id => plainRecord(id, id % PARTITIONS)) })
  await Promise.all([admin.disconnect(), producer.disconnect()])
  return [kafka, stack.use(await startConnect({ bootstrapServers: kafka.bootstrapServers }))]
}

/** Requests one after another, and what they should have led to. */
export class Sequence {
  readonly #pair: Pair
  readonly model: Model = new Model()
  readonly asked: Request[] = []
  /** What they disagreed about, unexplained. */
  readonly faults: string[] = []

  constructor(pair: Pair) {
    this.#pair = pair
  }

  async get(path: string): Promise<Answer> {
    return await this.ask('GET', path)
  }

  async ask(method: string, path: string, body?: unknown, headers?: Request['headers']): Promise<Answer> {
    return await this.request({
      method,
      path,
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    })
  }

  /** Asks both; what they disagree about and is no known difference is a fault. Answers with Millrace's. */
  async request(request: Request): Promise<Answer> {
    if (changesSomething(request)) await this.settle()
    this.asked.push(request)
    let answers: Answers = await both(side => this.#ask(side, request))
    const deadline = performance.now() + AGREEMENT_MS
    for (;;) {
      const unexplained = this.#unexplained(request, answers)
      if (unexplained.length === 0) break
      if (performance.now() > deadline || !mayBeAskedAgain(request)) {
        this.faults.push(report(request, unexplained))
        break
      }
      await sleep(POLL_MS)
      answers = {
        connect: await this.#ask('connect', request),
        millrace: isView(request) ? await this.#ask('millrace', request) : answers.millrace,
      }
    }
    this.model.apply(request, answers.connect)
    return answers.millrace
  }

  /** Reads on both sides, each until it answers so; then what they answer is compared as ever. */
  async getOnce(path: string, isSo: (text: string, side: Side) => boolean): Promise<Answer> {
    const request = { method: 'GET', path }
    const deadline = performance.now() + PATIENCE_MS
    await both(async side => {
      for (;;) {
        const { text } = await this.#ask(side, request)
        if (isSo(text, side)) return
        if (performance.now() > deadline) assert.fail(`${side} goes on answering GET ${path} with ${text}`)
        await sleep(POLL_MS)
      }
    })
    return await this.request(request)
  }

  /** Asks both to validate a config, and compares the keys they have in common. */
  async validate(config: Readonly<Record<string, unknown>>): Promise<void> {
    const request = { method: 'PUT', path: '/connector-plugins/{{alias}}/config/validate', body: config }
    this.asked.push(request)
    const answers = await both(side => this.#ask(side, request))
    assert.deepEqual([answers.connect.status, answers.millrace.status], [200, 200], answers.millrace.text)
    const [connect, millrace] = (['connect', 'millrace'] as const).map(side =>
      withPlaceholders(answers[side].text, side),
    )
    const unexplained = this.#withoutKnown(request, validationDisagreements(connect ?? '', millrace ?? ''))
    if (unexplained.length > 0) this.faults.push(report(request, unexplained))
  }

  #unexplained(request: Request, answers: Answers): readonly Disagreement[] {
    return this.#withoutKnown(request, disagreements(answers))
  }

  #withoutKnown(request: Request, all: readonly Disagreement[]): readonly Disagreement[] {
    return all.filter(disagreement => {
      const difference = explanation(request, disagreement)
      if (difference !== undefined) this.#pair.seen.add(difference)
      return difference === undefined
    })
  }

  /** Connect refuses momentarily while it rebalances; Millrace never does, and is asked once. */
  async #ask(side: Side, request: Request): Promise<Answer> {
    const deadline = performance.now() + REBALANCE_MS
    for (;;) {
      const answer = await this.#pair.send(side, request)
      const isRebalance = side === 'connect' && REBALANCING.test(answer.text) && !this.#isRefusedForEver(request)
      if (!isRebalance || performance.now() > deadline) return answer
      await sleep(POLL_MS)
    }
  }

  /** Tasks of a stopped connector: a known difference, and no waiting mends it. */
  #isRefusedForEver({ path }: Request): boolean {
    const [, name = ''] = /^\/connectors\/([^/]+)\/tasks\/\d+\/restart$/.exec(path) ?? []
    return this.model.connectors.get(decodeURIComponent(name))?.state === 'STOPPED'
  }

  /** Waits until both sides show what the requests so far should have led to. */
  async settle(): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const seen = await both(side => this.#states(side))
      const wanted = this.#wanted('connect')
      if (seen.connect === wanted && seen.millrace === this.#wanted('millrace')) return
      if (performance.now() > deadline)
        assert.fail(
          `Waited in vain for\n  ${wanted}\nKafka Connect shows\n  ${seen.connect}\nMillrace shows\n  ${seen.millrace}\n${this.#story()}`,
        )
      await sleep(POLL_MS)
    }
  }

  #wanted(side: Side): string {
    const connectors = [...this.model.connectors]
    return JSON.stringify(Object.fromEntries(connectors.map(([name, expected]) => [name, shownState(expected, side)])))
  }

  async #states(side: Side): Promise<string> {
    const states = await Promise.all(
      [...this.model.connectors.keys()].map(async name => {
        const { text } = await this.#ask(side, {
          method: 'GET',
          path: `/connectors/${encodeURIComponent(name)}/status`,
        })
        const status = statusOf(text)
        return [name, [status.connector?.state, ...(status.tasks ?? []).map(task => task.state)].join(' ')]
      }),
    )
    return JSON.stringify(Object.fromEntries(states))
  }

  /** Deletes what is left, and fails if there were faults. */
  async end(): Promise<void> {
    for (const name of [...this.model.connectors.keys()])
      await this.ask('DELETE', `/connectors/${encodeURIComponent(name)}`)
    if (this.faults.length > 0) assert.fail(this.faults.join('\n'))
  }

  /** Deletes what is left on either side, whatever state it is in. */
  async abandon(): Promise<void> {
    for (const name of this.model.connectors.keys())
      await both(side => this.#ask(side, { method: 'DELETE', path: `/connectors/${encodeURIComponent(name)}` }))
  }

  #story(): string {
    return `After:\n${this.asked.map(line).join('\n')}`
  }
}

type Part = { readonly state: string }
type Status = { readonly connector?: Part; readonly tasks?: readonly Part[] }

/** Nothing when the web server itself refuses, in HTML. */
const statusOf = (text: string): Status => (text.startsWith('{') ? (JSON.parse(text) as Status) : {})

const REBALANCING =
  /tasks haven't stopped completely yet|rebalance (was|is|operation)|worker rebalance|no known leader|stale configuration/
/** A known difference: a paused connector's tasks follow `tasks.max` at once with us, with Connect when it is resumed. */
function shownState({ state, tasks, tasksMax }: Expected, side: Side): string {
  const count = side === 'millrace' && tasks > 0 ? tasksMax : tasks
  return [state, ...Array<string>(count).fill(state)].join(' ')
}

async function both<T>(work: (side: Side) => Promise<T>): Promise<Readonly<Record<Side, T>>> {
  const [connect, millrace] = await Promise.all([work('connect'), work('millrace')])
  return { connect, millrace }
}

const changesSomething = ({ method }: Request): boolean => !['GET', 'HEAD', 'OPTIONS'].includes(method)
/** A wrong answer to anything else may not be mended by asking again. */
const mayBeAskedAgain = ({ method, path }: Request): boolean => method === 'GET' || /\/restart/.test(path)
/** Views of what workers do, which come to be true a moment later on both sides. Everything else must be true at once on ours. */
const isView = ({ path }: Request): boolean => /\/status|expand=|\/restart|\/offsets|\/topics/.test(path)

export const line = (request: Request): string =>
  [request.method, request.path, bodyText(request.body), request.headers && JSON.stringify(request.headers)]
    .filter(part => part !== undefined)
    .join(' ')

function report(request: Request, unexplained: readonly Disagreement[]): string {
  const lines = unexplained.map(
    ({ aspect, connect, millrace }) => `  ${aspect}\n    Kafka Connect: ${connect}\n    Millrace:      ${millrace}`,
  )
  return [`Kafka Connect and Millrace differ on ${line(request)}`, ...lines].join('\n')
}
