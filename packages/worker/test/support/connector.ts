// A connector in a World: its entry in the control state, its services, and workers and supervisors that run it.
import assert from 'node:assert/strict'
import { parseConnectorConfig } from '@millrace/config'
import type {
  ConnectorEntry,
  ControlState,
  Genesis,
  Incarnation,
  Logger,
  PartitionAssignment,
  PartitionReport,
  RawConfig,
  Tables,
  Timers,
} from '@millrace/core'
import type { ConnectorServices } from '../../src/connector-runtime.ts'
import { Worker } from '../../src/index.ts'
import { PartitionSupervisor, type SupervisorDeps } from '../../src/partition-supervisor.ts'
import { SharedRuntimes } from '../../src/shared-runtimes.ts'
import type { Process } from './process.ts'
import { CONVERTER_SETTINGS, DLQ, QUIET, TP, type World } from './world.ts'

export const GROUP = 'connect-c'
export const LEASE_TTL_MS = 10_000
const JOURNAL_ID = 'journal1'

export const CONFIG: RawConfig = {
  name: 'c',
  'connector.class': 'io.millrace.bigquery.BigQuerySinkConnector',
  topics: TP.topic,
  project: 'p',
  defaultDataset: 'd',
  'errors.tolerance': 'all',
  'errors.deadletterqueue.topic.name': DLQ.topic,
  'errors.deadletterqueue.topic.replication.factor': '1',
  'append.max.rows': '3',
  'append.linger.ms': '20',
  ...CONVERTER_SETTINGS,
}

export function entryOf(change: Partial<ConnectorEntry> = {}): ConnectorEntry {
  return {
    name: 'c',
    incarnation: 'inc1' as Incarnation,
    version: 1,
    configGeneration: 1,
    config: CONFIG,
    targetState: 'STARTED',
    hasTasks: true,
    restarts: { connector: 0, allTasks: 0, tasks: {} },
    journalId: JOURNAL_ID,
    predecessors: [],
    topicsResetAtMs: 0,
    createdAtMs: 0,
    updatedAtMs: 0,
    ...change,
  }
}

export const controlOf = (...entries: readonly ConnectorEntry[]): ControlState => ({
  connectors: new Map(entries.map(entry => [entry.name, entry])),
  deleted: new Map(),
})

export function assignmentOf(process: Process, change: Partial<PartitionAssignment> = {}): PartitionAssignment {
  return { connector: 'c', incarnation: 'inc1', ...TP, taskId: 0, worker: process.workerId, ...change }
}

/** Services that behave otherwise than the twins do. */
export type ServiceOptions = Partial<
  Pick<ConnectorServices, 'journal' | 'deadLetters' | 'permits' | 'bigQuery' | 'auditLostOffsets'>
> & {
  readonly genesis?: Genesis | null
  /** initial_offsets of incarnations that have some. */
  readonly initialOffsets?: Readonly<Record<string, Genesis['initialOffsets']>>
  readonly tables?: Tables
}

export function servicesIn(world: World, process: Process, options: ServiceOptions = {}): ConnectorServices {
  const { tables = world.bigQuery.tables, initialOffsets = {} } = options
  const genesis: Genesis | null =
    options.genesis === undefined
      ? { journalId: JOURNAL_ID, journalPartitions: 25, partitionsKnown: { [TP.topic]: 1 } }
      : options.genesis
  return {
    journal: options.journal ?? process.journal,
    source: world.topics,
    groupOffsets: world.groupOffsets,
    deadLetters: options.deadLetters ?? process.deadLetters,
    permits: options.permits ?? world.redis.permits,
    ...(options.auditLostOffsets !== undefined && { auditLostOffsets: options.auditLostOffsets }),
    parseConfig: entry => {
      const parse = parseConnectorConfig(entry.config)
      assert(parse.ok, JSON.stringify(parse))
      return parse.config
    },
    converterSettings: entry => entry.config,
    bigQuery: options.bigQuery ?? (async () => ({ tables, streams: process.streams, close: () => {} })),
    genesis: async incarnation => {
      const initial = initialOffsets[incarnation]
      return genesis === null || initial === undefined ? genesis : { ...genesis, initialOffsets: initial }
    },
  }
}

function depsOf(
  world: World,
  process: Process,
  options: ServiceOptions,
): Omit<SupervisorDeps, 'runtimes' | 'onProgress'> {
  const { time, random } = world
  return {
    workerId: process.workerId,
    services: servicesIn(world, process, options),
    budget: process.budget,
    clock: time,
    timers: time,
    random,
    logger: QUIET,
    leaseTtlMs: LEASE_TTL_MS,
    intentBytesMax: 100_000,
    lifetime: process.signal,
    gracefulMs: 5_000,
    autoRestart: { isEnabled: true, backoffMs: 10_000, backoffMaxMs: 600_000 },
  }
}

/** A supervisor of its own, without a worker around it. */
export function superviseIn(
  world: World,
  entry: ConnectorEntry = entryOf(),
  {
    process = world.process(),
    logger = QUIET,
    ...options
  }: ServiceOptions & { readonly process?: Process; readonly logger?: Logger } = {},
): PartitionSupervisor {
  const supervisor = new PartitionSupervisor(entry, assignmentOf(process, { incarnation: entry.incarnation }), {
    ...depsOf(world, process, options),
    logger,
    runtimes: new SharedRuntimes(),
    onProgress: () => {},
  })
  supervisor.start()
  return supervisor
}

export function workerIn(
  world: World,
  process: Process = world.process(),
  offsetFlushMs = 60_000,
  { timers = world.time, ...options }: ServiceOptions & { readonly timers?: Timers } = {},
): Worker {
  return new Worker({ ...depsOf(world, process, options), timers, offsetFlushMs })
}

/** Time passes until the promise is settled. */
export async function whilePassing<T>(world: World, work: Promise<T>): Promise<T> {
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  over.catch(() => {})
  await world.until('the call returns', () => isOver)
  return await over
}

export async function reaches(
  world: World,
  reporter: { report(): PartitionReport },
  state: PartitionReport['state'],
): Promise<PartitionReport> {
  await world.until(`its state is ${state}`, () => reporter.report().state === state, 1_800_000)
  return reporter.report()
}

export async function deliversAll(world: World, reporter: { report(): PartitionReport }): Promise<void> {
  await world.until('everything is delivered', () => reporter.report().nextOffset === world.records.end)
}
