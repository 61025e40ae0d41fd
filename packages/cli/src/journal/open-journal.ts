// Config topic and journal as they stand in Kafka, for looking at: nothing is created, nothing is written, no worker is needed.
import type { WorkerConfig } from '@millrace/config'
import { type ControlState, controlStateOf, EMPTY_CONFIG_LOG, foldConfigLog, MillraceError } from '@millrace/core'
import { Cluster, clientSettings, KafkaCompactedLog, KafkaJournalLog, TopicAdmin } from '@millrace/kafka'
import { propertiesOf, type System } from '../worker/kafka-side.ts'

export type OpenJournal = { readonly control: ControlState; readonly journal: KafkaJournalLog }

/** Gives up when no broker answers for so long. */
const REACHABLE_MS = 10_000
const CLOSE_MS = 3_000

/** Both topics read to their ends. Rejects KAFKA_TOPIC_MISSING or KAFKA_UNREACHABLE naming what is missing. */
export async function openJournal(
  config: WorkerConfig,
  { clock, timers, random, logger }: System,
  stack: AsyncDisposableStack,
  { signal }: { signal: AbortSignal },
): Promise<OpenJournal> {
  const settings = clientSettings(propertiesOf('consumer', config), 'consumer', { clock, fetch })
  const cluster = new Cluster(settings, { clock, timers, random, log: logger })
  stack.defer(() => cluster.close())
  await cluster.retrying(() => cluster.clusterId({ signal }), { signal, deadlineMs: REACHABLE_MS })
  const partitionsOf = async (topic: string, key: string): Promise<number> => {
    const found = await new TopicAdmin(cluster).describe(topic, { signal })
    if (found !== null) return found.partitions.length
    throw new MillraceError(
      'KAFKA_TOPIC_MISSING',
      'failPartition',
      `Topic ${topic} (${key}) does not exist: no worker of this group has ever run on this Kafka cluster.`,
    )
  }
  await partitionsOf(config.configTopic.name, 'config.storage.topic')
  const partitions = await partitionsOf(config.journalTopic.name, 'journal.storage.topic')
  const log = await KafkaCompactedLog.open(cluster, { topic: config.configTopic.name }, { signal })
  stack.defer(() => log.close({ signal: AbortSignal.timeout(CLOSE_MS) }))
  const control = controlStateOf(foldConfigLog(EMPTY_CONFIG_LOG, await log.readToEnd({ signal })))
  const journal = await KafkaJournalLog.open(cluster, { topic: config.journalTopic.name, partitions }, { signal })
  stack.defer(() => journal.close({ signal: AbortSignal.timeout(CLOSE_MS) }))
  return { control, journal }
}
