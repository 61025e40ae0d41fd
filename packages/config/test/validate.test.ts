import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ConfigInfo,
  type ConfigInfos,
  connectRefusalMessage,
  parseConnectorConfig,
  validateConnectorConfig,
} from '../src/index.ts'

const BASE = { name: 'n', 'connector.class': 'BigQuerySink', topics: 't', project: 'p', defaultDataset: 'd' }
const infoOf = (infos: ConfigInfos, key: string): ConfigInfo => {
  const info = infos.configs.find(config => config.value.name === key)
  assert.ok(info, key)
  return info
}

test('a definition and its value have exactly the keys of Kafka Connect', () => {
  const infos = validateConnectorConfig(BASE)
  assert.deepEqual(Object.keys(infos), ['name', 'error_count', 'groups', 'configs'])
  assert.deepEqual(infoOf(infos, 'tasks.max'), {
    definition: {
      name: 'tasks.max',
      type: 'INT',
      required: false,
      default_value: '1',
      importance: 'HIGH',
      documentation: 'Number of tasks: exactly this many, 0 to N-1. auto = the smaller of partitions and 4 × workers.',
      group: 'Common',
      width: 'SHORT',
      display_name: 'Tasks max',
      dependents: [],
      order: 4,
    },
    value: { name: 'tasks.max', value: '1', recommended_values: [], errors: [], visible: true },
  })
  assert.equal(infos.name, 'BigQuerySink')
  assert.equal(infos.error_count, 0)
  assert.deepEqual(infos.groups.slice(0, 4), ['Common', 'Transforms', 'Predicates', 'Error Handling'])
})

test('a configuration of nothing but the class is answered, not refused', () => {
  // AKHQ validates every plugin with this.
  const infos = validateConnectorConfig({ 'connector.class': 'BigQuerySink', topics: 'getPlugins' })
  assert.equal(infos.error_count, 3)
  assert.deepEqual(infoOf(infos, 'name').value.errors, [
    'Missing required configuration "name" which has no default value.',
  ])
  assert.equal(infoOf(infos, 'name').definition?.required, true)
  assert.equal(infoOf(infos, 'name').definition?.default_value, null)
})

test('error_count counts messages, so one conflict on two keys counts twice', () => {
  const infos = validateConnectorConfig({ ...BASE, 'topics.regex': 'a' })
  assert.equal(infos.error_count, 2)
  assert.equal(infoOf(infos, 'topics').value.errors.length, 1)
  assert.equal(infoOf(infos, 'topics.regex').value.errors.length, 1)
})

test('values are the text of what was understood, also where a rule refuses it; of another type there is none', () => {
  const infos = validateConnectorConfig({
    ...BASE,
    topics: ' a ,b',
    timePartitioningType: 'day',
    'tasks.max': 'x',
    'errors.tolerance': 'some',
    transforms: 'a,a',
    'transforms.a.type': 'nonsense',
    'value.converter.decimal.format': 'words',
    'header.converter': 'no.such.Converter',
  })
  for (const [key, value, error] of [
    ['errors.tolerance', 'some', /^Invalid value some for /],
    ['transforms', 'a,a', /^Invalid value \[a, a\] for configuration transforms: Duplicate alias provided\.$/],
    ['transforms.a.type', null, /Class nonsense could not be found/],
    ['value.converter.decimal.format', 'words', /one of \(case insensitive\): NUMERIC, BASE64$/],
    ['header.converter', null, /Class no\.such\.Converter could not be found/],
  ] as const) {
    assert.equal(infoOf(infos, key).value.value, value, key)
    assert.match(infoOf(infos, key).value.errors.join('\n'), error)
  }
  assert.equal(infoOf(infos, 'topics').value.value, 'a,b')
  assert.equal(infoOf(infos, 'timePartitioningType').value.value, 'DAY')
  assert.equal(infoOf(infos, 'tasks.max').value.value, null)
  assert.equal(infoOf(infos, 'autoCreateTables').value.value, 'true')
  assert.equal(infoOf(infos, 'keyfile').value.value, null)
})

test('secrets never come back, under known keys or under unknown ones', () => {
  const infos = validateConnectorConfig({
    ...BASE,
    keyfile: '/canary',
    'my.password': 'canary',
    'basic.auth.user.info': 'u:canary',
    my_api_key: 'canary',
    'sasl.jaas.config': 'password="canary"',
    'consumer.override.sasl.jaas.config': 'password="canary"',
  })
  assert.equal(infoOf(infos, 'keyfile').value.value, '[hidden]')
  assert.equal(JSON.stringify(infos).includes('canary'), false)
})

test('keys without a definition are listed with null, near misses with an error', () => {
  const infos = validateConnectorConfig({ ...BASE, 'my.own.key': '1', keyfil: 'x' })
  assert.deepEqual(infoOf(infos, 'my.own.key'), {
    definition: null,
    value: { name: 'my.own.key', value: '1', recommended_values: [], errors: [], visible: true },
  })
  assert.match(infoOf(infos, 'keyfil').value.errors[0] ?? '', /did you mean keyfile\?/)
  assert.equal(infos.error_count, 1)
})

test('an alias brings a group with the keys of its class, and all classes as recommendation', () => {
  const infos = validateConnectorConfig({
    ...BASE,
    transforms: 'f',
    'transforms.f.type': 'org.apache.kafka.connect.transforms.InsertField$Value',
    predicates: 'p',
  })
  assert.ok(infos.groups.includes('Transforms: f'))
  assert.ok(infos.groups.includes('Predicates: p'))
  assert.deepEqual(
    infos.configs
      .flatMap(({ definition }) => (definition?.group === 'Transforms: f' ? [[definition.name, definition.order]] : []))
      .slice(0, 5),
    [
      ['transforms.f.type', 0],
      ['transforms.f.plugin.version', 1],
      ['transforms.f.negate', 2],
      ['transforms.f.offset.field', 3],
      ['transforms.f.partition.field', 4],
    ],
  )
  const type = infoOf(infos, 'transforms.f.type').value
  assert.ok(type.recommended_values.includes('org.apache.kafka.connect.transforms.Filter'))
  assert.match(type.errors[0] ?? '', /InsertField\$Value is not built/)
  assert.match(infoOf(infos, 'predicates.p.type').value.errors[0] ?? '', /Missing required/)
})

test('a key that depends on another is invisible until the other has the right value', () => {
  const visible = (keySource: string): boolean =>
    infoOf(validateConnectorConfig({ ...BASE, keySource }), 'keyfile').value.visible
  assert.equal(visible('FILE'), true)
  assert.equal(visible('APPLICATION_DEFAULT'), false)
})

test('validate and parse report the same errors', () => {
  for (const extra of [
    {},
    { topics: 'a.b', keySource: 'JSON', upsertEnabled: 'true', 'topics.regex': '(', tpics: 'x' },
  ]) {
    const raw = { ...BASE, ...extra }
    const parsed = parseConnectorConfig(raw)
    const errors = parsed.ok ? [] : parsed.errors.map(error => `${error.key}: ${error.message}`)
    const infos = validateConnectorConfig(raw)
    const shown = infos.configs.flatMap(({ value }) => value.errors.map(error => `${value.name}: ${error}`))
    assert.deepEqual(shown.toSorted(), errors.toSorted())
    assert.equal(infos.error_count, errors.length)
  }
})

test('the message of a refused create is the one clients take apart', () => {
  const parsed = parseConnectorConfig({ ...BASE, topics: '' })
  assert.ok(!parsed.ok)
  assert.equal(
    connectRefusalMessage(parsed.errors),
    [
      'Connector configuration is invalid and contains the following 2 error(s):',
      'Must configure one of topics or topics.regex',
      'Must configure one of topics or topics.regex',
      'You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`',
    ].join('\n'),
  )
})

test('keys that every sink has are told of as Kafka Connect tells of them', () => {
  // Compared with the real one by test/differential; these are the places where it once was not so.
  const infos = validateConnectorConfig({ ...BASE, 'key.converter': 'StringConverter', transforms: 'a' })
  const version = infoOf(infos, 'connector.plugin.version').definition
  assert.deepEqual([version?.importance, version?.width], ['MEDIUM', 'MEDIUM'])
  assert.deepEqual(infoOf(infos, 'errors.deadletterqueue.topic.name').definition?.dependents, [])
  assert.equal(infoOf(infos, 'key.converter.converter.encoding').value.value, 'UTF-8')
  assert.ok(
    infoOf(infos, 'value.converter').value.recommended_values.includes('org.apache.kafka.connect.json.JsonConverter'),
  )
  assert.equal(infoOf(infos, 'value.converter.schemas.enable').definition?.display_name, 'Enable Schemas')
  assert.equal(infoOf(infos, 'transforms.a.type').definition?.display_name, 'Transformation type for a')
})

test('what a connector gets that names nothing is shown: the worker’s converters, and the one version of each plugin', () => {
  const context = {
    pluginVersion: '1.2.3',
    converters: { key: { className: 'org.apache.kafka.connect.storage.StringConverter', options: {} } },
  }
  const infos = validateConnectorConfig({ ...BASE, transforms: 'f', 'transforms.f.type': 'Filter' }, context)
  const shown = (key: string): readonly unknown[] => {
    const { definition, value } = infoOf(infos, key)
    return [definition?.default_value, value.value, value.recommended_values]
  }
  const converter = infoOf(infos, 'key.converter')
  assert.equal(converter.definition?.default_value, 'org.apache.kafka.connect.storage.StringConverter')
  assert.equal(converter.value.value, 'org.apache.kafka.connect.storage.StringConverter')
  for (const owner of ['connector', 'key.converter', 'value.converter', 'header.converter', 'transforms.f'])
    assert.deepEqual(shown(`${owner}.plugin.version`), ['1.2.3', '1.2.3', ['1.2.3']], owner)
  assert.equal(infoOf(infos, 'value.converter.converter.type').value.value, 'value')
  const unknown = validateConnectorConfig({ ...BASE, 'key.converter': 'nonsense' }, context)
  assert.deepEqual(infoOf(unknown, 'key.converter.plugin.version').value, {
    name: 'key.converter.plugin.version',
    value: null,
    recommended_values: [],
    errors: [],
    visible: false,
  })
})
