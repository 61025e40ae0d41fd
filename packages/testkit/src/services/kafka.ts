// A real Apache Kafka for tests and the demo: KRaft, one combined node or three, free ports, its own data folder, loopback
// only. Starts in a few seconds; what it stores may be lost with it (no fsync), as it is thrown away anyway.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild, waitUntilReady } from './child.ts'
import { dataFolder } from './data-folder.ts'
import { freePort } from './free-port.ts'
import { archiveFlags, ensureClassArchive } from './java-class-archive.ts'
import { javaFlags as jvmFlags, LOG4J_PROPERTIES } from './java-flags.ts'
import { installKafka } from './kafka-install.ts'
import { countBrokers } from './kafka-probe.ts'

const START_TIMEOUT_MS = 60_000
const STOP_GRACE_MS = 8_000
/** A broker that writes the class archive takes some seconds more to end. */
const STOP_GRACE_TRAINING_MS = 60_000
const BIND_ATTEMPTS_MAX = 3

export type ScramUser = {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
  readonly name: string
  readonly password: string
}

export type KafkaOptions = {
  /** 1 (default) or 3, each broker and controller in one. */
  readonly brokers?: 1 | 3
  /** Added to, and overriding, every broker's server.properties. */
  readonly properties?: Readonly<Record<string, string>>
  /** More listeners beside the plain one, by name, e.g. `{ SECURE: 'SASL_SSL' }`; configure them with `listener.name.secure.…`. */
  readonly listeners?: Readonly<Record<string, 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'>>
  /** What clients are told to connect to, by listener: one `host:port` per broker, e.g. of proxies. Default: the broker itself. */
  readonly advertised?: Readonly<Record<string, readonly string[]>>
  readonly scramUsers?: readonly ScramUser[]
  /** Default: a temporary folder, removed at the end. A given one is kept, and must be empty. */
  readonly dataDir?: string
  /** Heap of each broker; default 384 with one broker, 256 with three. */
  readonly heapMegabytes?: number
}

export type Kafka = {
  /** `host:port[,host:port]` of the plain listener, without authentication. */
  readonly bootstrapServers: string
  /** `host:port[,host:port]` of each listener asked for, by its name. */
  readonly listeners: Readonly<Record<string, string>>
  /** Of each broker, by its index. Changes when a broker is started again. */
  readonly pids: readonly number[]
  readonly dataDir: string
  /** SIGTERM (or the given signal), and waits until it is gone. */
  stopBroker(index: number, signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** Starts a stopped broker again on the same ports and data, and waits until it answers. */
  startBroker(index: number): Promise<void>
  /** Stops all brokers and removes the data folder. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

type BrokerPlan = {
  readonly id: number
  readonly port: number
  readonly controllerPort: number
  readonly extraPorts: Readonly<Record<string, number>>
  readonly folder: string
}

/** Starts Kafka and resolves when every broker answers and knows the others. */
export async function startKafka(options: KafkaOptions = {}): Promise<Kafka> {
  const libs = await installKafka()
  await ensureClassArchive(libs, async flags => {
    const broker = await startOnce(libs, {}, { flags, stopGraceMs: STOP_GRACE_TRAINING_MS })
    await broker.stop()
  })
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(libs, options, { flags: archiveFlags(libs), stopGraceMs: STOP_GRACE_MS })
    } catch (error) {
      const portWasTaken = error instanceof Error && /Address already in use|BindException/.test(error.message)
      if (!portWasTaken || attempt === BIND_ATTEMPTS_MAX) throw error
    }
  }
}

type Jvm = { readonly flags: readonly string[]; readonly stopGraceMs: number }

async function startOnce(libs: string, options: KafkaOptions, jvm: Jvm): Promise<Kafka> {
  const count = options.brokers ?? 1
  const data = dataFolder('kafka', options.dataDir)
  const heap = options.heapMegabytes ?? (count === 1 ? 384 : 256)
  const plans: BrokerPlan[] = []
  for (let id = 1; id <= count; id++) plans.push(await planBroker(id, data.path, options))
  const children: Child[] = []

  const launch = (plan: BrokerPlan): Promise<Child> =>
    startChild({
      name: `Kafka broker ${plan.id}`,
      command: 'java',
      args: [
        ...javaFlags(libs, plan.folder, heap),
        ...jvm.flags,
        'kafka.Kafka',
        join(plan.folder, 'server.properties'),
      ],
      logFile: join(plan.folder, 'broker.log'),
    })
  const ready = (plan: BrokerPlan, child: Child, brokersMin: number): Promise<true> =>
    waitUntilReady(child, START_TIMEOUT_MS, async () =>
      ((await countBrokers(plan.port)) ?? 0) >= brokersMin ? true : null,
    )
  const stopAll = async (): Promise<void> => {
    await Promise.all(children.map(child => child.stop(jvm.stopGraceMs)))
    await data.remove()
  }

  try {
    const clusterId = newClusterId()
    for (const plan of plans) writeBrokerFiles(plan, plans, options)
    await Promise.all(plans.map(plan => format(libs, plan, clusterId, options.scramUsers ?? [])))
    for (const plan of plans) children.push(await launch(plan))
    await Promise.all(plans.map((plan, i) => ready(plan, children[i] as Child, count)))
  } catch (error) {
    await stopAll()
    throw error
  }

  const at = (index: number): BrokerPlan => {
    const plan = plans[index]
    if (plan === undefined) throw new RangeError(`There is no broker ${index}; ${count} were started.`)
    return plan
  }
  return {
    bootstrapServers: plans.map(plan => `127.0.0.1:${plan.port}`).join(','),
    listeners: Object.fromEntries(
      Object.keys(options.listeners ?? {}).map(name => [
        name,
        plans.map(plan => `127.0.0.1:${plan.extraPorts[name]}`).join(','),
      ]),
    ),
    get pids() {
      return children.map(child => child.pid)
    },
    dataDir: data.path,
    async stopBroker(index, signal = 'SIGTERM') {
      at(index)
      const child = children[index] as Child
      if (signal === 'SIGTERM') return child.stop(jvm.stopGraceMs)
      child.kill(signal)
      await child.exited
    },
    async startBroker(index) {
      const plan = at(index)
      if (children[index]?.exit() === null) return
      const child = await launch(plan)
      children[index] = child
      await ready(plan, child, 1)
    },
    stop: stopAll,
    [Symbol.asyncDispose]: stopAll,
  }
}

async function planBroker(id: number, root: string, options: KafkaOptions): Promise<BrokerPlan> {
  const extraPorts: Record<string, number> = {}
  for (const name of Object.keys(options.listeners ?? {})) extraPorts[name] = await freePort()
  return {
    id,
    port: await freePort(),
    controllerPort: await freePort(),
    extraPorts,
    folder: join(root, `broker-${id}`),
  }
}

function writeBrokerFiles(plan: BrokerPlan, plans: readonly BrokerPlan[], options: KafkaOptions): void {
  mkdirSync(join(plan.folder, 'log'), { recursive: true })
  const extra = Object.entries(options.listeners ?? {})
  const replicas = String(plans.length)
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(plan.id),
    'controller.quorum.voters': plans.map(p => `${p.id}@127.0.0.1:${p.controllerPort}`).join(','),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAIN',
    listeners: [
      `PLAIN://127.0.0.1:${plan.port}`,
      `CONTROLLER://127.0.0.1:${plan.controllerPort}`,
      ...extra.map(([name]) => `${name}://127.0.0.1:${plan.extraPorts[name]}`),
    ].join(','),
    'advertised.listeners': [
      `PLAIN://127.0.0.1:${plan.port}`,
      ...extra.map(
        ([name]) => `${name}://${options.advertised?.[name]?.[plan.id - 1] ?? `127.0.0.1:${plan.extraPorts[name]}`}`,
      ),
    ].join(','),
    'listener.security.protocol.map': [
      'PLAIN:PLAINTEXT',
      'CONTROLLER:PLAINTEXT',
      ...extra.map(([name, protocol]) => `${name}:${protocol}`),
    ].join(','),
    'log.dirs': join(plan.folder, 'log'),
    'auto.create.topics.enable': 'false',
    'num.partitions': '1',
    'default.replication.factor': replicas,
    'min.insync.replicas': plans.length === 1 ? '1' : '2',
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': plans.length === 1 ? '1' : '2',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'group.initial.rebalance.delay.ms': '0',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'num.recovery.threads.per.data.dir': '1',
    'log.cleaner.dedupe.buffer.size': '8388608',
    'log.segment.bytes': '268435456',
    // Elections and fencing at a test's pace; the defaults are made for data centres.
    'controller.quorum.election.timeout.ms': '500',
    'controller.quorum.election.backoff.max.ms': '200',
    'broker.heartbeat.interval.ms': '500',
    'broker.session.timeout.ms': '4000',
    'initial.broker.registration.timeout.ms': '30000',
    ...options.properties,
  }
  const text = Object.entries(properties).map(
    ([key, value]) => `${key}=${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`,
  )
  writeFileSync(join(plan.folder, 'server.properties'), text.join(''), { mode: 0o600 })
  writeFileSync(join(plan.folder, 'log4j2.properties'), LOG4J_PROPERTIES)
}

const javaFlags = (libs: string, folder: string, heapMegabytes: number): readonly string[] =>
  jvmFlags({ libs, heapMegabytes, log4j: join(folder, 'log4j2.properties') })

/** 16 random bytes in base64url; never with a leading dash, which the tool would take for an option. */
function newClusterId(): string {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? newClusterId() : id
}

/** What `kafka-storage.sh format` does: a new cluster id, and the SCRAM users from the first moment on. */
function format(libs: string, plan: BrokerPlan, clusterId: string, users: readonly ScramUser[]): Promise<void> {
  const scram = users.flatMap(user => [
    '--add-scram',
    `${user.mechanism}=[name=${user.name},password=${user.password}]`,
  ])
  const args = ['format', '-t', clusterId, '-c', join(plan.folder, 'server.properties'), ...scram]
  return new Promise((resolve, reject) => {
    const tool = spawn(
      'java',
      [...javaFlags(libs, plan.folder, 128), ...archiveFlags(libs), 'kafka.tools.StorageTool', ...args],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    let output = ''
    tool.stdout.on('data', chunk => (output += chunk))
    tool.stderr.on('data', chunk => (output += chunk))
    tool.once('error', cause =>
      reject(
        new Error(`java could not be started (Debian: apt-get install openjdk-17-jre-headless): ${cause.message}`, {
          cause,
        }),
      ),
    )
    tool.once('close', code =>
      code === 0
        ? resolve()
        : reject(new Error(`Kafka's storage could not be formatted (exit code ${code}).\n${output}`)),
    )
  })
}
