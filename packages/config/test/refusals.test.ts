import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONNECTOR_KEYS } from '../src/connector/connector-keys.ts'
import { REFUSALS } from '../src/connector/refusals.ts'
import { SUPPORTED_TRANSFORMATIONS, TRANSFORMATIONS } from '../src/connector/transformations.ts'
import type { KeyDefs } from '../src/definition/key.ts'
import { valueText } from '../src/definition/parse-value.ts'
import { parseConnectorConfig } from '../src/index.ts'

const BASE = { name: 'n', 'connector.class': 'BigQuerySink', topics: 't', project: 'p', defaultDataset: 'd' }
const errorsOf = (extra: Readonly<Record<string, string>>): readonly (readonly [string, string])[] => {
  const parsed = parseConnectorConfig({ ...BASE, ...extra })
  return parsed.ok ? [] : parsed.errors.map(error => [error.key, error.code] as const)
}

const ASKED: Readonly<Record<string, readonly string[]>> = {
  'delivery.guarantee': ['at_least_once', 'pending', 'buffered', 'upsert', 'upsert_delete'],
  enableBatchMode: ['true'],
  upsertEnabled: ['true'],
  deleteEnabled: ['TRUE'],
  enableBatchLoad: ['t'],
  allowNewBigQueryFields: ['true'],
  allowBigQueryRequiredFieldRelaxation: ['true'],
  allowSchemaUnionization: ['true'],
  'schema.inference.enable': ['true'],
  kafkaKeyFieldName: ['key'],
  bigQueryPartitionDecorator: ['true'],
  bigQueryMessageTimePartitioning: ['true'],
  decimalHandlingMode: ['RECORD', 'record'],
  variableScaleDecimalHandlingMode: ['NUMERIC'],
  convertDebeziumVariableScaleDecimal: ['true'],
  convertDebeziumTimestampToInteger: ['true'],
}

test('every entry of the table refuses what it says, naming its key', () => {
  assert.deepEqual(Object.keys(ASKED).sort(), Object.keys(REFUSALS).sort())
  for (const [key, values] of Object.entries(ASKED)) {
    for (const value of values)
      assert.deepEqual(errorsOf({ [key]: value }), [[key, 'NOT_SUPPORTED']], `${key}=${value}`)
  }
})

test('the default of every refused key, written out, is accepted', () => {
  const defs: KeyDefs = CONNECTOR_KEYS
  for (const key of Object.keys(REFUSALS)) {
    const text = valueText(defs[key]?.default)
    if (text !== null) assert.deepEqual(errorsOf({ [key]: text }), [], `${key}=${text}`)
  }
})

test('every transformation of Kafka Connect but Filter is refused by name', () => {
  const classes = Object.keys(TRANSFORMATIONS).filter(name => !SUPPORTED_TRANSFORMATIONS.includes(name))
  assert.equal(classes.length, 25)
  for (const name of classes) {
    const errors = errorsOf({ transforms: 'x', 'transforms.x.type': name })
    assert.ok(
      errors.some(([key, code]) => key === 'transforms.x.type' && code === 'NOT_SUPPORTED'),
      name,
    )
  }
})

test('converters that are not built are refused by name, unknown ones are not found', () => {
  for (const name of ['io.confluent.connect.avro.AvroConverter', 'org.apache.kafka.connect.storage.StringConverter']) {
    assert.deepEqual(errorsOf({ 'value.converter': name }), [['value.converter', 'NOT_SUPPORTED']])
  }
  assert.deepEqual(errorsOf({ 'value.converter': 'com.acme.Converter' }), [['value.converter', 'CONFIG_INVALID']])
  assert.deepEqual(errorsOf({ 'value.converter': 'constructor' }), [['value.converter', 'CONFIG_INVALID']])
})

test('keys and headers are not written, so their common converters are accepted', () => {
  for (const name of [
    'org.apache.kafka.connect.json.JsonConverter',
    'org.apache.kafka.connect.storage.StringConverter',
    'org.apache.kafka.connect.converters.ByteArrayConverter',
  ]) {
    assert.deepEqual(errorsOf({ 'key.converter': name, 'header.converter': name }), [])
  }
  assert.deepEqual(errorsOf({ 'key.converter': 'io.confluent.connect.avro.AvroConverter' }), [
    ['key.converter', 'NOT_SUPPORTED'],
  ])
})

test('a connector that would inherit a converter which is not built is refused too', () => {
  const avro = { className: 'io.confluent.connect.avro.AvroConverter', options: { 'schema.registry.url': 'http://r' } }
  const parsed = parseConnectorConfig(BASE, { converters: { value: avro } })
  assert.ok(!parsed.ok && parsed.errors[0]?.key === 'value.converter' && parsed.errors[0].code === 'NOT_SUPPORTED')
})

test('placeholders of providers nobody configured are refused wherever they stand; other dollar signs are not', () => {
  for (const key of ['keyfile', 'project', 'my.own.key']) {
    const errors = errorsOf({ [key]: '$' + '{file:/run/secrets/canary:key}' })
    assert.ok(
      errors.some(([name, code]) => name === key && code === 'CONFIG_INVALID'),
      key,
    )
  }
  assert.deepEqual(errorsOf({ 'my.own.key': '$' + '{topic}-$5 {a:b}' }), [])
  assert.deepEqual(errorsOf({ 'my.own.key': 'never closed: $' + '{file:key' }), [])
})
