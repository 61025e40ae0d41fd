// Comparing a connector with its topics and tables, with what this worker has: a fetcher of its own, so that the partitions that run
// keep their budget, and the connector's own BigQuery.
import type { ConnectorVerification } from '@millrace/api'
import type { ConnectorConfig } from '@millrace/config'
import {
  type ConnectorEntry,
  type DeadLetterQueue,
  formatTopicPartition,
  type KafkaOffset,
  type StatusBoard,
  type VerifyReceipt,
  type WorkerReport,
} from '@millrace/core'
import { Fetcher, TopicAdmin } from '@millrace/kafka'
import { type ConnectorServices, type VerifyDeps, verifyConnector } from '@millrace/worker'
import type { BigQuerySide } from './bigquery-side.ts'
import type { KafkaSide, System } from './kafka-side.ts'

/** What a comparison may buffer of a topic. */
const FETCH_BUDGET_BYTES = 8 * 1024 * 1024

export type VerificationDeps = {
  readonly kafka: Pick<KafkaSide, 'journal' | 'groupOffsets' | 'deadLetters' | 'cluster' | 'consumer'>
  readonly bigQuery: BigQuerySide
  readonly services: Pick<ConnectorServices, 'parseConfig' | 'converterSettings' | 'genesis'>
  positions: (entry: ConnectorEntry, options: { signal: AbortSignal }) => ReturnType<VerifyDeps['positions']>
  reports(options: { signal: AbortSignal }): Promise<readonly WorkerReport[]>
  readonly board: StatusBoard
}

export function verification(deps: VerificationDeps, { timers }: System): ConnectorVerification {
  return {
    board: deps.board,
    verify: async (entry, { onProgress, signal }): Promise<VerifyReceipt> => {
      const { kafka, services } = deps
      const config = services.parseConfig(entry)
      await using stack = new AsyncDisposableStack()
      const bigQuery = await deps.bigQuery.servicesFor(config)
      stack.defer(() => bigQuery.close())
      const source = stack.use(new Fetcher(kafka.consumer, { totalBudgetBytes: FETCH_BUDGET_BYTES }))
      const genesis = await services.genesis(entry.incarnation, { signal })
      const inDoubt = await partitionsInDoubt(entry, deps, signal)
      return await verifyConnector(
        {
          entry,
          config,
          settings: services.converterSettings(entry),
          queue: queueOf(entry, config),
          starts: startsOf(genesis?.initialOffsets),
          onProgress,
        },
        {
          journal: kafka.journal,
          source,
          groupOffsets: kafka.groupOffsets,
          deadLetters: kafka.deadLetters,
          tables: bigQuery.tables,
          origins: bigQuery.rowOrigins(config.project),
          positions: options => deps.positions(entry, options),
          isCompacted: async (topic, options) =>
            (await new TopicAdmin(kafka.cluster).configs(topic, options)).get('cleanup.policy')?.includes('compact') ??
            false,
          isInDoubt: tp => inDoubt.has(formatTopicPartition(tp)),
          timers,
        },
        { signal },
      )
    },
  }
}

/** Without Redis nobody knows; the comparison goes on. */
async function partitionsInDoubt(
  entry: ConnectorEntry,
  deps: VerificationDeps,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const reports = await deps.reports({ signal }).catch(() => [])
  const partitions = reports.flatMap(report => report.partitions)
  return new Set(
    partitions
      .filter(each => each.incarnation === entry.incarnation)
      .filter(each => each.state === 'IN_DOUBT' || each.failure?.code === 'IN_DOUBT')
      .map(formatTopicPartition),
  )
}

function queueOf({ name }: ConnectorEntry, { errors }: ConnectorConfig): DeadLetterQueue | null {
  const { deadLetterQueue: dlq } = errors
  return dlq === null ? null : { ...dlq, connector: name, taskId: 0 }
}

function startsOf(initial: Readonly<Record<string, KafkaOffset | null>> = {}): ReadonlyMap<string, KafkaOffset> {
  return new Map(
    Object.entries(initial).flatMap(([name, offset]) => (offset === null ? [] : [[name, offset] as const])),
  )
}
