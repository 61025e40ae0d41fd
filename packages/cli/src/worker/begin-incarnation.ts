// What stands in the journal before a connector is seen by anybody: its Genesis, with where the create request lets it start.
import type { PositionChange } from '@millrace/api'
import type { WorkerConfig } from '@millrace/config'
import {
  formatTopicPartition,
  type GenesisLog,
  type Incarnation,
  type Random,
  type RawConfig,
  type RecordSource,
} from '@millrace/core'
import { assertHeld } from './offsets.ts'
import type { SourceCatalog } from './source-catalog.ts'

export type BeginningDeps = {
  readonly journal: GenesisLog
  readonly source: RecordSource
  readonly catalog: SourceCatalog
  readonly random: Random
  readonly config: WorkerConfig
}

/** Answers the journal's id. Rejects POSITION_REFUSED when `initialOffsets` name what the connector does not read. */
export async function beginIncarnation(
  config: RawConfig,
  incarnation: Incarnation,
  { journal, source, catalog, random, config: worker }: BeginningDeps,
  { initialOffsets, signal }: { readonly initialOffsets?: readonly PositionChange[]; readonly signal: AbortSignal },
): Promise<string> {
  const partitionsKnown = await catalog.partitionsOf({ config }, { signal })
  if (initialOffsets !== undefined) {
    const partitionsOf = async () => partitionsKnown
    await assertHeld(
      { name: config['name'] ?? '', config },
      initialOffsets,
      { services: { source }, partitionsOf },
      { signal },
    )
  }
  const initial = initialOffsets?.map(({ tp, nextKafkaOffset }) => [formatTopicPartition(tp), nextKafkaOffset] as const)
  const journalId = random.nextId()
  await journal.writeGenesis(incarnation, {
    journalId,
    journalPartitions: worker.journalTopic.partitions,
    partitionsKnown,
    ...(initial !== undefined && { initialOffsets: Object.fromEntries(initial) }),
  })
  return journalId
}
