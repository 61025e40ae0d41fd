// Everything the worker needs of Kafka, opened in order: topics checked first, then journal and config log read to their ends.
import type { ClientProperties, ClientRole, WorkerConfig } from '@millrace/config'
import type { Clock, Logger, Random, Timers } from '@millrace/core'
import { ConfigWriter, isMillraceError, MillraceError } from '@millrace/core'
import {
  Cluster,
  clientSettings,
  Fetcher,
  JOURNAL_TOPIC_CONFIGS,
  KafkaAuditTopic,
  KafkaCompactedLog,
  KafkaDeadLetters,
  KafkaGroupOffsets,
  KafkaJournalLog,
  KafkaTopicCatalog,
  TopicAdmin,
} from '@millrace/kafka'

export type System = {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
}

export type KafkaSide = {
  readonly cluster: Cluster
  readonly consumer: Cluster
  readonly journal: KafkaJournalLog
  readonly configLog: KafkaCompactedLog
  /** null: audit.topic is disabled. */
  readonly auditTopic: KafkaAuditTopic | null
  readonly configStore: ConfigWriter
  readonly source: Fetcher
  readonly groupOffsets: KafkaGroupOffsets
  readonly deadLetters: KafkaDeadLetters
  readonly catalog: KafkaTopicCatalog
}

/** A worker that finds no broker for so long says so and ends, rather than wait in silence. */
const REACHABLE_MS = 10_000
/** How long closing may wait for produces in flight. */
const CLOSE_MS = 3_000

const TOPIC_CODES: ReadonlySet<string> = new Set([
  'KAFKA_REQUEST_FAILED',
  'KAFKA_TOPIC_MISSING',
  'JOURNAL_TOPIC_UNSAFE',
])

/** Half of the worker's budget buffers fetched bytes, the other half batches on their way. */
export const fetchBudgetBytes = (config: WorkerConfig): number => Math.floor(config.memoryBudgetBytes / 2)

export async function openKafkaSide(
  config: WorkerConfig,
  { clock, timers, random, logger }: System,
  stack: AsyncDisposableStack,
  { signal }: { signal: AbortSignal },
): Promise<KafkaSide> {
  const deps = { clock, timers, random, log: logger }
  const clusterFor = (role: ClientRole): Cluster => {
    const cluster = new Cluster(clientSettings(propertiesOf(role, config), role, { clock, fetch }), deps)
    stack.defer(() => cluster.close())
    return cluster
  }
  const [consumer, producer, admin] = [clusterFor('consumer'), clusterFor('producer'), clusterFor('admin')]
  const reachable = { signal, deadlineMs: REACHABLE_MS }
  // Each may log in as somebody else: a wrong one is told now and not by every partition that will need it.
  await Promise.all(
    [consumer, producer, admin].map(cluster => cluster.retrying(() => cluster.clusterId({ signal }), reachable)),
  )
  const topics = new TopicAdmin(admin)
  const { configTopic, journalTopic } = config
  await namingKeys('journal.storage', ['topic', 'partitions', 'replication.factor'], () =>
    topics.ensureCompactedTopic(
      journalTopic.name,
      {
        partitions: journalTopic.partitions,
        replicationFactor: journalTopic.replicationFactor,
        configs: JOURNAL_TOPIC_CONFIGS,
      },
      { signal },
    ),
  )
  await namingKeys('config.storage', ['topic', 'replication.factor'], () =>
    topics.ensureCompactedTopic(
      configTopic.name,
      { partitions: 1, replicationFactor: configTopic.replicationFactor, configs: {} },
      { signal },
    ),
  )
  const journal = await KafkaJournalLog.open(
    producer,
    { topic: journalTopic.name, partitions: journalTopic.partitions },
    { signal },
  )
  stack.defer(() => journal.close({ signal: AbortSignal.timeout(CLOSE_MS) }))
  const log = await KafkaCompactedLog.open(producer, { topic: configTopic.name }, { signal })
  stack.defer(() => log.close({ signal: AbortSignal.timeout(CLOSE_MS) }))
  const configStore = stack.use(await ConfigWriter.open({ log, clock, timers, random, logger }, { signal }))
  const source = stack.use(new Fetcher(consumer, { totalBudgetBytes: fetchBudgetBytes(config) }))
  const auditTopic =
    config.auditTopic === null
      ? null
      : new KafkaAuditTopic(producer, admin, {
          topic: config.auditTopic,
          replicationFactor: configTopic.replicationFactor,
        })
  stack.defer(() => auditTopic?.close({ signal: AbortSignal.timeout(CLOSE_MS) }))
  const deadLetters = new KafkaDeadLetters(producer, admin)
  stack.defer(() => deadLetters.close({ signal: AbortSignal.timeout(CLOSE_MS) }))
  return {
    cluster: admin,
    consumer,
    journal,
    configLog: log,
    auditTopic,
    configStore,
    source,
    groupOffsets: new KafkaGroupOffsets(consumer),
    deadLetters,
    catalog: new KafkaTopicCatalog(admin),
  }
}

/** What a role sets for itself goes by its full name again, so that errors name the key the user wrote. */
export function propertiesOf(role: ClientRole, { kafkaClients }: WorkerConfig): ClientProperties {
  const { common, [role]: effective } = kafkaClients
  const own = Object.entries(effective).filter(([key, value]) => value !== common[key])
  return { ...common, ...Object.fromEntries(own.map(([key, value]) => [`${role}.${key}`, value])) }
}

/** A topic that cannot be made or used as configured is said with the keys that configure it. */
async function namingKeys(prefix: string, keys: readonly string[], ensure: () => Promise<void>): Promise<void> {
  try {
    await ensure()
  } catch (error) {
    if (!isMillraceError(error) || !TOPIC_CODES.has(error.code)) throw error
    const message = `${error.message} Keys: ${keys.map(key => `${prefix}.${key}`).join(', ')}.`
    throw new MillraceError(error.code, error.disposition, message, { details: error.details, cause: error })
  }
}
