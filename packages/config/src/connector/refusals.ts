// What a configuration may ask for and this version has not built, in one table: refused at create, by name, never half done.
// Deleting an entry is the last step of building the feature. (Classes: SUPPORTED_CONVERTERS, SUPPORTED_TRANSFORMATIONS.)
import type { ConfigError, Values } from '../definition/key.ts'
import type { ConnectorKeys } from './connector-keys.ts'

type Refusal<K extends keyof ConnectorKeys> = {
  /** Values that are fine; everything else is refused. */
  readonly accepted: (value: Values<ConnectorKeys>[K]) => boolean
  readonly reason: string
}
type Refusals = { readonly [K in keyof ConnectorKeys]?: Refusal<K> }

const isFalse = (value: boolean): boolean => !value
const isAbsent = (value: string | null): boolean => value === null

export const REFUSALS: Refusals = {
  'delivery.guarantee': {
    accepted: value => value === 'exactly_once',
    reason: 'only exactly_once is built in this version',
  },
  enableBatchMode: { accepted: isFalse, reason: 'delivery.guarantee=pending is not built in this version' },
  upsertEnabled: { accepted: isFalse, reason: 'delivery.guarantee=upsert is not built in this version' },
  deleteEnabled: { accepted: isFalse, reason: 'delivery.guarantee=upsert_delete is not built in this version' },
  enableBatchLoad: { accepted: topics => topics.length === 0, reason: 'Cloud Storage load jobs are not built' },
  allowNewBigQueryFields: { accepted: isFalse, reason: 'altering tables is not built in this version' },
  allowBigQueryRequiredFieldRelaxation: { accepted: isFalse, reason: 'altering tables is not built in this version' },
  allowSchemaUnionization: { accepted: isFalse, reason: 'altering tables is not built in this version' },
  'schema.inference.enable': { accepted: isFalse, reason: 'schema inference is not built in this version' },
  kafkaKeyFieldName: { accepted: isAbsent, reason: 'key columns are not built in this version' },
  bigQueryPartitionDecorator: {
    accepted: isFalse,
    reason: 'exactly once into table$day is not established; leave it out or set false (rows go to the table itself)',
  },
  bigQueryMessageTimePartitioning: { accepted: isFalse, reason: 'partition decorators are not built in this version' },
  decimalHandlingMode: {
    accepted: mode => mode !== 'RECORD',
    reason: 'decimals as RECORD are not built in this version',
  },
  variableScaleDecimalHandlingMode: {
    accepted: mode => mode === 'RECORD',
    reason: 'Debezium types are not built in this version',
  },
  convertDebeziumVariableScaleDecimal: { accepted: isFalse, reason: 'Debezium types are not built in this version' },
  convertDebeziumTimestampToInteger: { accepted: isFalse, reason: 'Debezium types are not built in this version' },
}

/** A NOT_SUPPORTED error naming the key. */
export const notSupported = (key: string, reason: string): ConfigError => ({
  key,
  code: 'NOT_SUPPORTED',
  message: `Configuration ${key} asks for something not supported: ${reason}.`,
})

export function refusalsOf(values: Partial<Values<ConnectorKeys>>): readonly ConfigError[] {
  return (Object.keys(REFUSALS) as (keyof ConnectorKeys)[]).flatMap(key => refusalOf(key, values))
}

function refusalOf<K extends keyof ConnectorKeys>(
  key: K,
  values: Partial<Values<ConnectorKeys>>,
): readonly ConfigError[] {
  const refusal: Refusal<K> | undefined = REFUSALS[key]
  const value = values[key]
  if (!refusal || value === undefined) return []
  return refusal.accepted(value) ? [] : [notSupported(key, refusal.reason)]
}
