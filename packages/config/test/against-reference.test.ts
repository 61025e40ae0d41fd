// What users know from Kafka Connect and from the other BigQuery connectors, typed from their references line by line and compared
// with what is defined here: a key that is missing, of another type or with another default is found by its name.
//
// Kafka Connect 4.1: apache/kafka ConnectorConfig, SinkConnectorConfig, DistributedConfig, the CONFIG_DEF of each transformation,
// predicate and converter. BigQuery: Aiven-Open/bigquery-connector-for-apache-kafka dafca99, confluentinc/kafka-connect-bigquery 3e48003.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type ConfigError,
  connectorPlugins,
  parseConnectorConfig,
  parseWorkerConfig,
  pluginConfig,
} from '../src/index.ts'

/** Key, type, default as `/validate` writes it (`!` where it is required, `-` for none), values that are fine, values that are not. */
type Row = readonly [key: string, type: string, byDefault: string, good: readonly string[], bad: readonly string[]]
const BOOL = [
  ['true', 'FALSE'],
  ['yes', ''],
] as const

const COMMON: readonly Row[] = [
  ['name', 'STRING', '!', ['a', 'with blanks and é'], ['', 'a\u0000b']],
  ['connector.class', 'STRING', '!', [], ['', 'nonsense']],
  ['connector.plugin.version', 'STRING', '-', ['1.0', '[1,2)'], []],
  ['tasks.max', 'INT', '1', ['1', '100'], ['0', '-1', 'x', '']],
  ['tasks.max.enforce', 'BOOLEAN', 'true', ...BOOL],
  ['topics', 'LIST', '', ['a', 'a, b'], []],
  ['topics.regex', 'STRING', '', [], ['[']],
  ['key.converter', 'CLASS', '-', ['org.apache.kafka.connect.storage.StringConverter'], ['nonsense']],
  ['value.converter', 'CLASS', '-', ['org.apache.kafka.connect.json.JsonConverter'], ['nonsense']],
  ['header.converter', 'CLASS', '-', ['org.apache.kafka.connect.storage.SimpleHeaderConverter'], ['nonsense']],
  ['transforms', 'LIST', '', [], ['a,a']],
  ['predicates', 'LIST', '', [], ['p,p']],
  ['config.action.reload', 'STRING', 'restart', ['none', 'restart'], ['never']],
  ['errors.retry.timeout', 'LONG', '0', ['0', '-1', '300000'], ['x']],
  ['errors.retry.delay.max.ms', 'LONG', '60000', ['1000'], ['x']],
  ['errors.tolerance', 'STRING', 'none', ['none', 'all'], ['some']],
  ['errors.log.enable', 'BOOLEAN', 'false', ...BOOL],
  ['errors.log.include.messages', 'BOOLEAN', 'false', ...BOOL],
  ['errors.deadletterqueue.topic.name', 'STRING', '', ['dead'], ['a/b']],
  ['errors.deadletterqueue.topic.replication.factor', 'SHORT', '3', ['1', '3'], ['x', '40000']],
  ['errors.deadletterqueue.context.headers.enable', 'BOOLEAN', 'false', ...BOOL],
]

const BIGQUERY: readonly Row[] = [
  ['project', 'STRING', '!', ['my-project'], ['']],
  ['defaultDataset', 'STRING', '!', ['my_dataset'], ['']],
  ['keyfile', 'PASSWORD', '-', ['/etc/key.json'], []],
  ['keySource', 'STRING', 'FILE', ['FILE', 'APPLICATION_DEFAULT'], ['ENV']],
  ['useCredentialsProjectId', 'BOOLEAN', 'false', ...BOOL],
  ['sanitizeTopics', 'BOOLEAN', 'false', ...BOOL],
  ['topic2TableMap', 'STRING', '', ['t:a', 't:a,u:a'], ['t', 't:a,t:b', ':a']],
  ['sanitizeFieldNames', 'BOOLEAN', 'false', ...BOOL],
  ['autoCreateTables', 'BOOLEAN', 'true', ...BOOL],
  ['allowNewBigQueryFields', 'BOOLEAN', 'false', ...BOOL],
  ['allowBigQueryRequiredFieldRelaxation', 'BOOLEAN', 'false', ...BOOL],
  ['allowSchemaUnionization', 'BOOLEAN', 'false', ...BOOL],
  ['allBQFieldsNullable', 'BOOLEAN', 'false', ...BOOL],
  ['mediateConcurrentSchemaUpdates', 'BOOLEAN', 'false', ...BOOL],
  ['concurrentSchemaUpdateRetryWaitMs', 'LONG', '10000', ['0', '300000'], ['-1', '300001']],
  ['concurrentSchemaUpdateMaxRetries', 'INT', '3', ['1'], ['0']],
  [
    'schemaRetriever',
    'CLASS',
    'com.wepay.kafka.connect.bigquery.retrieve.IdentitySchemaRetriever',
    ['com.wepay.kafka.connect.bigquery.retrieve.IdentitySchemaRetriever'],
    [],
  ],
  ['kafkaKeyFieldName', 'STRING', '-', ['key'], ['']],
  ['kafkaDataFieldName', 'STRING', '-', ['meta'], ['']],
  ['preserveKafkaTopicPartitionOffset', 'BOOLEAN', 'false', ...BOOL],
  ['trackPutAttempts', 'BOOLEAN', 'false', ...BOOL],
  ['ignoreUnknownFields', 'BOOLEAN', 'false', ...BOOL],
  ['timePartitioningType', 'STRING', 'DAY', ['HOUR', 'day', 'MONTH', 'YEAR', 'NONE'], ['WEEK']],
  ['timestampPartitionFieldName', 'STRING', '-', ['at'], ['']],
  ['clusteringPartitionFieldNames', 'LIST', '-', ['a', 'a,b,c,d'], ['a,b,c,d,e']],
  ['partitionExpirationMs', 'LONG', '-', ['1'], ['0', '-1']],
  ['bigQueryPartitionDecorator', 'BOOLEAN', 'true', ...BOOL],
  ['bigQueryMessageTimePartitioning', 'BOOLEAN', 'false', ...BOOL],
  ['convertDoubleSpecialValues', 'BOOLEAN', 'false', ...BOOL],
  ['decimalHandlingMode', 'STRING', 'FLOAT', ['RECORD', 'float', 'NUMERIC', 'BIGNUMERIC'], ['DECIMAL']],
  ['variableScaleDecimalHandlingMode', 'STRING', 'RECORD', ['RECORD', 'FLOAT', 'NUMERIC', 'BIGNUMERIC'], ['x']],
  ['convertDebeziumVariableScaleDecimal', 'BOOLEAN', 'false', ...BOOL],
  ['convertDebeziumTimestampToInteger', 'BOOLEAN', 'false', ...BOOL],
  ['avroDataCacheSize', 'INT', '100', ['0'], ['-1']],
  ['threadPoolSize', 'INT', '10', ['1'], ['0']],
  ['queueSize', 'LONG', '-1', ['-1', '5000'], ['-2']],
  ['bigQueryRetry', 'INT', '0', ['0', '5'], ['-1']],
  ['bigQueryRetryWait', 'LONG', '1000', ['0'], ['-1']],
  ['max.retries', 'INT', '10', ['1'], ['0']],
  ['enableRetries', 'BOOLEAN', 'true', ...BOOL],
  ['useStorageWriteApi', 'BOOLEAN', 'false', ...BOOL],
  ['enableBatchMode', 'BOOLEAN', 'false', ...BOOL],
  ['commitInterval', 'INT', '60', ['15', '14400'], ['14', '14401']],
  ['upsertEnabled', 'BOOLEAN', 'false', ...BOOL],
  ['deleteEnabled', 'BOOLEAN', 'false', ...BOOL],
  ['intermediateTableSuffix', 'STRING', 'tmp', ['x'], ['']],
  ['mergeIntervalMs', 'LONG', '60000', ['-1', '10000'], ['0', '9999', '-2']],
  ['mergeRecordsThreshold', 'LONG', '-1', ['-1', '1'], ['0', '-2']],
  ['enableBatchLoad', 'LIST', '', ['t'], []],
  ['batchLoadIntervalSec', 'INT', '120', ['60'], ['x']],
  ['gcsBucketName', 'STRING', '', ['b'], []],
  ['gcsFolderName', 'STRING', '', ['f'], []],
  ['autoCreateBucket', 'BOOLEAN', 'true', ...BOOL],
  ['runtimeProvider', 'STRING', 'Confluent Platform', ['x'], []],
]
/** Of version 1 of the connector, still in people's files. */
const LEFTOVERS = [
  'datasets',
  'topicsToTables',
  'autoUpdateSchemas',
  'includeKafkaData',
  'schemaRegistryLocation',
  'upsert.enabled',
]

/** Where the design differs from the others on purpose. */
const OTHER_DEFAULTS: Readonly<Record<string, string>> = {
  bigQueryPartitionDecorator: 'false',
  useStorageWriteApi: 'true',
}

const BASE = { name: 'c', 'connector.class': 'BigQuerySink', topics: 't', project: 'p-1', defaultDataset: 'd' }
/** What is wrong with a value itself; that a feature is not built is another matter. */
function wrong(key: string, value: string): readonly ConfigError[] {
  const parsed = parseConnectorConfig({ ...BASE, [key]: value })
  return parsed.ok ? [] : parsed.errors.filter(error => error.key === key && error.code !== 'NOT_SUPPORTED')
}

for (const [title, rows] of [
  ['every key of a sink', COMMON],
  ['every key of the BigQuery connectors', BIGQUERY],
] as const)
  describe(title, () => {
    const definitions = new Map(pluginConfig('BigQuerySink')?.map(info => [info.name, info]))
    for (const [key, type, byDefault, good, bad] of rows)
      test(`${key}: type, default, and which values are taken`, () => {
        const definition = definitions.get(key)
        assert.ok(definition, 'it is defined')
        const told = definition.required ? '!' : (definition.default_value ?? '-')
        assert.deepEqual([definition.type, told], [type, OTHER_DEFAULTS[key] ?? byDefault])
        for (const value of good) assert.deepEqual(wrong(key, value), [], value)
        for (const value of bad) assert.notDeepEqual(wrong(key, value), [], JSON.stringify(value))
      })
  })

test('leftovers of older versions are taken and told of', () => {
  for (const key of LEFTOVERS) {
    const parsed = parseConnectorConfig({ ...BASE, [key]: 'true' })
    assert.ok(parsed.ok, key)
    assert.deepEqual(
      parsed.notices.map(notice => [notice.key, notice.kind]),
      [[key, 'ignored']],
    )
  }
})

test('versions of plugins are taken and told of, whatever becomes of unknown keys', () => {
  const chain = {
    transforms: 'f',
    'transforms.f.type': 'Filter',
    predicates: 'p',
    'predicates.p.type': 'RecordIsTombstone',
  }
  const versions = ['connector', 'key.converter', 'value.converter', 'header.converter', 'transforms.f', 'predicates.p']
  for (const key of versions.map(plugin => `${plugin}.plugin.version`)) {
    const parsed = parseConnectorConfig({ ...BASE, ...chain, [key]: '[1.0,2.0)', 'config.unknown.keys': 'error' })
    assert.ok(parsed.ok, key)
    assert.deepEqual(
      parsed.notices.map(notice => [notice.key, notice.kind]),
      [[key, 'ignored']],
    )
  }
})

const REPLACE_NULL = ['replace.null.with.default', 'BOOLEAN', 'true', 'MEDIUM'] as const
type Option = readonly [key: string, type: string, byDefault: string, importance: string]
/** Classes that exist for keys and for values, with the keys of both. */
const ON_KEY_OR_VALUE: Readonly<Record<string, readonly Option[]>> = {
  Cast: [['spec', 'LIST', '!', 'HIGH'], REPLACE_NULL],
  ExtractField: [['field', 'STRING', '!', 'MEDIUM'], ['field.syntax.version', 'STRING', 'V1', 'HIGH'], REPLACE_NULL],
  Flatten: [['delimiter', 'STRING', '.', 'MEDIUM']],
  HeaderFrom: [
    ['fields', 'LIST', '!', 'HIGH'],
    ['headers', 'LIST', '!', 'HIGH'],
    ['operation', 'STRING', '!', 'HIGH'],
    REPLACE_NULL,
  ],
  HoistField: [['field', 'STRING', '!', 'MEDIUM']],
  InsertField: [
    ['topic.field', 'STRING', '-', 'MEDIUM'],
    ['partition.field', 'STRING', '-', 'MEDIUM'],
    ['offset.field', 'STRING', '-', 'MEDIUM'],
    ['timestamp.field', 'STRING', '-', 'MEDIUM'],
    ['static.field', 'STRING', '-', 'MEDIUM'],
    ['static.value', 'STRING', '-', 'MEDIUM'],
    REPLACE_NULL,
  ],
  MaskField: [['fields', 'LIST', '!', 'HIGH'], ['replacement', 'STRING', '-', 'LOW'], REPLACE_NULL],
  ReplaceField: [
    ['include', 'LIST', '', 'MEDIUM'],
    ['exclude', 'LIST', '', 'MEDIUM'],
    ['renames', 'LIST', '', 'MEDIUM'],
    REPLACE_NULL,
  ],
  SetSchemaMetadata: [['schema.name', 'STRING', '-', 'HIGH'], ['schema.version', 'INT', '-', 'HIGH'], REPLACE_NULL],
  TimestampConverter: [
    ['field', 'STRING', '', 'HIGH'],
    ['target.type', 'STRING', '!', 'HIGH'],
    ['format', 'STRING', '', 'MEDIUM'],
    ['unix.precision', 'STRING', 'milliseconds', 'LOW'],
    REPLACE_NULL,
  ],
}
const CONVERTER_TYPE: Option = ['converter.type', 'STRING', '!', 'LOW']
const OTHER_CLASSES: Readonly<Record<string, readonly Option[]>> = {
  'transforms.DropHeaders': [['headers', 'LIST', '!', 'HIGH']],
  'transforms.Filter': [],
  'transforms.InsertHeader': [
    ['header', 'STRING', '!', 'HIGH'],
    ['value.literal', 'STRING', '!', 'HIGH'],
  ],
  'transforms.RegexRouter': [
    ['regex', 'STRING', '!', 'HIGH'],
    ['replacement', 'STRING', '!', 'HIGH'],
  ],
  'transforms.TimestampRouter': [
    ['topic.format', 'STRING', '$' + '{topic}-$' + '{timestamp}', 'HIGH'],
    ['timestamp.format', 'STRING', 'yyyyMMdd', 'HIGH'],
  ],
  'transforms.ValueToKey': [['fields', 'LIST', '!', 'HIGH'], REPLACE_NULL],
  'transforms.predicates.TopicNameMatches': [['pattern', 'STRING', '!', 'MEDIUM']],
  'transforms.predicates.HasHeaderKey': [['name', 'STRING', '!', 'MEDIUM']],
  'transforms.predicates.RecordIsTombstone': [],
  'json.JsonConverter': [
    CONVERTER_TYPE,
    ['schemas.enable', 'BOOLEAN', 'true', 'HIGH'],
    ['schemas.cache.size', 'INT', '1000', 'HIGH'],
    ['decimal.format', 'STRING', 'BASE64', 'LOW'],
    ['replace.null.with.default', 'BOOLEAN', 'true', 'LOW'],
  ],
  'storage.StringConverter': [CONVERTER_TYPE, ['converter.encoding', 'STRING', 'UTF-8', 'HIGH']],
  'storage.SimpleHeaderConverter': [],
  ...Object.fromEntries(
    ['ByteArray', 'Boolean', 'Short', 'Integer', 'Long', 'Float', 'Double'].map(type => [
      `converters.${type}Converter`,
      [CONVERTER_TYPE],
    ]),
  ),
}

test('every transformation, predicate and converter of Kafka Connect is listed, with its keys and no others', () => {
  const expected: Readonly<Record<string, readonly Option[]>> = {
    ...OTHER_CLASSES,
    ...Object.fromEntries(
      Object.entries(ON_KEY_OR_VALUE).flatMap(([name, options]) =>
        ['$Key', '$Value'].map(side => [`transforms.${name}${side}`, options]),
      ),
    ),
  }
  const listed = new Set(connectorPlugins('1', { connectorsOnly: false }).map(plugin => plugin.class))
  for (const [name, options] of Object.entries(expected)) {
    const className = `org.apache.kafka.connect.${name}`
    assert.ok(listed.has(className), className)
    const told = (pluginConfig(className) ?? []).map(info => [
      info.name,
      info.type,
      info.required ? '!' : (info.default_value ?? '-'),
      info.importance,
    ])
    assert.deepEqual(new Set(told.map(String)), new Set(options.map(String)), className)
  }
  const own = [...listed].filter(name => name.startsWith('org.apache.kafka.'))
  assert.deepEqual(
    own.filter(name => !(name.replace('org.apache.kafka.connect.', '') in expected)),
    [],
  )
})

test('options of transformations and predicates are checked as Kafka Connect checks them, built or not', () => {
  const rows: readonly (readonly [kind: string, type: string, key: string, good: string, bad: string])[] = [
    ['transforms', 'Cast$Value', 'spec', 'a:int8,b:STRING', 'a:int7'],
    ['transforms', 'Cast$Key', 'spec', 'boolean', 'a:b:c'],
    ['transforms', 'ExtractField$Key', 'field.syntax.version', 'v2', 'V3'],
    ['transforms', 'HeaderFrom$Value', 'operation', 'move', 'drop'],
    ['transforms', 'HeaderFrom$Value', 'fields', 'a,b', ''],
    ['transforms', 'MaskField$Value', 'replacement', 'x', ''],
    ['transforms', 'MaskField$Value', 'replace.null.with.default', 'false', 'no'],
    ['transforms', 'ReplaceField$Value', 'renames', 'a:b,c:d', 'a'],
    ['transforms', 'SetSchemaMetadata$Value', 'schema.version', '3', 'three'],
    ['transforms', 'TimestampConverter$Value', 'target.type', 'Timestamp', 'timestamp'],
    ['transforms', 'TimestampConverter$Value', 'unix.precision', 'seconds', 'hours'],
    ['transforms', 'DropHeaders', 'headers', 'h', ''],
    ['transforms', 'RegexRouter', 'regex', 'a(.*)', '('],
    ['transforms', 'ValueToKey', 'fields', 'id', ''],
    ['predicates', 'TopicNameMatches', 'pattern', 'a.*', '['],
    ['predicates', 'HasHeaderKey', 'name', 'h', ''],
  ]
  for (const [kind, type, option, good, bad] of rows) {
    const key = `${kind}.x.${option}`
    const of = (value: string): readonly ConfigError[] => {
      const parsed = parseConnectorConfig({ ...BASE, [kind]: 'x', [`${kind}.x.type`]: type, [key]: value })
      return parsed.ok ? [] : parsed.errors.filter(error => error.key === key)
    }
    assert.deepEqual(of(good), [], key)
    assert.notDeepEqual(of(bad), [], `${type} ${key}=${bad}`)
  }
})

/** A value each worker key of Kafka Connect has in people's files; beside it what becomes of it here. */
const WORKER: readonly (readonly [key: string, value: string, becomes: 'used' | 'ignored'])[] = [
  ['bootstrap.servers', 'kafka:9092', 'used'],
  ['group.id', 'connect-cluster', 'used'],
  ['config.storage.topic', 'connect-configs', 'used'],
  ['config.storage.replication.factor', '1', 'used'],
  ['offset.storage.topic', 'connect-offsets', 'ignored'],
  ['offset.storage.replication.factor', '1', 'ignored'],
  ['offset.storage.partitions', '25', 'ignored'],
  ['status.storage.topic', 'connect-status', 'ignored'],
  ['status.storage.replication.factor', '1', 'ignored'],
  ['status.storage.partitions', '5', 'ignored'],
  ['key.converter', 'org.apache.kafka.connect.json.JsonConverter', 'used'],
  ['key.converter.schemas.enable', 'false', 'used'],
  ['value.converter', 'org.apache.kafka.connect.json.JsonConverter', 'used'],
  ['value.converter.schemas.enable', 'false', 'used'],
  ['header.converter', 'org.apache.kafka.connect.storage.SimpleHeaderConverter', 'used'],
  ['listeners', 'http://localhost:8083', 'used'],
  ['listeners.https.ssl.keystore.location', '/etc/key.p12', 'used'],
  ['admin.listeners', 'http://localhost:8084', 'used'],
  ['rest.advertised.host.name', 'connect-1', 'used'],
  ['rest.advertised.port', '8083', 'used'],
  ['rest.advertised.listener', 'http', 'ignored'],
  ['rest.extension.classes', '', 'used'],
  ['response.http.headers.config', 'set X-Frame-Options:DENY', 'used'],
  ['access.control.allow.origin', '*', 'used'],
  ['access.control.allow.methods', 'GET,POST', 'used'],
  ['plugin.path', '/usr/share/java', 'ignored'],
  ['plugin.discovery', 'hybrid_warn', 'ignored'],
  ['offset.flush.interval.ms', '10000', 'used'],
  ['offset.flush.timeout.ms', '5000', 'ignored'],
  ['task.shutdown.graceful.timeout.ms', '5000', 'used'],
  ['connector.client.config.override.policy', 'All', 'used'],
  ['connector.client.config.override.allowlist', 'group.id', 'used'],
  ['config.providers', 'file', 'used'],
  ['topic.tracking.enable', 'false', 'used'],
  ['topic.tracking.allow.reset', 'false', 'used'],
  ['session.timeout.ms', '10000', 'used'],
  ['heartbeat.interval.ms', '3000', 'used'],
  ['rebalance.timeout.ms', '60000', 'ignored'],
  ['scheduled.rebalance.max.delay.ms', '300000', 'used'],
  ['connect.protocol', 'sessioned', 'ignored'],
  ['worker.sync.timeout.ms', '3000', 'ignored'],
  ['worker.unsync.backoff.ms', '300000', 'ignored'],
  ['inter.worker.key.ttl.ms', '3600000', 'ignored'],
  ['inter.worker.key.size', '256', 'ignored'],
  ['inter.worker.key.generation.algorithm', 'HmacSHA256', 'ignored'],
  ['inter.worker.signature.algorithm', 'HmacSHA256', 'ignored'],
  ['inter.worker.verification.algorithms', 'HmacSHA256', 'ignored'],
  ['exactly.once.source.support', 'disabled', 'ignored'],
  ['metrics.sample.window.ms', '30000', 'ignored'],
  ['metrics.num.samples', '2', 'ignored'],
  ['metrics.recording.level', 'INFO', 'ignored'],
  ['metric.reporters', 'org.apache.kafka.common.metrics.JmxReporter', 'ignored'],
  ['security.protocol', 'SASL_SSL', 'used'],
  ['consumer.security.protocol', 'SASL_SSL', 'used'],
  ['producer.sasl.mechanism', 'PLAIN', 'used'],
  ['admin.ssl.truststore.location', '/etc/trust.pem', 'used'],
]

test('every worker key people know from Kafka Connect is known: used, or ignored with its reason', () => {
  for (const [key, value, becomes] of WORKER) {
    const provider = { 'config.providers': 'file', 'config.providers.file.class': FILE_PROVIDER }
    const text = Object.entries({ ...(key === 'config.providers' ? { ...provider, ...ALLOWED } : {}), [key]: value })
    const parsed = parseWorkerConfig({
      file: { path: 'worker.properties', text: text.map(([name, each]) => `${name}=${each}`).join('\n') },
    })
    assert.ok(parsed.ok, `${key}: ${parsed.ok ? '' : JSON.stringify(parsed.errors)}`)
    const kinds = parsed.notices.filter(notice => notice.key === key).map(notice => notice.kind)
    assert.deepEqual(kinds, becomes === 'ignored' ? ['ignored'] : [], key)
  }
})
const FILE_PROVIDER = 'org.apache.kafka.common.config.provider.FileConfigProvider'
const ALLOWED = { 'config.providers.file.param.allowed.paths': '/etc/secrets' }
