// What all partitions of one connector generation share on this worker: its config, BigQuery, destination, dead letter queue.

import type { ConnectorConfig } from '@millrace/config'
import {
  type ConnectorEntry,
  type DeadLetterQueue,
  type DeadLetters,
  type Genesis,
  type GroupOffsets,
  type Incarnation,
  type JournalLog,
  MillraceError,
  type RecordSource,
  type StreamPermits,
  type Tables,
  type WriteStreams,
} from '@millrace/core'
import type { ErrorPolicy } from './batch-builder.ts'
import { ConnectorDestination } from './connector-destination.ts'
import type { Destination } from './destination.ts'
import type { LostOffsetsAudit } from './lost-offsets.ts'

export type BigQueryServices = {
  readonly tables: Tables
  readonly streams: WriteStreams
  /** Not used any more: what nobody uses is closed, and its tokens forgotten. */
  close(): void
}

export type ConnectorServices = {
  readonly journal: JournalLog
  readonly source: RecordSource
  readonly groupOffsets: GroupOffsets
  readonly deadLetters: DeadLetters
  readonly permits: StreamPermits
  /** Absent: what was lost stands in the log and the journal alone. */
  readonly auditLostOffsets?: LostOffsetsAudit
  /** Parses the stored config on this worker; throws CONFIG_INVALID naming the keys. */
  parseConfig(entry: ConnectorEntry): ConnectorConfig
  /** The connector's settings with the worker's converter defaults under them. */
  converterSettings(entry: ConnectorEntry): Readonly<Record<string, string>>
  /** BigQuery with the credentials of this config; shared by who has the same. */
  bigQuery(config: ConnectorConfig, options: { signal: AbortSignal }): Promise<BigQueryServices>
  /** null: the journal never knew the incarnation. */
  genesis(incarnation: Incarnation, options: { signal: AbortSignal }): Promise<Genesis | null>
}

export type ConnectorRuntime = {
  readonly entry: ConnectorEntry
  readonly config: ConnectorConfig
  readonly genesis: Genesis
  readonly bigQuery: BigQueryServices
  readonly destination: Destination
  readonly policy: ErrorPolicy
  queueFor(taskId: number): DeadLetterQueue | null
  /** Nothing of it is used any more. */
  close(): void
}

/** Rejects with the reason why the connector cannot run at all on this worker; disposition retry is asked again. */
export async function openConnector(
  entry: ConnectorEntry,
  services: ConnectorServices,
  { signal }: { signal: AbortSignal },
): Promise<ConnectorRuntime> {
  const config = services.parseConfig(entry)
  const genesis = await services.genesis(entry.incarnation, { signal })
  if (genesis === null || genesis.journalId !== entry.journalId)
    throw new MillraceError(
      'JOURNAL_LOST',
      'failPartition',
      `Connector ${entry.name} has no Genesis in this journal: its history is lost or belongs to another journal.`,
    )
  const bigQuery = await services.bigQuery(config, { signal })
  const queueFor = (taskId: number): DeadLetterQueue | null => {
    const dlq = config.errors.deadLetterQueue
    if (dlq === null) return null
    const { topic, replicationFactor, contextHeaders } = dlq
    return { topic, connector: entry.name, taskId, contextHeaders, replicationFactor }
  }
  const queue = queueFor(0)
  try {
    if (queue !== null) await services.deadLetters.ensureTopic(queue, { signal })
  } catch (error) {
    bigQuery.close()
    throw error
  }
  return {
    entry,
    config,
    genesis,
    bigQuery,
    destination: new ConnectorDestination(config, services.converterSettings(entry), bigQuery.tables),
    policy: config.errors.tolerance === 'none' ? 'fail' : queue === null ? 'drop' : 'deadLetter',
    queueFor,
    close: () => bigQuery.close(),
  }
}
