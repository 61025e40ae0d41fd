// The one connector of a simulated world: its config in a few variants, and its entry in the control state.
import type { ConnectorEntry, Genesis, Incarnation, RawConfig } from '@millrace/core'
import { DLQ_TOPIC, TOPIC } from './stores.ts'

export const CONNECTOR = 'c'
export const FIRST_INCARNATION = 'inc1' as Incarnation
const JOURNAL_ID = 'journal1'

export type ConfigVariant = {
  readonly batchRows: number
  /** Whether records with the header `skip` are dropped. */
  readonly filters: boolean
  /** `none`: a record that does not convert fails the partition. */
  readonly tolerance: 'all' | 'none'
  readonly skipsLost: boolean
}

/** One object per variant: parsed configs are found by it, run after run. At most 40. */
const CONFIGS = new Map<string, RawConfig>()

export function configOf(variant: ConfigVariant): RawConfig {
  const name = JSON.stringify(variant)
  const known = CONFIGS.get(name)
  if (known !== undefined) return known
  const config = newConfig(variant)
  CONFIGS.set(name, config)
  return config
}

const newConfig = ({ batchRows, filters, tolerance, skipsLost }: ConfigVariant): RawConfig => ({
  name: CONNECTOR,
  'connector.class': 'io.millrace.bigquery.BigQuerySinkConnector',
  topics: TOPIC,
  project: 'p',
  defaultDataset: 'd',
  'errors.tolerance': tolerance,
  'offset.lost.policy': skipsLost ? 'skip' : 'fail',
  'errors.deadletterqueue.topic.name': DLQ_TOPIC,
  'errors.deadletterqueue.topic.replication.factor': '1',
  'append.max.rows': String(batchRows),
  'append.max.bytes': '10000',
  'append.linger.ms': '20',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  ...(filters && {
    transforms: 'drop',
    'transforms.drop.type': 'org.apache.kafka.connect.transforms.Filter',
    'transforms.drop.predicate': 'skip',
    predicates: 'skip',
    'predicates.skip.type': 'org.apache.kafka.connect.transforms.predicates.HasHeaderKey',
    'predicates.skip.name': 'skip',
  }),
})

export const entryOf = (variant: ConfigVariant, configGeneration = 1): ConnectorEntry => ({
  name: CONNECTOR,
  incarnation: FIRST_INCARNATION,
  version: configGeneration,
  configGeneration,
  config: configOf(variant),
  targetState: 'STARTED',
  hasTasks: true,
  restarts: { connector: 0, allTasks: 0, tasks: {} },
  journalId: JOURNAL_ID,
  predecessors: [],
  topicsResetAtMs: 0,
  createdAtMs: 0,
  updatedAtMs: 0,
})

export const genesisOf = (partitionCount: number): Genesis => ({
  journalId: JOURNAL_ID,
  journalPartitions: 25,
  partitionsKnown: { [TOPIC]: partitionCount },
})
