import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CONNECTOR_CLASS, connectorPlugins, pluginConfig, validateConnectorConfig } from '../src/index.ts'

const WEPAY_CLASS = 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector'

test('connectors alone are listed unless all plugins are asked for', () => {
  assert.deepEqual(connectorPlugins('1.2.3', { connectorsOnly: true }), [
    { class: CONNECTOR_CLASS, type: 'sink', version: '1.2.3' },
    { class: WEPAY_CLASS, type: 'sink', version: '1.2.3' },
  ])
  const all = connectorPlugins('1.2.3', { connectorsOnly: false })
  const count = (type: string): number => all.filter(plugin => plugin.type === type).length
  assert.deepEqual(
    ['sink', 'converter', 'header_converter', 'transformation', 'predicate'].map(count),
    [2, 12, 10, 26, 3],
  )
  assert.ok(all.some(plugin => plugin.class === 'org.apache.kafka.connect.transforms.Cast$Key'))
})

test('every listed plugin has definitions, by full and by simple name', () => {
  for (const plugin of connectorPlugins('1', { connectorsOnly: false })) {
    assert.ok(pluginConfig(plugin.class), plugin.class)
    assert.deepEqual(pluginConfig(plugin.class.split('.').at(-1) ?? ''), pluginConfig(plugin.class))
  }
  assert.deepEqual(pluginConfig(WEPAY_CLASS), pluginConfig('BigQuerySink'))
  assert.deepEqual(pluginConfig('RecordIsTombstone'), [])
})

test('an unknown plugin is null', () => {
  for (const name of ['FileStreamSink', '', 'constructor', 'transforms', 'org.apache.kafka.connect.transforms.Cast']) {
    assert.equal(pluginConfig(name), null, name)
  }
})

test('the definitions of the connector are those that validate answers with, where the worker’s converters are the defaults', () => {
  const validated = validateConnectorConfig({}).configs.flatMap(({ definition }) => (definition ? [definition] : []))
  const listed = pluginConfig(CONNECTOR_CLASS) ?? []
  const isConverter = ({ name }: { readonly name: string }): boolean => /^\w+\.converter$/.test(name)
  assert.deepEqual(
    validated.slice(0, listed.length).filter(info => !isConverter(info)),
    listed.filter(info => !isConverter(info)),
  )
  assert.deepEqual(
    listed.filter(isConverter).map(({ default_value }) => default_value),
    [null, null, null],
  )
})
