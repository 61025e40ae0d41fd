// What the keys of a connector must satisfy together. Texts follow Kafka Connect's where it has the same check.
import type { ConfigError, Values } from '../definition/key.ts'
import { invalid, invalidValue } from '../definition/key.ts'
import { isAllowedPath } from '../providers/allowed-files.ts'
import { compileRegex } from '../regex/compile.ts'
import type { ClientOverrides } from './client-overrides.ts'
import type { ConnectorKeys } from './connector-keys.ts'
import type { ConnectorContext } from './inspect.ts'
import { isConnectorClass } from './plugins.ts'
import { parseTopicTables, topicTableProblem } from './topic-tables.ts'

type ConnectorValues = Partial<Values<ConnectorKeys>>

export function crossChecks(
  values: ConnectorValues,
  overrides: ClientOverrides,
  context: ConnectorContext,
): readonly ConfigError[] {
  return [
    ...classErrors(values),
    ...topicErrors(values),
    ...deadLetterErrors(values),
    ...reservedTopicErrors(values, context),
    ...groupErrors(values, overrides, context),
    ...credentialErrors(values, context.keyfilePaths ?? null),
    ...tableErrors(values),
    ...partitioningErrors(values),
  ]
}

function classErrors(values: ConnectorValues): readonly ConfigError[] {
  const name = values['connector.class']
  if (name === undefined || isConnectorClass(name)) return []
  return [
    invalid('connector.class', `Failed to find any class that implements Connector and which name matches ${name}`),
  ]
}

const EXCLUSIVE = 'topics and topics.regex are mutually exclusive options, but both are set.'
const NEITHER = 'Must configure one of topics or topics.regex'

function topicErrors(values: ConnectorValues): readonly ConfigError[] {
  const { topics, 'topics.regex': regex } = values
  if (topics === undefined || regex === undefined) return []
  const hasTopics = topics.length > 0
  const hasRegex = regex !== ''
  if (hasTopics !== hasRegex) return []
  const message = hasTopics ? EXCLUSIVE : NEITHER
  return [invalid('topics', message), invalid('topics.regex', message)]
}

/** A dead letter that is read again would never end. */
function deadLetterErrors(values: ConnectorValues): readonly ConfigError[] {
  const deadLetters = values['errors.deadletterqueue.topic.name']
  if (!deadLetters) return []
  const errors: ConfigError[] = []
  const { topics, 'topics.regex': regex } = values
  const replicationKey = 'errors.deadletterqueue.topic.replication.factor'
  if (values[replicationKey] === 0) errors.push(invalidValue(replicationKey, '0', 'Value must be -1 or at least 1'))
  if (topics?.includes(deadLetters)) {
    const shown = `topics=[${topics.join(', ')}]`
    const message = `The DLQ topic '${deadLetters}' may not be included in the list of topics ('${shown}') consumed by the connector`
    errors.push(invalid('topics', message))
  }
  if (regex && compileRegex(regex).matches(deadLetters)) {
    const message = `The DLQ topic '${deadLetters}' may not be matched by the regex for the topics ('topics.regex=${regex}') consumed by the connector`
    errors.push(invalid('topics.regex', message))
  }
  return errors
}

function reservedTopicErrors(values: ConnectorValues, context: ConnectorContext): readonly ConfigError[] {
  const reserved = context.reservedTopics ?? []
  const source = values.topics?.find(topic => reserved.includes(topic))
  const deadLetters = values['errors.deadletterqueue.topic.name']
  const why = 'it is a topic of the worker itself'
  return [
    ...(source === undefined ? [] : [invalidValue('topics', source, why)]),
    ...(deadLetters && reserved.includes(deadLetters)
      ? [invalidValue('errors.deadletterqueue.topic.name', deadLetters, why)]
      : []),
  ]
}

/** The consumer group of a connector: a view of its offsets for lag tools. */
export const consumerGroup = (name: string): string => `connect-${name}`

function groupErrors(
  values: ConnectorValues,
  overrides: ClientOverrides,
  context: ConnectorContext,
): readonly ConfigError[] {
  const worker = context.workerGroupId
  const overridden = overrides.values.get('consumer.override.group.id')
  if (worker === undefined) return []
  if (typeof overridden === 'string') {
    if (overridden !== worker) return []
    const message = `Consumer group ${overridden} conflicts with Connect worker group ${worker}`
    return [invalid('consumer.override.group.id', message)]
  }
  if (values.name === undefined || consumerGroup(values.name) !== worker) return []
  const message = `Consumer group for sink connector named ${values.name} conflicts with Connect worker group ${worker}`
  return [invalid('name', message)]
}

/** Never says anything about the content of the key. */
function credentialErrors(values: ConnectorValues, paths: readonly string[] | null): readonly ConfigError[] {
  const { keySource, keyfile } = values
  if (keySource === undefined || keyfile === undefined) return []
  const key = keyfile?.reveal() ?? ''
  if (keySource === 'APPLICATION_DEFAULT') {
    return key === '' ? [] : [invalid('keyfile', 'keyfile must be empty when keySource is APPLICATION_DEFAULT')]
  }
  if (keySource === 'FILE') {
    if (key.startsWith('{')) return [invalid('keyfile', 'keyfile holds a key itself, so keySource must be JSON')]
    return key === '' || paths === null || isAllowedPath(key, paths) ? [] : [invalid('keyfile', OUTSIDE)]
  }
  return jsonKeyErrors(key)
}

const OUTSIDE =
  'Invalid value [hidden] for configuration keyfile: its path is not below bigquery.keyfile.allowed.paths of the worker, which must be set where the REST API needs a log-in'

/** Keys of other types (`external_account`) may name URLs and programs to run: never from a connector's configuration. */
const KEY_TYPE = 'service_account'
/** A key has some 2,300. */
const KEY_CHARACTERS_MAX = 64 * 1024

function jsonKeyErrors(key: string): readonly ConfigError[] {
  if (key === '') return [invalid('keyfile', 'keyfile must hold the key when keySource is JSON')]
  if (key.length > KEY_CHARACTERS_MAX) {
    const problem = `longer than ${KEY_CHARACTERS_MAX} characters, which no key is`
    return [invalid('keyfile', `Invalid value [hidden] for configuration keyfile: ${problem}`)]
  }
  const type = jsonType(key)
  if (type === null) return [invalid('keyfile', 'Invalid value [hidden] for configuration keyfile: not a JSON object')]
  if (type === KEY_TYPE) return []
  return [invalid('keyfile', `Invalid value [hidden] for configuration keyfile: its type must be ${KEY_TYPE}`)]
}

function jsonType(text: string): string | null {
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null) return null
    return 'type' in parsed && typeof parsed.type === 'string' ? parsed.type : ''
  } catch {
    return null
  }
}

/** Topics that could never have a table are refused at once, not when their first record comes. */
function tableErrors(values: ConnectorValues): readonly ConfigError[] {
  const { topics, project, defaultDataset, sanitizeTopics, topic2TableMap } = values
  if (topics === undefined || project === undefined || defaultDataset === undefined) return []
  if (sanitizeTopics === undefined || topic2TableMap === undefined) return []
  const routing = { project, defaultDataset, sanitizeTopics, topicTables: parseTopicTables(topic2TableMap) }
  return topics.flatMap(topic => {
    const problem = topicTableProblem(routing, topic)
    return problem === null ? [] : [invalid('topics', `${problem}.`)]
  })
}

function partitioningErrors(values: ConnectorValues): readonly ConfigError[] {
  if (values.timePartitioningType !== 'NONE') return []
  return (['timestampPartitionFieldName', 'partitionExpirationMs'] as const)
    .filter(key => values[key] !== null && values[key] !== undefined)
    .map(key => invalid(key, `${key} needs time partitioning, but timePartitioningType is NONE`))
}
