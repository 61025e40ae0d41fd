// A connector's configuration as the runtime uses it: typed, deep-frozen, nothing left to look up by name.
import type { Secret, TableName, TableSpec } from '@millrace/core'
import { deepFreeze } from '../definition/freeze.ts'
import type { ConfigError, ConfigNotice, RawConfig, Values } from '../definition/key.ts'
import { parseKeys } from '../definition/parse-keys.ts'
import { NO_PROVIDERS } from '../providers/config-provider.ts'
import { hasPlaceholder, resolvePlaceholders } from '../providers/placeholders.ts'
import { compileRegex } from '../regex/compile.ts'
import { type FilterTransform, filtersOf } from './chain.ts'
import { CONNECTOR_KEYS, type ConnectorKeys } from './connector-keys.ts'
import { type JsonConverterOptions, jsonOptions } from './converter-settings.ts'
import { consumerGroup } from './cross-checks.ts'
import { type ConnectorContext, type Inspection, inspectConnector } from './inspect.ts'
import { parseTopicTables, sanitizeName, tableOfTopic } from './topic-tables.ts'

export type TopicSelection =
  | { readonly kind: 'list'; readonly topics: readonly string[]; readonly matches: (topic: string) => boolean }
  | { readonly kind: 'regex'; readonly source: string; readonly matches: (topic: string) => boolean }

export type CredentialSource =
  | { readonly kind: 'applicationDefault' }
  | { readonly kind: 'keyFile'; readonly path: string }
  | { readonly kind: 'keyJson'; readonly json: Secret }

export type DeadLetterConfig = {
  readonly topic: string
  readonly replicationFactor: number
  readonly contextHeaders: boolean
}

export type ConnectorConfig = {
  readonly name: string
  readonly tasksMax: number | 'auto'
  readonly topics: TopicSelection
  readonly deliveryGuarantee: 'exactly_once'
  readonly project: string
  readonly defaultDataset: string
  readonly credentials: CredentialSource
  readonly useCredentialsProjectId: boolean
  /** Destination of a topic; throws CONFIG_INVALID (failPartition) when its name makes no legal table name. */
  readonly tableFor: (topic: string) => TableName
  /** Column of a top-level or nested field. */
  readonly columnFor: (field: string) => string
  readonly sanitizeFieldNames: boolean
  readonly autoCreateTables: boolean
  readonly allBQFieldsNullable: boolean
  readonly ignoreUnknownFields: boolean
  /** Column that says which record a row came from. */
  readonly kafkaDataFieldName: string | null
  readonly decimalHandlingMode: 'FLOAT' | 'NUMERIC' | 'BIGNUMERIC'
  /** For tables that are created: spread into the TableSpec. */
  readonly tableLayout: Pick<TableSpec, 'timePartitioning' | 'clustering'>
  readonly append: { readonly maxBytes: number; readonly maxRows: number; readonly lingerMs: number }
  /** For records that were deleted from a topic before they were delivered. */
  readonly offsetLostPolicy: 'fail' | 'skip'
  readonly bigQueryRetry: { readonly count: number; readonly waitMs: number }
  readonly errors: {
    /** `all`: what cannot be written goes to the dead letter queue, or is skipped when that is null. */
    readonly tolerance: 'none' | 'all'
    readonly logEnable: boolean
    readonly logIncludeMessages: boolean
    readonly retryTimeoutMs: number
    readonly retryDelayMaxMs: number
    /** Used with tolerance all only: unlike Connect's, a record that fails its partition is no dead letter, since it may be a row later. */
    readonly deadLetterQueue: DeadLetterConfig | null
  }
  readonly valueConverter: JsonConverterOptions
  /** Applied in order. */
  readonly transforms: readonly FilterTransform[]
  readonly consumer: { readonly groupId: string; readonly autoOffsetReset: 'earliest' | 'latest' }
  /** As written, unknown keys included. May hold secrets: never logged. */
  readonly raw: RawConfig
}

export type ConnectorParse =
  | { readonly ok: true; readonly config: ConnectorConfig; readonly notices: readonly ConfigNotice[] }
  | { readonly ok: false; readonly errors: readonly ConfigError[]; readonly notices: readonly ConfigNotice[] }

/** Parses a connector's configuration on a worker. All errors are reported at once; none of their texts holds a secret. */
export function parseConnectorConfig(raw: RawConfig, context: ConnectorContext = {}): ConnectorParse {
  const inspection = inspectConnector(raw, context)
  const { errors, notices } = inspection
  if (errors.length > 0) return { ok: false, errors, notices }
  return { ok: true, config: deepFreeze(build(raw, inspection, context)), notices }
}

/**
 * Which topics a connector reads; null when it cannot run. Whoever assigns partitions need not be able to read its secrets:
 * of a configuration with placeholders only the topics themselves are resolved.
 */
export function selectTopics(raw: RawConfig, context: ConnectorContext): TopicSelection | null {
  if (!Object.values(raw).some(hasPlaceholder)) {
    const parse = parseConnectorConfig(raw, context)
    return parse.ok ? parse.config.topics : null
  }
  const own = Object.fromEntries(Object.entries(raw).filter(([key]) => key === 'topics' || key === 'topics.regex'))
  const { config, errors } = resolvePlaceholders(own, context.providers ?? NO_PROVIDERS)
  const { topics, 'topics.regex': regex } = CONNECTOR_KEYS
  const parsed = parseKeys({ topics, 'topics.regex': regex }, config)
  if (errors.length > 0 || parsed.errors.length > 0) return null
  return topicsOf(parsed.values as Pick<Values<ConnectorKeys>, 'topics' | 'topics.regex'>, context)
}

/** The configuration with what its placeholders stand for here; those that do not resolve stay. Never stored, never shown. */
export const resolvedConfig = (raw: RawConfig, context: ConnectorContext): RawConfig =>
  resolvePlaceholders(raw, context.providers ?? NO_PROVIDERS).config

/** The same, or null when one does not resolve now. */
export function fullyResolvedConfig(raw: RawConfig, context: ConnectorContext): RawConfig | null {
  const { config, errors } = resolvePlaceholders(raw, context.providers ?? NO_PROVIDERS)
  return errors.length === 0 ? config : null
}

function build(raw: RawConfig, inspection: Inspection, context: ConnectorContext): ConnectorConfig {
  // Complete, since there are no errors.
  const values = inspection.values as Values<ConnectorKeys>
  const routing = {
    project: values.project,
    defaultDataset: values.defaultDataset,
    sanitizeTopics: values.sanitizeTopics,
    topicTables: parseTopicTables(values.topic2TableMap),
  }
  return {
    name: values.name,
    tasksMax: values['tasks.max'],
    topics: topicsOf(values, context),
    deliveryGuarantee: 'exactly_once',
    project: values.project,
    defaultDataset: values.defaultDataset,
    credentials: credentialsOf(values),
    useCredentialsProjectId: values.useCredentialsProjectId,
    tableFor: topic => tableOfTopic(routing, topic),
    columnFor: field => (values.sanitizeFieldNames ? sanitizeName(field) : field),
    sanitizeFieldNames: values.sanitizeFieldNames,
    autoCreateTables: values.autoCreateTables,
    allBQFieldsNullable: values.allBQFieldsNullable,
    ignoreUnknownFields: values.ignoreUnknownFields,
    kafkaDataFieldName: values.kafkaDataFieldName,
    decimalHandlingMode: values.decimalHandlingMode === 'RECORD' ? 'FLOAT' : values.decimalHandlingMode,
    tableLayout: layoutOf(values),
    append: {
      maxBytes: values['append.max.bytes'],
      maxRows: values['append.max.rows'],
      lingerMs: values['append.linger.ms'],
    },
    offsetLostPolicy: values['offset.lost.policy'],
    bigQueryRetry: { count: values.bigQueryRetry, waitMs: values.bigQueryRetryWait },
    errors: errorsOf(values),
    valueConverter: jsonOptions(inspection.converters.value.settings),
    transforms: filtersOf(values.transforms, inspection.chain),
    consumer: consumerOf(values.name, inspection, context),
    raw: { ...raw },
  }
}

function topicsOf(
  values: Pick<Values<ConnectorKeys>, 'topics' | 'topics.regex'>,
  context: ConnectorContext,
): TopicSelection {
  const source = values['topics.regex']
  if (source === '') {
    const topics = new Set(values.topics)
    return { kind: 'list', topics: [...topics], matches: topic => topics.has(topic) }
  }
  const pattern = compileRegex(source)
  const reserved = context.reservedTopics ?? []
  return { kind: 'regex', source, matches: topic => !reserved.includes(topic) && pattern.matches(topic) }
}

function credentialsOf({ keySource, keyfile }: Values<ConnectorKeys>): CredentialSource {
  if (keyfile === null || keyfile.reveal() === '' || keySource === 'APPLICATION_DEFAULT') {
    return { kind: 'applicationDefault' }
  }
  return keySource === 'JSON' ? { kind: 'keyJson', json: keyfile } : { kind: 'keyFile', path: keyfile.reveal() }
}

function layoutOf(values: Values<ConnectorKeys>): ConnectorConfig['tableLayout'] {
  const { timePartitioningType: type, timestampPartitionFieldName: field, partitionExpirationMs } = values
  const clustering = values.clusteringPartitionFieldNames ?? []
  return {
    ...(type === 'NONE'
      ? {}
      : {
          timePartitioning: {
            type,
            ...(field === null ? {} : { field }),
            ...(partitionExpirationMs === null ? {} : { expirationMs: partitionExpirationMs }),
          },
        }),
    ...(clustering.length === 0 ? {} : { clustering }),
  }
}

function errorsOf(values: Values<ConnectorKeys>): ConnectorConfig['errors'] {
  const topic = values['errors.deadletterqueue.topic.name']
  return {
    tolerance: values['errors.tolerance'],
    logEnable: values['errors.log.enable'],
    logIncludeMessages: values['errors.log.include.messages'],
    retryTimeoutMs: values['errors.retry.timeout'],
    retryDelayMaxMs: values['errors.retry.delay.max.ms'],
    deadLetterQueue:
      topic === ''
        ? null
        : {
            topic,
            replicationFactor: values['errors.deadletterqueue.topic.replication.factor'],
            contextHeaders: values['errors.deadletterqueue.context.headers.enable'],
          },
  }
}

function consumerOf(name: string, inspection: Inspection, context: ConnectorContext): ConnectorConfig['consumer'] {
  const { values } = inspection.overrides
  const groupId = values.get('consumer.override.group.id')
  const reset = values.get('consumer.override.auto.offset.reset') ?? context.autoOffsetReset
  return {
    groupId: typeof groupId === 'string' ? groupId : consumerGroup(name),
    autoOffsetReset: reset === 'latest' ? 'latest' : 'earliest',
  }
}
