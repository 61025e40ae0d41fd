import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMillraceError, Secret } from '@millrace/core'
import { type ConnectorConfig, type ConnectorContext, type ConnectorParse, parseConnectorConfig } from '../src/index.ts'

const BASE: Readonly<Record<string, string>> = {
  name: 'flights',
  'connector.class': 'io.millrace.bigquery.BigQuerySinkConnector',
  topics: 'flights',
  project: 'my-project',
  defaultDataset: 'raw',
}
const parse = (extra: Readonly<Record<string, string>> = {}, context?: ConnectorContext): ConnectorParse =>
  parseConnectorConfig({ ...BASE, ...extra }, context)
const accepted = (extra: Readonly<Record<string, string>> = {}, context?: ConnectorContext): ConnectorConfig => {
  const parsed = parse(extra, context)
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.errors, null, 2))
  return parsed.config
}
const without = (...keys: readonly string[]): Record<string, string> =>
  Object.fromEntries(Object.entries(BASE).filter(([key]) => !keys.includes(key)))
const refused = (raw: Readonly<Record<string, string>>, context?: ConnectorContext): Record<string, string> => {
  const parsed = parseConnectorConfig(raw, context)
  assert.ok(!parsed.ok, 'expected errors')
  return Object.fromEntries(parsed.errors.map(error => [error.key, error.message]))
}
const refusedWith = (extra: Readonly<Record<string, string>>, context?: ConnectorContext): Record<string, string> =>
  refused({ ...BASE, ...extra }, context)

test('five keys are enough, and everything else has the default of Kafka Connect', () => {
  const config = accepted()
  assert.equal(config.name, 'flights')
  assert.equal(config.tasksMax, 1)
  assert.equal(config.deliveryGuarantee, 'exactly_once')
  assert.equal(config.autoCreateTables, true)
  assert.deepEqual(config.credentials, { kind: 'applicationDefault' })
  assert.deepEqual(config.valueConverter, {
    kind: 'json',
    schemasEnable: true,
    decimalFormat: 'BASE64',
    replaceNullWithDefault: true,
  })
  assert.deepEqual(config.tableLayout, { timePartitioning: { type: 'DAY' } })
  assert.deepEqual(config.consumer, { groupId: 'connect-flights', autoOffsetReset: 'earliest' })
  assert.deepEqual(config.errors, {
    tolerance: 'none',
    logEnable: false,
    logIncludeMessages: false,
    retryTimeoutMs: 0,
    retryDelayMaxMs: 60000,
    deadLetterQueue: null,
  })
  assert.deepEqual(config.transforms, [])
  assert.deepEqual(config.raw, BASE)
})

test('the result is frozen all the way down', () => {
  const config = accepted({ 'errors.deadletterqueue.topic.name': 'dead' })
  assert.throws(() => Object.assign(config.errors.deadLetterQueue ?? {}, { topic: 'x' }), TypeError)
  assert.throws(() => Object.assign(config.raw, { name: 'x' }), TypeError)
})

test('every missing required key is reported at once', () => {
  const errors = refused({})
  assert.deepEqual(Object.keys(errors).sort(), [
    'connector.class',
    'defaultDataset',
    'name',
    'project',
    'topics',
    'topics.regex',
  ])
})

test('all names of the connector are accepted, others are not', () => {
  for (const name of [
    'BigQuerySinkConnector',
    'BigQuerySink',
    'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector',
    'BigQueryStorageSink',
  ]) {
    accepted({ 'connector.class': name })
  }
  const message = refusedWith({ 'connector.class': 'FileStreamSink' })['connector.class']
  assert.match(message ?? '', /^Failed to find any class that implements Connector/)
})

test('a name is not empty and has no control characters', () => {
  assert.match(refusedWith({ name: ' ' }).name ?? '', /String may not be empty/)
  assert.match(refusedWith({ name: 'a\u0007b' }).name ?? '', /ASCII chars: 7/)
  accepted({ name: 'a->b ü' })
})

test('tasks.max is a number from 1, or auto', () => {
  assert.equal(accepted({ 'tasks.max': 'auto' }).tasksMax, 'auto')
  assert.equal(accepted({ 'tasks.max': '8' }).tasksMax, 8)
  for (const value of ['0', '-1', '1000000000', 'many', '']) assert.ok(refusedWith({ 'tasks.max': value })['tasks.max'])
})

test('exactly one of topics and topics.regex, in Connect’s words on both keys', () => {
  const both = 'topics and topics.regex are mutually exclusive options, but both are set.'
  assert.deepEqual(refusedWith({ 'topics.regex': 'f.*' }), { topics: both, 'topics.regex': both })
  const none = 'Must configure one of topics or topics.regex'
  assert.deepEqual(refused(without('topics')), { topics: none, 'topics.regex': none })
  assert.deepEqual(refusedWith({ topics: '  ' }), { topics: none, 'topics.regex': none })
})

test('topics are a list without repetition', () => {
  const { topics } = accepted({ topics: 'a, b,a' })
  assert.ok(topics.kind === 'list')
  assert.deepEqual(topics.topics, ['a', 'b'])
  assert.equal(topics.matches('b'), true)
  assert.equal(topics.matches('c'), false)
  assert.match(refusedWith({ topics: 'a,,b' }).topics ?? '', /topic name/)
  assert.match(refusedWith({ topics: 'a b' }).topics ?? '', /topic name/)
})

test('a topics.regex selects whole names, and never the topics of the worker itself', () => {
  const raw = { ...without('topics'), 'topics.regex': '.*-?flights|mr-.*' }
  const parsed = parseConnectorConfig(raw, { reservedTopics: ['mr-config', 'mr-journal'] })
  assert.ok(parsed.ok)
  const { topics } = parsed.config
  assert.equal(topics.kind, 'regex')
  assert.equal(topics.matches('eu-flights'), true)
  assert.equal(topics.matches('flights2'), false)
  assert.equal(topics.matches('mr-journal'), false)
  assert.equal(topics.matches('mr-other'), true)
})

test('a topics.regex outside the linear subset names its key', () => {
  assert.match(refused({ ...without('topics'), 'topics.regex': '(a)\\1' })['topics.regex'] ?? '', /Backreferences/)
})

test('the topics of the worker itself are no source and no dead letter queue', () => {
  const context = { reservedTopics: ['mr-config', 'mr-journal'] }
  assert.match(refusedWith({ topics: 'a,mr-journal' }, context).topics ?? '', /topic of the worker itself/)
  const errors = refusedWith({ 'errors.deadletterqueue.topic.name': 'mr-config' }, context)
  assert.match(errors['errors.deadletterqueue.topic.name'] ?? '', /topic of the worker itself/)
})

test('the dead letter topic is not read again', () => {
  const inList = refusedWith({ topics: 'a,dead', 'errors.deadletterqueue.topic.name': 'dead' })
  assert.equal(
    inList.topics,
    "The DLQ topic 'dead' may not be included in the list of topics ('topics=[a, dead]') consumed by the connector",
  )
  const raw = { ...without('topics'), 'topics.regex': 'd.*', 'errors.deadletterqueue.topic.name': 'dead' }
  assert.match(refused(raw)['topics.regex'] ?? '', /The DLQ topic 'dead' may not be matched by the regex/)
})

test('tolerance all without a dead letter queue is allowed: such records are skipped', () => {
  const { errors } = accepted({ 'errors.tolerance': 'all' })
  assert.equal(errors.tolerance, 'all')
  assert.equal(errors.deadLetterQueue, null)
})

test('the dead letter queue takes all its settings', () => {
  const { errors } = accepted({
    'errors.tolerance': 'all',
    'errors.deadletterqueue.topic.name': 'dead',
    'errors.deadletterqueue.topic.replication.factor': '1',
    'errors.deadletterqueue.context.headers.enable': 'true',
    'errors.log.enable': 'true',
    'errors.log.include.messages': 'true',
    'errors.retry.timeout': '-1',
  })
  assert.deepEqual(errors.deadLetterQueue, { topic: 'dead', replicationFactor: 1, contextHeaders: true })
  assert.deepEqual([errors.logEnable, errors.logIncludeMessages, errors.retryTimeoutMs], [true, true, -1])
  const key = 'errors.deadletterqueue.topic.replication.factor'
  assert.ok(refusedWith({ 'errors.deadletterqueue.topic.name': 'dead', [key]: '0' })[key])
})

test('tables are named after topics, sanitized or mapped as in the other connectors', () => {
  const table = (topic: string, extra: Readonly<Record<string, string>>): string =>
    accepted({ topics: 'plain', ...extra })
      .tableFor(topic)
      .replace('projects/my-project/datasets/', '')
  assert.equal(table('plain', {}), 'raw/tables/plain')
  assert.equal(table('with-dash', {}), 'raw/tables/with-dash')
  assert.equal(table('a.b-c', { sanitizeTopics: 'true' }), 'raw/tables/a_b_c')
  assert.equal(table('9lives', { sanitizeTopics: 'true' }), 'raw/tables/_9lives')
  assert.equal(table('sales:orders', {}), 'sales/tables/orders')
  const mapped = { topic2TableMap: 'a.b:one, c:one,' }
  assert.equal(table('a.b', mapped), 'raw/tables/one')
  assert.equal(table('c', mapped), 'raw/tables/one')
  assert.equal(table('d-e', { ...mapped, sanitizeTopics: 'true' }), 'raw/tables/d-e')
})

test('a topic that makes no legal table name is refused at create, or by tableFor when a regex found it', () => {
  assert.match(refusedWith({ topics: 'a.b' }).topics ?? '', /Topic a\.b would go to table "a\.b".*sanitizeTopics/)
  const config = accepted({ ...BASE })
  assert.throws(
    () => config.tableFor('a.b'),
    error => isMillraceError(error) && error.code === 'CONFIG_INVALID' && error.disposition === 'failPartition',
  )
})

test('a malformed topic2TableMap names its key', () => {
  for (const map of ['a', 'a:', ':b', 'a:b:c', 'a:b,a:c', 'a:b.c', 'a:b$20260101', 'a:b;c']) {
    assert.ok(refusedWith({ topic2TableMap: map }).topic2TableMap, map)
  }
})

test('names that would break out of a resource path are refused', () => {
  for (const project of ['a/b', 'a b', '', '../x']) assert.ok(refusedWith({ project }).project, project)
  for (const defaultDataset of ['a/b', 'a-b', 'a.b', '', 'x'.repeat(1025)]) {
    assert.ok(refusedWith({ defaultDataset }).defaultDataset, defaultDataset)
  }
})

test('field names are sanitized only when asked to', () => {
  assert.equal(accepted().columnFor('a.b'), 'a.b')
  assert.equal(accepted({ sanitizeFieldNames: 'true' }).columnFor('1a.b'), '_1a_b')
})

test('partitioning and clustering are laid out for tables that are created', () => {
  assert.deepEqual(
    accepted({
      timePartitioningType: 'month',
      timestampPartitionFieldName: 'ts',
      partitionExpirationMs: '86400000',
      clusteringPartitionFieldNames: 'a,b',
    }).tableLayout,
    { timePartitioning: { type: 'MONTH', field: 'ts', expirationMs: 86400000 }, clustering: ['a', 'b'] },
  )
  assert.deepEqual(accepted({ timePartitioningType: 'NONE' }).tableLayout, {})
  assert.ok(refusedWith({ clusteringPartitionFieldNames: 'a,b,c,d,e' }).clusteringPartitionFieldNames)
  assert.ok(
    refusedWith({ timePartitioningType: 'NONE', timestampPartitionFieldName: 'ts' }).timestampPartitionFieldName,
  )
})

test('credentials are a path, a key, or application default', () => {
  assert.deepEqual(accepted({ keyfile: '/etc/key.json' }).credentials, { kind: 'keyFile', path: '/etc/key.json' })
  const key = '{"type":"service_account","private_key":"canary"}'
  const { credentials } = accepted({ keySource: 'JSON', keyfile: key })
  assert.ok(credentials.kind === 'keyJson' && credentials.json instanceof Secret)
  assert.equal(credentials.json.reveal(), key)
  assert.deepEqual(accepted({ keySource: 'APPLICATION_DEFAULT' }).credentials, { kind: 'applicationDefault' })
})

test('credentials that contradict keySource are refused without showing them', () => {
  for (const [keySource, keyfile] of [
    ['APPLICATION_DEFAULT', '/canary'],
    ['JSON', ''],
    ['JSON', '/canary'],
    ['JSON', '{"type":"external_account","token_url":"http://canary"}'],
    ['JSON', '{"canary":1}'],
    ['FILE', '{"type":"service_account","private_key":"canary"}'],
  ] as const) {
    const errors = refusedWith({ keySource, keyfile })
    assert.ok(errors.keyfile, `${keySource} ${keyfile}`)
    assert.equal(JSON.stringify(errors).includes('canary'), false)
  }
  assert.match(refusedWith({ keySource: 'VAULT' }).keySource ?? '', /one of: FILE, JSON, APPLICATION_DEFAULT/)
})

test('the value converter of the connector replaces the worker’s with all its settings', () => {
  const worker = {
    converters: {
      value: { className: 'org.apache.kafka.connect.json.JsonConverter', options: { 'schemas.enable': 'false' } },
    },
  }
  assert.equal(accepted({}, worker).valueConverter.schemasEnable, false)
  const named = { 'value.converter': 'org.apache.kafka.connect.json.JsonConverter' }
  assert.equal(accepted(named, worker).valueConverter.schemasEnable, true)
  assert.equal(accepted({ ...named, 'value.converter.schemas.enable': 'false' }).valueConverter.schemasEnable, false)
  assert.equal(accepted({ 'value.converter': 'JsonConverter' }).valueConverter.schemasEnable, true)
})

test('converter settings without the converter take effect, and a notice says that Connect would ignore them', () => {
  const parsed = parse({ 'value.converter.schemas.enable': 'false' })
  assert.ok(parsed.ok)
  assert.equal(parsed.config.valueConverter.schemasEnable, false)
  assert.deepEqual(
    parsed.notices.map(notice => [notice.key, notice.kind]),
    [['value.converter', 'effect']],
  )
})

test('a converter setting with a typing error or a wrong value names its key', () => {
  const json = { 'value.converter': 'org.apache.kafka.connect.json.JsonConverter' }
  const typo = refusedWith({ ...json, 'value.converter.schema.enable': 'false' })
  assert.match(typo['value.converter.schema.enable'] ?? '', /did you mean value\.converter\.schemas\.enable\?/)
  assert.ok(refusedWith({ ...json, 'value.converter.schemas.enable': 'no' })['value.converter.schemas.enable'])
  assert.ok(refusedWith({ ...json, 'value.converter.decimal.format': 'HEX' })['value.converter.decimal.format'])
})

test('a filter chain is data: predicates, negation, order', () => {
  const config = accepted({
    transforms: 'dropTest, keepSigned,tombs,all',
    'transforms.dropTest.type': 'org.apache.kafka.connect.transforms.Filter',
    'transforms.dropTest.predicate': 'isTest',
    'transforms.keepSigned.type': 'Filter',
    'transforms.keepSigned.predicate': 'signed',
    'transforms.keepSigned.negate': 'true',
    'transforms.tombs.type': 'org.apache.kafka.connect.transforms.Filter',
    'transforms.tombs.predicate': 'tombstone',
    'transforms.all.type': 'org.apache.kafka.connect.transforms.Filter',
    predicates: 'isTest,signed,tombstone',
    'predicates.isTest.type': 'org.apache.kafka.connect.transforms.predicates.TopicNameMatches',
    'predicates.isTest.pattern': 'test-.*',
    'predicates.signed.type': 'org.apache.kafka.connect.transforms.predicates.HasHeaderKey',
    'predicates.signed.name': 'signature',
    'predicates.tombstone.type': 'RecordIsTombstone',
  })
  const [dropTest, ...rest] = config.transforms
  assert.ok(dropTest?.predicate?.kind === 'topicNameMatches')
  assert.equal(dropTest.alias, 'dropTest')
  assert.equal(dropTest.predicate.pattern.matches('test-1'), true)
  assert.equal(dropTest.predicate.pattern.matches('my-test-1'), false)
  assert.deepEqual(rest, [
    { alias: 'keepSigned', kind: 'filter', predicate: { kind: 'hasHeaderKey', name: 'signature' }, negate: true },
    { alias: 'tombs', kind: 'filter', predicate: { kind: 'recordIsTombstone' }, negate: false },
    { alias: 'all', kind: 'filter', predicate: null, negate: false },
  ])
})

test('mistakes in the chain name the key they are in', () => {
  const filter = { transforms: 'f', 'transforms.f.type': 'org.apache.kafka.connect.transforms.Filter' }
  assert.match(refusedWith({ ...filter, transforms: 'f,f' }).transforms ?? '', /Duplicate alias/)
  assert.match(refusedWith({ transforms: 'f' })['transforms.f.type'] ?? '', /Missing required/)
  assert.match(
    refusedWith({ transforms: 'f', 'transforms.f.type': 'com.acme.Filter' })['transforms.f.type'] ?? '',
    /Class com\.acme\.Filter could not be found/,
  )
  assert.match(
    refusedWith({ ...filter, 'transforms.f.predicate': 'nope' })['transforms.f.predicate'] ?? '',
    /no predicate of that alias/,
  )
  assert.match(
    refusedWith({ ...filter, 'transforms.f.negate': 'true' })['transforms.f.type'] ?? '',
    /^Config 'transforms\.f\.negate' was provided but there is no config 'transforms\.f\.predicate'/,
  )
  assert.match(
    refusedWith({ predicates: 'p', 'predicates.p.type': 'org.apache.kafka.connect.transforms.Filter' })[
      'predicates.p.type'
    ] ?? '',
    /^Class class org\.apache\.kafka\.connect\.transforms\.Filter does not implement the Predicate interface$/,
  )
  assert.match(
    refusedWith({ predicates: 'p', 'predicates.p.type': 'TopicNameMatches' })['predicates.p.pattern'] ?? '',
    /Missing required/,
  )
  assert.match(
    refusedWith({ predicates: 'p', 'predicates.p.type': 'TopicNameMatches', 'predicates.p.pattern': '(?=a)' })[
      'predicates.p.pattern'
    ] ?? '',
    /Lookahead/,
  )
  assert.match(
    refusedWith({ ...filter, 'transforms.f.predicat': 'x' })['transforms.f.predicat'] ?? '',
    /did you mean transforms\.f\.predicate/,
  )
})

test('client overrides are an allow-list', () => {
  const config = accepted({
    'consumer.override.auto.offset.reset': 'latest',
    'consumer.override.group.id': 'mine',
    'consumer.override.max.poll.records': '2000',
  })
  assert.deepEqual(config.consumer, { groupId: 'mine', autoOffsetReset: 'latest' })
  for (const key of [
    'consumer.override.sasl.jaas.config',
    'consumer.override.bootstrap.servers',
    'consumer.override.interceptor.classes',
    'producer.override.transactional.id',
    'admin.override.security.protocol',
    'consumer.override.constructor',
  ]) {
    const parsed = parse({ [key]: 'canary' })
    assert.ok(!parsed.ok)
    assert.deepEqual(
      parsed.errors.map(error => [error.key, error.code]),
      [[key, 'NOT_SUPPORTED']],
    )
    assert.equal(JSON.stringify(parsed).includes('canary'), false)
  }
  assert.ok(refusedWith({ 'consumer.override.auto.offset.reset': 'none' })['consumer.override.auto.offset.reset'])
  assert.ok(
    refusedWith({ 'consumer.override.isolation.level': 'read_uncommitted' })['consumer.override.isolation.level'],
  )
})

test('the consumer group of a connector is not the group of the workers', () => {
  const context = { workerGroupId: 'connect-flights' }
  assert.match(refusedWith({}, context).name ?? '', /conflicts with Connect worker group connect-flights/)
  const overridden = refusedWith({ name: 'x', 'consumer.override.group.id': 'connect-flights' }, context)
  assert.match(overridden['consumer.override.group.id'] ?? '', /conflicts with Connect worker group/)
  accepted({ 'consumer.override.group.id': 'other' }, context)
})

test('unknown keys: a near miss is refused, another is kept and noticed once', () => {
  const parsed = parse({ 'my.own.key': '1' })
  assert.ok(parsed.ok)
  assert.equal(parsed.config.raw['my.own.key'], '1')
  assert.deepEqual(
    parsed.notices.map(notice => [notice.key, notice.kind]),
    [['my.own.key', 'unknown']],
  )
  assert.match(refusedWith({ 'auto.create.tables': 'true' })['auto.create.tables'] ?? '', /mean autoCreateTables\?/)
  accepted({ 'auto.create.tables': 'true', 'config.unknown.keys': 'warn' })
  assert.ok(refusedWith({ 'my.own.key': '1', 'config.unknown.keys': 'error' })['my.own.key'])
  assert.ok(refusedWith({ 'my.own.key': '1' }, { unknownKeys: 'error' })['my.own.key'])
  accepted({ 'my.own.key': '1', 'config.unknown.keys': 'near' }, { unknownKeys: 'error' })
})

test('the limits of a batch stay within those of the service', () => {
  assert.deepEqual(accepted().append, { maxBytes: 2000000, maxRows: 50000, lingerMs: 100 })
  for (const [key, value] of [
    ['append.max.bytes', '10000001'],
    ['append.max.bytes', '0'],
    ['append.max.rows', '0'],
    ['append.linger.ms', '-1'],
  ] as const) {
    assert.ok(refusedWith({ [key]: value })[key], `${key}=${value}`)
  }
})

test('lists, maps and keys of absurd lengths are refused by their limit, before they are taken apart', () => {
  const items = (count: number, item: (index: number) => string): string =>
    Array.from({ length: count }, (_, i) => item(i)).join(',')
  const refused = refusedWith({
    topics: items(10_001, i => `t${i}`),
    transforms: items(10_001, i => `a${i}`),
    topic2TableMap: items(10_001, i => `t${i}:b${i}`),
    keySource: 'JSON',
    keyfile: `{"type":"service_account","private_key":"${'x'.repeat(64 * 1024)}"}`,
  })
  const limits: readonly (readonly [string, RegExp])[] = [
    ['topics', /List may have at most 10000 items/],
    ['transforms', /List may have at most 100 items/],
    ['topic2TableMap', /At most 10000 topics may be mapped/],
    ['keyfile', /^Invalid value \[hidden\] .* longer than 65536 characters/],
  ]
  for (const [key, limit] of limits) assert.match(String(refused[key]), limit)
})

test('hostile sizes are answered quickly, and not repeated in full', { timeout: 60_000 }, () => {
  const dollars = '$' + '{'
  const hostile: readonly Readonly<Record<string, string>>[] = [
    { 'my.own.key': dollars.repeat(100_000) },
    { 'my.own.key': `${dollars}a:`.repeat(50_000) },
    { topics: `a${' '.repeat(200_000)}b` },
    { topics: 'a,'.repeat(100_000) },
    { transforms: 'a,'.repeat(100_000) },
    { transforms: Array.from({ length: 20_000 }, (_, index) => `a${index}`).join(',') },
    { 'tasks.max': '1'.repeat(200_000) },
    { topic2TableMap: 'a:'.repeat(100_000) },
    Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`topicx${index}`, '1'])),
  ]
  for (const [index, extra] of hostile.entries()) {
    const startedMs = performance.now()
    const parsed = parse(extra)
    const tookMs = performance.now() - startedMs
    // Quadratic work on these sizes takes far longer, on any machine.
    assert.ok(tookMs < 5000, `case ${index} took ${tookMs} ms`)
    assert.ok(JSON.stringify(parsed.ok ? [] : parsed.errors).length < 10_000, `case ${index}`)
  }
})
