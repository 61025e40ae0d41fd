// The stage of the chaos harness: three real brokers, a real Redis with replica and sentinel, the emulator and three workers,
// all as processes of their own, and a proxy of ours on every way between them. Each worker has a seat: its own proxies to
// each broker, to Redis and to both doors of BigQuery, so that one worker can be cut off while the others see everything.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type Address,
  type DataFolder,
  dataFolder,
  type EmulatorProcess,
  type Kafka,
  type RedisSentinel,
  startEmulatorProcess,
  startKafka,
  startRedisSentinel,
  startWorkerProcess,
  TcpProxy,
  type WorkerProcess,
  type WorkerProcessOptions,
} from '@millrace/testkit'
import { DATASET, emulatorArgs, LEASE_TTL_MS, PROJECT, Stage } from '../e2e/support/stage.ts'

export const BROKERS = 3
export const SEATS = 3
export const GROUP = 'chaos'
const WORKER_MAIN = fileURLToPath(new URL('./worker-main.ts', import.meta.url))

/** The ways of one worker to what it needs. */
export type Links = {
  readonly redis: TcpProxy
  /** The Storage Write API. */
  readonly grpc: TcpProxy
  /** BigQuery's REST API. */
  readonly rest: TcpProxy
  /** By broker. */
  readonly kafka: readonly TcpProxy[]
}

export class Seat {
  readonly index: number
  readonly links: Links
  worker: WorkerProcess | null = null
  /** Of the latest worker, also one that died before it was ready. */
  logFile: string = ''
  workerId: string = ''
  isFrozen: boolean = false
  /** Something it needs is out of its reach, so its REST API may be slow to answer: others are asked. */
  isCutOff: boolean = false
  /** The Redis its proxy leads to; null: whoever is primary. */
  redisPort: number | null = null

  constructor(index: number, links: Links) {
    this.index = index
    this.links = links
  }

  get name(): string {
    return `worker ${this.index}`
  }
  /** A process is there and has not been stopped in any way. */
  get isRunning(): boolean {
    return this.worker !== null && this.workerId !== '' && this.worker.child.exit() === null && !this.isFrozen
  }
  get log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : ''
  }
  get allLinks(): readonly TcpProxy[] {
    return [this.links.redis, this.links.grpc, this.links.rest, ...this.links.kafka]
  }

  #child(): WorkerProcess['child'] {
    assert.ok(this.worker !== null, `${this.name} was started`)
    return this.worker.child
  }
  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child()
    child.kill('SIGKILL')
    await child.exited
    this.isFrozen = false
    assert.equal(child.exit()?.signal, 'SIGKILL', `${this.name} died of the signal`)
  }
  /** SIGTERM; resolves when it has drained and ended by itself. */
  async end(): Promise<void> {
    const child = this.#child()
    child.kill('SIGTERM')
    await child.exited
    assert.deepEqual(child.exit(), { code: 0, signal: null }, `${this.name} ended in order`)
  }
  signal(signal: NodeJS.Signals): void {
    this.#child().kill(signal)
  }
  get pid(): number {
    return this.#child().pid
  }
  /** SIGSTOP. */
  freeze(): void {
    this.#child().kill('SIGSTOP')
    this.isFrozen = true
  }
  thaw(): void {
    this.#child().kill('SIGCONT')
    this.isFrozen = false
  }
}

type Parts = {
  readonly kafka: Kafka
  readonly redis: RedisSentinel
  readonly emulator: EmulatorProcess
  readonly folder: DataFolder
  readonly seats: readonly Seat[]
}

export class ChaosStage extends Stage {
  readonly seats: readonly Seat[]
  readonly sentinel: RedisSentinel
  /** Worker properties of this row, for workers that start from now on. */
  workerProperties: Readonly<Record<string, string>> = {}

  protected constructor(parts: Parts) {
    const { kafka, redis, emulator, folder } = parts
    const first = redis.nodes[0]
    // What the base needs of Redis: where it is, and its end.
    const port = {
      get port() {
        return redis.primaryPort
      },
    }
    super({
      kafka,
      emulator,
      folder,
      redis: Object.assign(port, {
        url: `redis://127.0.0.1:${first.port}`,
        pid: first.child().pid,
        stop: () => redis.stop(),
        [Symbol.asyncDispose]: () => redis.stop(),
      }),
    })
    this.seats = parts.seats
    this.sentinel = redis
  }

  /** Starts everything, workers included. */
  static async begin(): Promise<ChaosStage> {
    await using stack = new AsyncDisposableStack()
    const folder = dataFolder('chaos')
    stack.defer(() => folder.remove())
    const at = new Targets()
    const seats: Seat[] = []
    for (let index = 0; index < SEATS; index++) {
      const proxy = async (target: () => Address): Promise<TcpProxy> => stack.use(await TcpProxy.listen(target))
      const links = {
        redis: await proxy(() => at.redis(index)),
        grpc: await proxy(() => at.emulator().grpc),
        rest: await proxy(() => at.emulator().rest),
        kafka: await Promise.all(Array.from({ length: BROKERS }, (_, broker) => proxy(() => at.broker(index, broker)))),
      }
      seats.push(new Seat(index, links))
    }
    const via = (index: number): string => `VIA${index}`
    const started = await Promise.allSettled([
      startKafka({
        brokers: BROKERS,
        listeners: Object.fromEntries(seats.map(seat => [via(seat.index), 'PLAINTEXT' as const])),
        advertised: Object.fromEntries(seats.map(seat => [via(seat.index), seat.links.kafka.map(hostPort)])),
        properties: KAFKA_PROPERTIES,
      }),
      startRedisSentinel(),
      startEmulatorProcess({ dataDir: join(folder.path, 'emulator'), args: emulatorArgs(folder) }),
    ] as const)
    for (const each of started) if (each.status === 'fulfilled') stack.defer(() => each.value.stop())
    const [kafka, redis, emulator] = started.map(each => {
      if (each.status === 'rejected') throw each.reason
      return each.value
    }) as [Kafka, RedisSentinel, EmulatorProcess]
    at.redis = index => ({ host: '127.0.0.1', port: seats[index]?.redisPort ?? redis.primaryPort })
    at.broker = (index, broker) => addressOf(kafka.listeners[via(index)]?.split(',')[broker] ?? '')
    const stage = new ChaosStage({ kafka, redis, emulator, folder, seats })
    at.emulator = () => ({ grpc: addressOf(stage.emulator.grpc), rest: addressOf(new URL(stage.emulator.rest).host) })
    await stage.admin.connect()
    await stage.askEmulator('POST', `/bigquery/v2/projects/${PROJECT}/datasets`, {
      datasetReference: { projectId: PROJECT, datasetId: DATASET },
    })
    await stage.fillSeats()
    stack.move()
    return stage
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    for (const seat of this.seats) if (seat.isFrozen) seat.thaw()
    for (const node of this.sentinel.nodes) node.child().kill('SIGCONT')
    for (const link of this.links) link.clear()
    this.sentinel.setFailover(true)
    await super[Symbol.asyncDispose]()
    await Promise.all(this.links.map(link => link[Symbol.asyncDispose]()))
  }

  get links(): readonly TcpProxy[] {
    return this.seats.flatMap(seat => seat.allLinks)
  }

  // ── workers ──

  /** Also of those that died before they were ready. */
  override logs(): string {
    const known = new Set(this.workers.map(worker => worker.child.logFile))
    const others = this.seats.filter(seat => seat.logFile !== '' && !known.has(seat.logFile))
    return [super.logs(), ...others.map(seat => seat.log)].join('\n')
  }

  /** Those the REST API is asked of: the last of them. */
  override get alive(): readonly WorkerProcess[] {
    return this.running.filter(seat => !seat.isCutOff).map(seat => seat.worker as WorkerProcess)
  }
  get running(): readonly Seat[] {
    return this.seats.filter(seat => seat.isRunning)
  }

  /** Starts whoever is missing. */
  async fillSeats(): Promise<void> {
    await Promise.all(
      this.seats.map(async seat => {
        if (seat.isFrozen) seat.thaw()
        if (!seat.isRunning) await this.startAt(seat)
      }),
    )
  }

  /** A worker that reaches everything through the seat's proxies. */
  async startAt(
    seat: Seat,
    options: { readonly over?: Readonly<Record<string, string>> } & Pick<
      WorkerProcessOptions,
      'env' | 'nodeFlags' | 'dataDir'
    > = {},
  ): Promise<void> {
    const { over = {}, dataDir: given, ...how } = options
    const name = this.unique(`worker${seat.index}`)
    const { redis, grpc, rest, kafka } = seat.links
    const dataDir = given ?? join(this.folder.path, name)
    seat.worker = null
    seat.workerId = ''
    seat.logFile = join(dataDir, `${name}.log`)
    const worker = await startWorkerProcess(
      this.properties({
        'group.id': GROUP,
        'config.storage.replication.factor': String(BROKERS),
        'journal.storage.replication.factor': String(BROKERS),
        'bootstrap.servers': kafka.map(hostPort).join(','),
        'redis.url': `redis://${hostPort(redis)}`,
        'bigquery.endpoint': `http://${hostPort(grpc)}`,
        'bigquery.rest.endpoint': `http://${hostPort(rest)}`,
        ...this.workerProperties,
        ...over,
      }),
      { name, dataDir, main: WORKER_MAIN, ...how },
    )
    seat.worker = worker
    seat.isFrozen = false
    this.workers.push(worker)
    seat.workerId = await this.workerId(worker)
  }

  /** The seat whose worker leads, as Redis says. */
  async leader(): Promise<Seat> {
    return await this.until('a running worker leads', async () => {
      const answer = await this.redisCommand(`GET ${GROUP}:leader`).catch(() => '')
      return this.running.find(seat => answer.includes(seat.workerId)) ?? null
    })
  }

  /** By the id of its worker; null: it is none of those that sit now. */
  seatOf(workerId: string): Seat | null {
    return this.seats.find(seat => seat.workerId === workerId) ?? null
  }

  // ── the end of a row ──

  /** Everything as it should be: proxies pass, no fault is set, brokers, Redis and all workers are there. */
  async heal(): Promise<void> {
    for (const link of this.links) link.clear()
    for (let broker = 0; broker < BROKERS; broker++) await this.kafka.startBroker(broker)
    for (const node of this.sentinel.nodes) {
      node.child().kill('SIGCONT')
      if (node.child().exit() !== null) await node.restart()
    }
    this.sentinel.setFailover(true)
    for (const seat of this.seats) {
      seat.redisPort = null
      seat.isCutOff = false
    }
    for (const what of ['faults', 'behavior', 'quotas']) await this.askEmulator('DELETE', `/emulator/${what}`)
    await this.fillSeats()
  }
}

/** Where the proxies lead to, once it is known. */
class Targets {
  redis: (seat: number) => Address = unknown
  emulator: () => { readonly grpc: Address; readonly rest: Address } = unknown
  broker: (seat: number, broker: number) => Address = unknown
}
const unknown = (): never => assert.fail('nobody connects before everything has started')

const KAFKA_PROPERTIES: Readonly<Record<string, string>> = {
  'group.min.session.timeout.ms': '1000',
  'log.retention.check.interval.ms': '1000',
  'log.cleaner.backoff.ms': '500',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
}

const hostPort = ({ address }: TcpProxy): string => `${address.host}:${address.port}`
function addressOf(text: string): Address {
  const [host = '', port = ''] = text.split(':')
  return { host, port: Number(port) }
}

/** A lease that nobody renews is over after so long, and seen to be. */
export const LEASE_OVER_MS: number = LEASE_TTL_MS + 2_000
