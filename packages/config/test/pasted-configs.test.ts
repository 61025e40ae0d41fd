// Configurations as people have them: typical for the documentation of the other connectors, for Strimzi and for Terraform.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ConnectorConfig, parseConnectorConfig } from '../src/index.ts'

type Raw = Readonly<Record<string, string>>
const run = (raw: Raw): { readonly config: ConnectorConfig; readonly noticed: readonly string[] } => {
  const parsed = parseConnectorConfig(raw)
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.errors, null, 2))
  return { config: parsed.config, noticed: parsed.notices.map(notice => notice.key) }
}
const refusedKeys = (raw: Raw): readonly string[] => {
  const parsed = parseConnectorConfig(raw)
  return parsed.ok ? [] : parsed.errors.map(error => error.key)
}

const AIVEN: Raw = {
  name: 'orders-to-bigquery',
  'connector.class': 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector',
  'tasks.max': '3',
  topics: 'shop.orders,shop.payments',
  project: 'acme-analytics',
  defaultDataset: 'shop',
  keySource: 'JSON',
  keyfile: '{"type": "service_account", "project_id": "acme-analytics", "client_email": "a@b", "private_key": "x"}',
  'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'true',
  sanitizeTopics: 'true',
  sanitizeFieldNames: 'true',
  autoCreateTables: 'true',
  allBQFieldsNullable: 'true',
  useStorageWriteApi: 'true',
  commitInterval: '120',
  bigQueryRetry: '3',
  bigQueryRetryWait: '2000',
  timestampPartitionFieldName: 'created_at',
  clusteringPartitionFieldNames: 'customer_id,country',
  bigQueryPartitionDecorator: 'false',
  'errors.tolerance': 'all',
  'errors.deadletterqueue.topic.name': 'shop.dead',
}

test('an Aiven configuration with the Storage Write API runs', () => {
  const { config, noticed } = run(AIVEN)
  assert.deepEqual(noticed.toSorted(), ['commitInterval', 'useStorageWriteApi'])
  assert.equal(config.tasksMax, 3)
  assert.equal(config.tableFor('shop.orders'), 'projects/acme-analytics/datasets/shop/tables/shop_orders')
  assert.deepEqual(config.bigQueryRetry, { count: 3, waitMs: 2000 })
  assert.equal(config.errors.deadLetterQueue?.topic, 'shop.dead')
})

const CONFLUENT: Raw = {
  name: 'kcbq-connect1',
  'connector.class': 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector',
  'tasks.max': '1',
  topics: 'kcbq-quickstart1',
  sanitizeTopics: 'true',
  autoCreateTables: 'true',
  schemaRetriever: 'com.wepay.kafka.connect.bigquery.retrieve.IdentitySchemaRetriever',
  project: 'lunar-decoder',
  defaultDataset: 'ConfluentDataSet',
  keyfile: '/home/bq/key.json',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  bufferSize: '100000',
  maxWriteSize: '10000',
  tableWriteWait: '1000',
  queueSize: '-1',
  threadPoolSize: '10',
  avroDataCacheSize: '100',
  'confluent.license': '',
  'confluent.topic.bootstrap.servers': 'localhost:9092',
}

test('a Confluent Platform configuration runs; what has no effect is noticed', () => {
  const { config, noticed } = run(CONFLUENT)
  assert.deepEqual(config.credentials, { kind: 'keyFile', path: '/home/bq/key.json' })
  assert.equal(config.valueConverter.schemasEnable, false)
  for (const key of ['schemaRetriever', 'queueSize', 'threadPoolSize', 'bufferSize', 'confluent.license']) {
    assert.ok(noticed.includes(key), key)
  }
})

test('the documentation’s usual schema update settings are refused by name, all at once', () => {
  const raw = { ...CONFLUENT, allowNewBigQueryFields: 'true', allowBigQueryRequiredFieldRelaxation: 'true' }
  assert.deepEqual(refusedKeys(raw), ['allowNewBigQueryFields', 'allowBigQueryRequiredFieldRelaxation'])
  assert.deepEqual(refusedKeys({ ...raw, upsertEnabled: 'true', kafkaKeyFieldName: 'k', enableBatchLoad: 'a' }), [
    'upsertEnabled',
    'enableBatchLoad',
    'allowNewBigQueryFields',
    'allowBigQueryRequiredFieldRelaxation',
    'kafkaKeyFieldName',
  ])
})

test('an insertAll configuration that relies on defaults runs exactly once into the plain table', () => {
  const { config } = run({
    name: 'legacy',
    'connector.class': 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector',
    'topics.regex': 'events_.*',
    project: 'p',
    defaultDataset: 'd',
    useStorageWriteApi: 'false',
    'max.retries': '5',
  })
  assert.equal(config.deliveryGuarantee, 'exactly_once')
  assert.equal(config.topics.matches('events_eu'), true)
})

test('every default of the other connectors written out is accepted, except the partition decorator', () => {
  const defaults: Raw = {
    keySource: 'FILE',
    useCredentialsProjectId: 'false',
    allowNewBigQueryFields: 'false',
    allowBigQueryRequiredFieldRelaxation: 'false',
    allowSchemaUnionization: 'false',
    mediateConcurrentSchemaUpdates: 'false',
    concurrentSchemaUpdateRetryWaitMs: '10000',
    concurrentSchemaUpdateMaxRetries: '3',
    preserveKafkaTopicPartitionOffset: 'false',
    trackPutAttempts: 'false',
    ignoreUnknownFields: 'false',
    timePartitioningType: 'DAY',
    bigQueryMessageTimePartitioning: 'false',
    convertDoubleSpecialValues: 'false',
    decimalHandlingMode: 'FLOAT',
    variableScaleDecimalHandlingMode: 'RECORD',
    enableRetries: 'true',
    enableBatchMode: 'false',
    intermediateTableSuffix: 'tmp',
    mergeIntervalMs: '60000',
    mergeRecordsThreshold: '-1',
    enableBatchLoad: '',
    batchLoadIntervalSec: '120',
    gcsBucketName: '',
    gcsFolderName: '',
    autoCreateBucket: 'true',
    runtimeProvider: 'Confluent Platform',
    'connector.plugin.version': '[2.0,3)',
    'tasks.max.enforce': 'true',
    'config.action.reload': 'restart',
    'errors.retry.delay.max.ms': '60000',
  }
  run({ ...AIVEN, ...defaults, keyfile: '/k.json' })
  assert.deepEqual(refusedKeys({ ...AIVEN, bigQueryPartitionDecorator: 'true' }), ['bigQueryPartitionDecorator'])
})

test('keys of Confluent Cloud are near misses of the keys they mean', () => {
  const raw = { ...CONFLUENT, 'auto.create.tables': 'true', 'topic2table.map': 'a:b', 'sanitize.topics': 'true' }
  assert.deepEqual(refusedKeys(raw), ['auto.create.tables', 'topic2table.map', 'sanitize.topics'])
})
