// One worker process, put together: the only place that knows every adapter. Closing runs in reverse of opening.
import { createRequire } from 'node:module'
import { hostname as machineName } from 'node:os'
import { connectorConfigs, startApi } from '@millrace/api'
import { openBigQuery } from '@millrace/bigquery'
import { configRefused, parseConnectorConfig, resolvedConfig, type WorkerConfig } from '@millrace/config'
import { Coordinator, Ownership } from '@millrace/coordinator'
import type { ConnectorEntry, Member, PartitionReport, WorkerId, WorkerReport } from '@millrace/core'
import {
  RedisAssignmentBoard,
  RedisConnection,
  RedisLeadership,
  RedisLeases,
  RedisMembership,
  RedisStatusBoard,
  RedisStreamPermits,
} from '@millrace/redis'
import { ByteBudget, type ConnectorServices, Worker } from '@millrace/worker'
import { AuditLog } from './audit-log.ts'
import { beginIncarnation } from './begin-incarnation.ts'
import { BigQuerySide } from './bigquery-side.ts'
import { ClusterLoggers } from './cluster-loggers.ts'
import { ConnectorNotices } from './connector-notices.ts'
import { HealthMonitor } from './health-monitor.ts'
import { fetchBudgetBytes, openKafkaSide, type System } from './kafka-side.ts'
import type { Log } from './log.ts'
import { journalOffsets } from './offsets.ts'
import { PlaceholderWatch } from './placeholder-watch.ts'
import type { Redactor } from './redactor.ts'
import { RestSide } from './rest-side.ts'
import { SourceCatalog } from './source-catalog.ts'
import { StatusPublisher } from './status-publisher.ts'
import { systemClock, systemRandom, systemTimers } from './system.ts'
import { giveVerdict } from './verdicts.ts'
import { verification } from './verification.ts'
import { WorkerHealth } from './worker-health.ts'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
/** An Intent stays well below the broker's default message.max.bytes of 1 MiB. */
const INTENT_BYTES_MAX = 512 * 1024

/** What a worker reaches Kafka and BigQuery by; the chaos harness puts crash sites around the real ones. */
export type Adapters = { readonly openKafkaSide: typeof openKafkaSide; readonly openBigQuery: typeof openBigQuery }
export const ADAPTERS: Adapters = { openKafkaSide, openBigQuery }

export type RunWorkerOptions = {
  readonly signal: AbortSignal
  readonly redactor: Redactor
  readonly onReady: (url: string) => void
  readonly adapters?: Adapters
}

/** Resolves after an orderly shutdown; rejects with what keeps the worker from running. */
export async function runWorker(
  config: WorkerConfig,
  log: Log,
  { signal, redactor, onReady, adapters = ADAPTERS }: RunWorkerOptions,
): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const lifetime = new AbortController()
  stack.defer(() => lifetime.abort(signal.reason))
  const { logger } = log
  const system: System = { clock: systemClock, timers: systemTimers, random: systemRandom, logger }
  const workerId = systemRandom.nextId() as WorkerId
  const startedAtMs = systemClock.nowMs()
  const rest = new RestSide(config.rest, system) // before waiting for Redis and Kafka

  const redis = stack.use(
    await RedisConnection.open({ ...config.redis, leaseTtlMs: config.leaseTtlMs, name: 'millrace' }, systemClock, {
      signal,
    }),
  )
  const kafka = await adapters.openKafkaSide(config, system, stack, { signal })
  const bigQuery = stack.use(new BigQuerySide(config, system, adapters.openBigQuery))

  const { burst, maxPerSec, maxPerHour } = config.streamCreate
  const permits = new RedisStreamPermits(redis, system, {
    burst,
    permitsPerSecMax: maxPerSec,
    permitsPerHourMax: maxPerHour,
  })
  const board = new RedisAssignmentBoard(redis)
  const status = new RedisStatusBoard(redis)
  const leases = new RedisLeases(redis, systemRandom)
  const notices = new ConnectorNotices(logger)
  const placeholders = new PlaceholderWatch(config.connectorContext)

  const audit = new AuditLog(kafka.auditTopic, logger, { signal: lifetime.signal })

  const services: ConnectorServices = {
    journal: kafka.journal,
    source: kafka.source,
    groupOffsets: kafka.groupOffsets,
    deadLetters: kafka.deadLetters,
    permits,
    auditLostOffsets: (record, options) => audit.keepLostOffsets(record, options),
    parseConfig: entry => {
      const parse = parseConnectorConfig(entry.config, config.connectorContext)
      if (!parse.ok) throw configRefused(parse.errors)
      notices.tell(entry, parse.notices)
      placeholders.note(entry)
      return parse.config
    },
    converterSettings: entry => converterSettings(entry, config),
    bigQuery: connector => bigQuery.servicesFor(connector),
    genesis: (incarnation, options) => kafka.journal.readGenesis(incarnation, options),
  }
  const worker = new Worker({
    workerId,
    services,
    budget: new ByteBudget(config.memoryBudgetBytes - fetchBudgetBytes(config)),
    ...system,
    leaseTtlMs: config.leaseTtlMs,
    intentBytesMax: INTENT_BYTES_MAX,
    lifetime: lifetime.signal,
    gracefulMs: config.shutdownTimeoutMs,
    autoRestart: config.autoRestart,
    offsetFlushMs: config.offsetFlushIntervalMs,
  })

  const catalog = new SourceCatalog({ configStore: kafka.configStore, topics: kafka.catalog }, config, system)
  const advertised = { current: '' }
  const report = (): WorkerReport => ({
    worker: workerId,
    advertised: advertised.current,
    pid: process.pid,
    version,
    startedAtMs,
    publishedAtMs: systemClock.nowMs(),
    rssBytes: residentBytes(),
    takeovers: worker.takeovers,
    partitions: worker.reports().map(partition => withoutSecrets(partition, redactor)),
    connectorFailures: [],
    troubles: health.troubles(),
  })
  const reports = new StatusPublisher({ board: status, assignments: board }, system, config.leaseTtlMs, report)
  const health = new WorkerHealth(
    {
      kafka: [() => kafka.journal.trouble, () => kafka.configLog.trouble],
      redisAwaySinceMs: () => reports.awaySinceMs,
    },
    config.leaseTtlMs,
    () => systemClock.nowMs(),
  )
  const loggers = new ClusterLoggers(log.levels, new RedisStatusBoard(redis, 'loggers'), system)
  const monitor = new HealthMonitor(
    { configStore: kafka.configStore, cluster: reports, self: workerId },
    system,
    config.stallDetectionMs,
  )

  const thisWorker = {
    worker: workerId,
    get advertised() {
      return advertised.current
    },
    pid: process.pid,
    version,
    commit: process.env['MILLRACE_COMMIT'] ?? 'unknown',
  }
  const offsets = journalOffsets({
    workerId,
    configStore: kafka.configStore,
    services,
    leases,
    partitionsOf: (entry, options) => catalog.partitionsOf(entry, options),
    partitionsNow: entry => catalog.partitionsNow(entry),
    knownPartitions: entry => kafka.journal.partitionsOf(entry.incarnation),
    reports: () => reports.reports({ signal: lifetime.signal }),
    ...system,
  })
  const api = await startApi(
    {
      configStore: kafka.configStore,
      cluster: reports,
      configs: connectorConfigs(version, config.connectorContext),
      offsets,
      verification: verification(
        {
          kafka,
          bigQuery,
          services,
          positions: (entry, options) => offsets.get(entry, options),
          reports: options => reports.reports(options),
          board: new RedisStatusBoard(redis, 'verify'),
        },
        system,
      ),
      loggers,
      giveVerdict: (entry, verdict, options) => giveVerdict(kafka.journal, entry, verdict, options),
      worker: thisWorker,
      clusterId: options => kafka.cluster.clusterId(options),
      health: async () => health.health(),
      watch: monitor,
      topicTracking: config.topicTracking,
      audit,
      beginIncarnation: (connector, incarnation, options) =>
        beginIncarnation(connector, incarnation, { ...kafka, catalog, random: systemRandom, config }, options),
      ...system,
    },
    rest.listenOptions,
  )
  stack.defer(() => api.close())
  advertised.current = advertisedAddress(config, api.url)

  const member: Member = { workerId, advertised: advertised.current, startedAtMs }
  const coordinator: Coordinator = new Coordinator(
    {
      membership: new RedisMembership(redis),
      leadership: new RedisLeadership(redis),
      board,
      status,
      leases,
      catalog,
      clock: systemClock,
      timers: systemTimers,
      log: logger,
      onPublished: () => ownership.nudge(),
    },
    { member, ttlMs: config.leaseTtlMs, heartbeatMs: config.leaseRenewalMs, rebalanceDelayMs: config.rebalanceDelayMs },
  )
  const ownership: Ownership = new Ownership(
    {
      board,
      leases,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      log: logger,
      election: () => coordinator.election,
    },
    { workerId, ttlMs: config.leaseTtlMs, heartbeatMs: config.leaseRenewalMs },
    worker,
  )
  stack.use(ownership)

  await catalog.look({ signal })
  const running = Promise.all([
    followControl(),
    catalog.run(() => coordinator.nudge(), { signal: lifetime.signal }),
    reports.run({ signal: lifetime.signal }),
    monitor.run({ signal: lifetime.signal }),
    loggers.run({ signal: lifetime.signal }),
    worker.run({ signal: lifetime.signal }),
    coordinator.run({ signal: lifetime.signal }),
    ownership.run({ signal: lifetime.signal }),
    rest.run(api, { signal: lifetime.signal }),
    watchPlaceholders(),
  ])
  health.ready()
  logger.info({ worker: workerId, rest: api.urls }, 'Worker is ready.')
  onReady(api.url)

  try {
    await Promise.race([running, aborted(signal)])
  } finally {
    await shutDown()
  }

  async function watchPlaceholders(): Promise<void> {
    const lookEveryMs = config.providersLookEveryMs
    if (lookEveryMs === null) return
    const isRunning = (name: string, incarnation: string): boolean => worker.isRunning(name, incarnation)
    const restart = (name: string): void => worker.restart(name)
    await placeholders.run({ ...system, lookEveryMs, isRunning, restart }, { signal: lifetime.signal })
  }

  async function followControl(): Promise<void> {
    for await (const control of kafka.configStore.changes({ signal: lifetime.signal })) {
      worker.setControl(control)
      coordinator.nudge()
      catalog.nudge()
    }
  }

  /** Tells the cluster first, so that partitions are taken over while they drain; then lets go of them in order. */
  async function shutDown(): Promise<void> {
    logger.info({}, 'Worker is shutting down.')
    const grace = AbortSignal.timeout(config.shutdownTimeoutMs)
    await coordinator.leave().catch(error => logger.warn({ err: error }, 'The cluster was not told.'))
    await ownership
      .letGoAll({ signal: grace })
      .catch(() => logger.warn({}, 'Not everything drained in time; the next owners recover it.'))
    await worker.publishOffsets({ signal: grace })
    await audit.flush({ signal: grace })
    lifetime.abort(signal.reason)
    await running.catch(() => {})
  }
}

/** Traces hold what libraries say, and those know no secrets. */
function withoutSecrets(partition: PartitionReport, redactor: Redactor): PartitionReport {
  const { trace, waiting, failure, pastFailures } = partition
  if ((trace ?? waiting ?? failure ?? pastFailures) === undefined) return partition
  return {
    ...partition,
    ...(trace !== undefined && { trace: redactor.text(trace) }),
    ...(waiting !== undefined && { waiting: { ...waiting, message: redactor.text(waiting.message) } }),
    ...(failure !== undefined && { failure: { ...failure, message: redactor.text(failure.message) } }),
    ...(pastFailures !== undefined && {
      pastFailures: pastFailures.map(each => ({ ...each, message: redactor.text(each.message) })),
    }),
  }
}

/** `rest.advertised.*`, else where we listen; "every address" is none, so the name of the machine then. */
function advertisedAddress({ advertised }: WorkerConfig, url: string): string {
  const { hostname, port } = new URL(url)
  const own = hostname === '0.0.0.0' || hostname === '[::]' ? machineName() : hostname
  return `${advertised.hostName ?? own}:${advertised.port ?? port}`
}

/** A connector's own converter keys over the worker's. */
function converterSettings(entry: ConnectorEntry, config: WorkerConfig): Readonly<Record<string, string>> {
  const value = config.connectorContext.converters?.value
  const inherited: Record<string, string> = {}
  if (value !== undefined && entry.config['value.converter'] === undefined) {
    inherited['value.converter'] = value.className
    for (const [option, setting] of Object.entries(value.options))
      inherited[`value.converter.${option}`] = String(setting)
  }
  return { ...inherited, ...resolvedConfig(entry.config, config.connectorContext) }
}

let lastResidentBytes = 0
/** It is read from a file: without a descriptor left, the last known size is told rather than nothing at all. */
function residentBytes(): number {
  try {
    lastResidentBytes = process.memoryUsage.rss()
  } catch {}
  return lastResidentBytes
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
