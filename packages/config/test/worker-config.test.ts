import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { isMillraceError, Secret } from '@millrace/core'
import {
  configRefused,
  environmentVariable,
  parseConnectorConfig,
  parseWorkerConfig,
  type WorkerConfig,
  type WorkerParse,
  type WorkerSources,
} from '../src/index.ts'

const file = (text: string): WorkerSources => ({ file: { path: 'worker.properties', text } })
const accepted = (sources: WorkerSources): WorkerConfig => {
  const parsed = parseWorkerConfig(sources)
  assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.errors, null, 2))
  return parsed.config
}
const refused = (sources: WorkerSources): Record<string, string> => {
  const parsed = parseWorkerConfig(sources)
  assert.ok(!parsed.ok, 'expected errors')
  return Object.fromEntries(parsed.errors.map(error => [error.key, error.message]))
}
const described = (parsed: WorkerParse, key: string): readonly [string | null, string] => {
  assert.ok(parsed.ok)
  const setting = parsed.described.find(candidate => candidate.key === key)
  assert.ok(setting, key)
  return [setting.value, setting.origin]
}

test('a worker starts without any setting, on the defaults of the architecture', () => {
  const config = accepted({})
  assert.deepEqual(config.bootstrapServers, ['localhost:9092'])
  assert.equal(config.groupId, 'millrace')
  assert.deepEqual(config.configTopic, { name: 'millrace-config', replicationFactor: 3 })
  assert.deepEqual(config.journalTopic, { name: 'millrace-journal', replicationFactor: 3, partitions: 25 })
  assert.equal(config.redis.url.reveal(), 'redis://127.0.0.1:6379')
  assert.equal(config.redis.prefix, 'millrace:')
  assert.deepEqual(config.rest.listeners, [{ scheme: 'http', host: '127.0.0.1', port: 8083 }])
  assert.deepEqual([config.leaseTtlMs, config.leaseRenewalMs, config.rebalanceDelayMs], [10000, 3000, 0])
  assert.deepEqual(config.streamCreate, { burst: 40, maxPerSec: 20, maxPerHour: 9000 })
  assert.equal(config.memoryBudgetBytes, 128 * 1024 * 1024)
  assert.deepEqual(config.bigquery, { endpoint: null, restEndpoint: null })
})

test('names of topics and Redis keys follow group.id unless they are given', () => {
  const config = accepted(file('group.id=etl\njournal.storage.topic=j'))
  assert.deepEqual(
    [config.configTopic.name, config.journalTopic.name, config.redis.prefix],
    ['etl-config', 'j', 'etl:'],
  )
})

test('a flag comes before the environment, that before the file, the file before the default', () => {
  const sources = {
    ...file('group.id=from-file\nredis.prefix=from-file\nsession.timeout.ms=20000\n'),
    environment: { CONNECT_GROUP_ID: 'from-env', CONNECT_REDIS_PREFIX: 'from-env' },
    flags: { 'group.id': 'from-flag' },
  }
  const parsed = parseWorkerConfig(sources)
  assert.deepEqual(described(parsed, 'group.id'), ['from-flag', 'command line'])
  assert.deepEqual(described(parsed, 'redis.prefix'), ['from-env', 'environment variable CONNECT_REDIS_PREFIX'])
  assert.deepEqual(described(parsed, 'session.timeout.ms'), ['20000', 'worker.properties:3'])
  assert.deepEqual(described(parsed, 'heartbeat.interval.ms'), ['3000', 'default'])
})

test('the environment is asked per known key, those with prefixes and converter settings included', () => {
  const { kafkaClients, connectorContext } = accepted({
    environment: {
      CONNECT_CONSUMER_SECURITY_PROTOCOL: 'SSL',
      CONNECT_VALUE_CONVERTER_SCHEMAS_ENABLE: 'false',
      CONNECT_LOG4J_ROOT_LOGLEVEL: 'INFO',
      CONNECT_GROUP_IDD: 'x',
    },
  })
  assert.equal(kafkaClients.consumer['security.protocol'], 'SSL')
  assert.equal(kafkaClients.producer['security.protocol'], 'PLAINTEXT')
  assert.deepEqual(connectorContext.converters?.value?.options, { 'schemas.enable': 'false' })
  assert.equal(environmentVariable('rest.advertised.host.name'), 'CONNECT_REST_ADVERTISED_HOST_NAME')
})

test('client settings go to all clients, and those with a prefix to their role', () => {
  const { kafkaClients } = accepted(
    file(
      [
        'bootstrap.servers=a:9092, b:9093',
        'security.protocol=SASL_SSL',
        'sasl.mechanism=SCRAM-SHA-256',
        'sasl.jaas.config=ScramLoginModule required username="u" password="canary";',
        'ssl.endpoint.identification.algorithm=',
        'producer.sasl.jaas.config=ScramLoginModule required username="w" password="other";',
      ].join('\n'),
    ),
  )
  assert.equal(kafkaClients.common['bootstrap.servers'], 'a:9092,b:9093')
  assert.equal(kafkaClients.consumer['sasl.mechanism'], 'SCRAM-SHA-256')
  assert.equal(kafkaClients.consumer['ssl.endpoint.identification.algorithm'], '')
  const [common, producer] = [kafkaClients.common['sasl.jaas.config'], kafkaClients.producer['sasl.jaas.config']]
  assert.ok(common instanceof Secret && producer instanceof Secret)
  assert.match(common.reveal(), /canary/)
  assert.match(producer.reveal(), /other/)
  assert.equal('ssl.keystore.location' in kafkaClients.admin, false)
})

test('where connectors begin to read may be said for all of them; a connector that says it itself is heard', () => {
  const { connectorContext } = accepted(file('consumer.auto.offset.reset=latest'))
  const connector = { name: 'c', 'connector.class': 'BigQuerySink', topics: 't', project: 'p-1', defaultDataset: 'd' }
  const resetOf = (over: object, context = connectorContext): string => {
    const parsed = parseConnectorConfig({ ...connector, ...over }, context)
    return parsed.ok ? parsed.config.consumer.autoOffsetReset : JSON.stringify(parsed.errors)
  }
  assert.equal(resetOf({}), 'latest')
  assert.equal(resetOf({ 'consumer.override.auto.offset.reset': 'earliest' }), 'earliest')
  assert.equal(resetOf({}, accepted({}).connectorContext), 'earliest')
  assert.match(
    refused(file('consumer.auto.offset.reset=newest'))['consumer.auto.offset.reset'] ?? '',
    /earliest, latest/,
  )
})

test('client settings without effect here are told of with their reason, whatever their value', () => {
  const text =
    'consumer.max.poll.records=500\nconsumer.isolation.level=read_uncommitted\nproducer.acks=1\nconsumer.group.id=x'
  const parsed = parseWorkerConfig(file(text))
  assert.ok(parsed.ok)
  assert.deepEqual(
    parsed.notices.map(({ key, kind }) => `${kind} ${key}`).toSorted(),
    ['consumer.group.id', 'consumer.isolation.level', 'consumer.max.poll.records', 'producer.acks'].map(
      key => `ignored ${key}`,
    ),
  )
})

test('secrets show in no output', () => {
  const text = [
    'redis.url=redis://:canary@r:6379',
    'sasl.jaas.config=password="canary"',
    'consumer.ssl.key.password=canary',
    'ssl.keystore.key=canary',
  ].join('\n')
  const parsed = parseWorkerConfig(file(text))
  assert.ok(parsed.ok)
  assert.deepEqual(described(parsed, 'redis.url'), ['[hidden]', 'worker.properties:1'])
  assert.deepEqual(described(parsed, 'consumer.ssl.key.password')[0], '[hidden]')
  for (const output of [JSON.stringify(parsed), inspect(parsed, { depth: 20 })])
    assert.equal(output.includes('canary'), false)
  const broken = parseWorkerConfig(file('redis.url=canary\nsasl.mechanism=x\nconfg.storage.topic=canary'))
  assert.ok(!broken.ok)
  assert.equal(JSON.stringify(broken).includes('canary'), false)
})

test('every error names its key and where it was read', () => {
  const errors = refused({
    ...file('boostrap.servers=a:1\nsession.timeout.ms=abc\nlisteners=nowhere\nbigquery.endpoint=ftp://x\n'),
    environment: { CONNECT_STREAM_CREATE_MAX_PER_SEC: '41' },
  })
  assert.match(errors['boostrap.servers'] ?? '', /did you mean bootstrap\.servers\?.*worker\.properties:1/)
  assert.match(errors['session.timeout.ms'] ?? '', /Not a number of type INT \(worker\.properties:2\)/)
  assert.match(errors.listeners ?? '', /scheme:\/\/host:port \(worker\.properties:3\)/)
  assert.match(errors['bigquery.endpoint'] ?? '', /http:\/\/ or https:\/\//)
  assert.match(errors['stream.create.max.per.sec'] ?? '', /no more than 40 \(environment variable CONNECT_/)
})

test('a malformed file is one error with its line', () => {
  assert.match(refused(file('group.id=\\u00'))['worker.properties'] ?? '', /worker\.properties:1/)
})

test('settings that contradict each other are refused', () => {
  assert.ok(refused(file('session.timeout.ms=5000'))['heartbeat.interval.ms'])
  assert.ok(refused(file('journal.storage.topic=x\nconfig.storage.topic=x'))['journal.storage.topic'])
  assert.ok(refused(file('auto.restart.backoff.ms=500000'))['auto.restart.backoff.max.ms'])
  assert.ok(refused(file('sasl.mechanism=GSSAPI'))['sasl.mechanism'])
})

test('a worker file of Kafka Connect starts; its storage keys are ignored with a notice', () => {
  const parsed = parseWorkerConfig(
    file(
      [
        '# connect-distributed.properties',
        'bootstrap.servers=localhost:9092',
        'group.id=connect-cluster',
        'key.converter=org.apache.kafka.connect.json.JsonConverter',
        'value.converter=org.apache.kafka.connect.json.JsonConverter',
        'key.converter.schemas.enable=true',
        'value.converter.schemas.enable=true',
        'offset.storage.topic=connect-offsets',
        'offset.storage.replication.factor=1',
        'config.storage.topic=connect-configs',
        'config.storage.replication.factor=1',
        'status.storage.topic=connect-status',
        'status.storage.replication.factor=1',
        'offset.flush.interval.ms=10000',
        'listeners=HTTP://127.0.0.1:8083',
        'plugin.path=/usr/local/share/java',
        'rest.extension.classes=',
      ].join('\n'),
    ),
  )
  assert.ok(parsed.ok, JSON.stringify(parsed))
  assert.deepEqual(parsed.config.configTopic, { name: 'connect-configs', replicationFactor: 1 })
  assert.deepEqual(parsed.config.rest.listeners, [{ scheme: 'http', host: '127.0.0.1', port: 8083 }])
  assert.deepEqual(parsed.notices.map(notice => notice.key).toSorted(), [
    'offset.storage.replication.factor',
    'offset.storage.topic',
    'plugin.path',
    'status.storage.replication.factor',
    'status.storage.topic',
  ])
})

test('what would be a hole if it were ignored stops the worker', () => {
  for (const line of ['rest.extension.classes=com.acme.Auth']) {
    const key = line.slice(0, line.indexOf('='))
    assert.match(refused(file(line))[key] ?? '', /not supported/, line)
  }
})

test('unknown keys follow config.unknown.keys', () => {
  assert.deepEqual(Object.keys(refused(file('my.key=1\nconfig.unknown.keys=error'))), ['my.key'])
  const parsed = parseWorkerConfig(file('boostrap.servers=a:1\nmy.key=1\nconfig.unknown.keys=warn'))
  assert.ok(parsed.ok)
  assert.deepEqual(
    parsed.notices.map(notice => notice.key),
    ['boostrap.servers', 'my.key'],
  )
  assert.equal(parsed.config.connectorContext.unknownKeys, 'warn')
})

test('connectors inherit converters, reserved topics and the group from the worker', () => {
  const { connectorContext } = accepted(file('group.id=etl\nvalue.converter.schemas.enable=false'))
  const raw = { name: 'n', 'connector.class': 'BigQuerySink', topics: 't', project: 'p', defaultDataset: 'd' }
  const parsed = parseConnectorConfig(raw, connectorContext)
  assert.ok(parsed.ok)
  assert.equal(parsed.config.valueConverter.schemasEnable, false)
  assert.equal(parseConnectorConfig({ ...raw, topics: 'etl-journal' }, connectorContext).ok, false)
})

test('a converter that is not built stops only the connectors that use it', () => {
  const { connectorContext } = accepted(
    file('value.converter=io.confluent.connect.avro.AvroConverter\nvalue.converter.schema.registry.url=http://r:8081'),
  )
  const raw = { name: 'n', 'connector.class': 'BigQuerySink', topics: 't', project: 'p', defaultDataset: 'd' }
  assert.equal(parseConnectorConfig(raw, connectorContext).ok, false)
  const json = { 'value.converter': 'org.apache.kafka.connect.json.JsonConverter' }
  assert.equal(parseConnectorConfig({ ...raw, ...json }, connectorContext).ok, true)
})

test('collected errors become one error for the process to end with', () => {
  const parsed = parseWorkerConfig(file('boostrap.servers=a:1\nsession.timeout.ms=x'))
  assert.ok(!parsed.ok)
  const error = configRefused(parsed.errors, 'worker.properties')
  assert.ok(isMillraceError(error))
  assert.equal(error.code, 'CONFIG_INVALID')
  assert.match(error.message, /^Configuration is invalid \(worker\.properties\): 2 errors\n/)
  assert.match(error.message, /boostrap\.servers/)
  assert.deepEqual(error.details.keys, ['session.timeout.ms', 'boostrap.servers'])
})

test('the API is open to this machine only, unless who comes has to log in, and not in clear text', () => {
  const key = (lines: string): string => Object.keys(refused(file(lines))).join()
  const text = (lines: string, of = 'listeners'): string => refused(file(lines))[of] ?? ''
  const basic = 'rest.authentication=basic\nrest.basic.users.file=/etc/users\n'
  for (const host of ['', '0.0.0.0', '[::]', '192.0.2.1', 'worker-1', '127.0.0.1.evil.example'])
    assert.match(text(`listeners=http://${host}:8083`), /not a loopback address, so it needs rest.authentication=basic/)
  for (const host of ['127.0.0.1', '127.8.8.8', 'localhost', '[::1]']) accepted(file(`listeners=http://${host}:8083`))
  assert.match(text(`${basic}listeners=http://0.0.0.0:8083`), /passwords in clear text/)
  assert.match(text(`${basic}listeners=https://0.0.0.0:8083`), /needs listeners.https.ssl.keystore.location/)
  assert.match(text('admin.listeners=http://0.0.0.0:8083', 'admin.listeners'), /needs rest.authentication/)
  assert.equal(key('rest.authentication=basic'), 'rest.basic.users.file')
  assert.equal(key('rest.basic.users.file=/etc/users'), 'rest.basic.users.file')
  const plain = accepted(file(`${basic}listeners=http://:8083,http://127.0.0.1:8084\nrest.plain.http.allow=true`)).rest
  assert.deepEqual(plain.plainListeners, [{ scheme: 'http', host: '0.0.0.0', port: 8083 }])
  const tls = accepted(file(`${basic}listeners=https://:8443\nlisteners.https.ssl.keystore.location=/k.p12`)).rest
  assert.deepEqual(tls.plainListeners, [])
})

test('https listeners have a key store of their own, or else that of the Kafka clients, whole', () => {
  const clients =
    'listeners=https://127.0.0.1:1\nssl.keystore.location=/c.pem\nssl.keystore.password=c\nssl.truststore.location=/t'
  assert.deepEqual(Object.keys(accepted(file(clients)).rest.tls), ['ssl.keystore.location', 'ssl.keystore.password'])
  const own = accepted(file(`${clients}\nlisteners.https.ssl.keystore.location=/o.pem`)).rest.tls
  assert.deepEqual(own, { 'listeners.https.ssl.keystore.location': '/o.pem' })
  const asked = refused(file(`${clients}\nlisteners.https.ssl.client.auth=required`))
  assert.match(asked['listeners.https.ssl.client.auth'] ?? '', /must be one of: none/)
})

test('listeners for /admin: none set, none wanted, some', () => {
  assert.equal(accepted({}).rest.adminListeners, null)
  assert.deepEqual(accepted(file('admin.listeners=')).rest.adminListeners, [])
  assert.deepEqual(accepted(file('admin.listeners=http://localhost:1')).rest.adminListeners, [
    { scheme: 'http', host: 'localhost', port: 1 },
  ])
})

test('origins, methods and headers are read as Connect reads them', () => {
  const rest = accepted(
    file(
      [
        'access.control.allow.origin=https://a.example, http://localhost:3000',
        'access.control.allow.methods=get,Put',
        'response.http.headers.config="set Cache-Control: no-cache, no-store", add X-Frame-Options:DENY,setDate Expires: 0',
      ].join('\n'),
    ),
  ).rest
  assert.deepEqual(rest.cors, { origins: ['https://a.example', 'http://localhost:3000'], methods: ['GET', 'PUT'] })
  assert.deepEqual(rest.headers, [
    { action: 'set', name: 'Cache-Control', value: 'no-cache, no-store' },
    { action: 'add', name: 'X-Frame-Options', value: 'DENY' },
    { action: 'setDate', name: 'Expires', value: '0' },
  ])
  assert.equal(accepted({}).rest.cors, null)
  for (const [key, value] of [
    ['access.control.allow.origin', 'a.example'],
    ['access.control.allow.methods', 'TRACE'],
    ['response.http.headers.config', 'remove Server: x'],
    ['response.http.headers.config', 'set X: a\\r\\nSet-Cookie: b'],
    ['response.http.headers.config', '"set X: a'],
    ['response.http.headers.config', 'setDate Expires: tomorrow'],
  ] as const)
    assert.ok(refused(file(`${key}=${value}`))[key], `${key}=${value}`)
})
