// A real Kafka Connect worker in distributed mode, as the oracle of the REST API: Apache's own runtime with its file
// connectors, on a broker of the test. Free port, loopback, own internal topics, own folder.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild, waitUntilReady } from './child.ts'
import { dataFolder } from './data-folder.ts'
import { freePort } from './free-port.ts'
import { archiveFlags, ensureClassArchive } from './java-class-archive.ts'
import { javaFlags, LOG4J_PROPERTIES } from './java-flags.ts'
import { installConnect } from './kafka-install.ts'

const START_TIMEOUT_MS = 90_000
const STOP_GRACE_MS = 8_000
/** A worker that writes the class archive takes some seconds more to end. */
const STOP_GRACE_TRAINING_MS = 60_000
const PROBE_TIMEOUT_MS = 2_000
const BIND_ATTEMPTS_MAX = 3
const HEAP_MEGABYTES = 256

export type ConnectOptions = {
  readonly bootstrapServers: string
  /** Added to, and overriding, the worker's properties. */
  readonly properties?: Readonly<Record<string, string>>
}

export type Connect = {
  /** `http://127.0.0.1:port`. */
  readonly rest: string
  readonly child: Child
  /** Where its connectors may write files. */
  readonly folder: string
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts Kafka Connect and resolves when `GET /health` says healthy. */
export async function startConnect(options: ConnectOptions): Promise<Connect> {
  const libs = await installConnect()
  await ensureClassArchive(libs, async flags => {
    const worker = await startOnce(libs, options, { flags, stopGraceMs: STOP_GRACE_TRAINING_MS })
    await worker.stop()
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

async function startOnce(libs: string, options: ConnectOptions, jvm: Jvm): Promise<Connect> {
  const data = dataFolder('connect')
  const rest = `http://127.0.0.1:${await freePort()}`
  const group = `connect-${randomBytes(6).toString('hex')}`
  const file = join(data.path, 'worker.properties')
  const log4j = join(data.path, 'log4j2.properties')
  const properties = { ...workerProperties(group, rest), ...options.properties }
  const lines = Object.entries({ 'bootstrap.servers': options.bootstrapServers, ...properties })
  writeFileSync(file, lines.map(([key, value]) => `${key}=${value}\n`).join(''))
  writeFileSync(log4j, LOG4J_PROPERTIES)
  const child = await startChild({
    name: 'Kafka Connect',
    command: 'java',
    args: [
      ...javaFlags({ libs, heapMegabytes: HEAP_MEGABYTES, log4j }),
      ...jvm.flags,
      'org.apache.kafka.connect.cli.ConnectDistributed',
      file,
    ],
    cwd: data.path,
    logFile: join(data.path, 'connect.log'),
  })
  const stop = async (): Promise<void> => {
    await child.stop(jvm.stopGraceMs)
    await data.remove()
  }
  try {
    await waitUntilReady(child, START_TIMEOUT_MS, () => isHealthy(rest))
  } catch (error) {
    await stop()
    throw error
  }
  return { rest, child, folder: data.path, stop, [Symbol.asyncDispose]: stop }
}

/** One worker alone, which waits for nobody; plugins by their manifests, which is the quickest way to find them. */
const workerProperties = (group: string, rest: string): Record<string, string> => ({
  'group.id': group,
  listeners: rest,
  'rest.advertised.host.name': '127.0.0.1',
  'plugin.discovery': 'service_load',
  'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'config.storage.topic': `${group}-config`,
  'offset.storage.topic': `${group}-offsets`,
  'offset.storage.partitions': '1',
  'status.storage.topic': `${group}-status`,
  'status.storage.partitions': '1',
  'config.storage.replication.factor': '1',
  'offset.storage.replication.factor': '1',
  'status.storage.replication.factor': '1',
  'scheduled.rebalance.max.delay.ms': '0',
  'offset.flush.interval.ms': '1000',
  'task.shutdown.graceful.timeout.ms': '1000',
  'heartbeat.interval.ms': '500',
  'metadata.max.age.ms': '1000',
})

async function isHealthy(rest: string): Promise<true | null> {
  try {
    const { status } = await fetch(`${rest}/health`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
    return status === 200 ? true : null
  } catch {
    return null
  }
}
