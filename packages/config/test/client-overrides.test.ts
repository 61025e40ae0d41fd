// What a connector's author could do with a client's settings, if he were let (CVE-2023-25194, CVE-2025-27817): none of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConnectorConfig, parseWorkerConfig } from '../src/index.ts'

const CONNECTOR = { name: 'n', 'connector.class': 'BigQuerySink', topics: 't', project: 'p', defaultDataset: 'd' }
const CANARY = 'c4n4ry'
/** Settings of Kafka's clients that decide whom they trust, who they are, where they connect, or what code they run. */
const DANGEROUS = [
  'bootstrap.servers',
  'bootstrap.controllers',
  'client.dns.lookup',
  'security.protocol',
  'security.providers',
  'sasl.mechanism',
  'sasl.jaas.config',
  'sasl.client.callback.handler.class',
  'sasl.login.callback.handler.class',
  'sasl.login.class',
  'sasl.kerberos.kinit.cmd',
  'sasl.kerberos.service.name',
  'sasl.oauthbearer.token.endpoint.url',
  'sasl.oauthbearer.jwks.endpoint.url',
  'sasl.oauthbearer.assertion.private.key.file',
  'ssl.truststore.location',
  'ssl.truststore.certificates',
  'ssl.truststore.password',
  'ssl.keystore.location',
  'ssl.keystore.key',
  'ssl.key.password',
  'ssl.engine.factory.class',
  'ssl.endpoint.identification.algorithm',
  'ssl.provider',
  'interceptor.classes',
  'metric.reporters',
  'key.deserializer',
  'value.deserializer',
  'key.serializer',
  'partitioner.class',
  'config.providers',
  'config.providers.file.class',
  'transactional.id',
  'group.instance.id',
  'allow.auto.create.topics',
  '__proto__',
  'constructor',
] as const

test('no override of a connector reaches the log-in, the trust, the brokers or the code of a client', () => {
  const policies = ['All', 'Principal', 'None', 'Allowlist'].map(policy => {
    const parse = parseWorkerConfig({
      flags: {
        'connector.client.config.override.policy': policy,
        'connector.client.config.override.allowlist': policy === 'Allowlist' ? DANGEROUS.join(',') : '',
      },
    })
    assert.ok(parse.ok, JSON.stringify(parse))
    return parse.config.connectorContext
  })
  for (const context of policies)
    for (const client of ['consumer', 'producer', 'admin'])
      for (const setting of DANGEROUS) {
        const key = `${client}.override.${setting}`
        const parse = parseConnectorConfig({ ...CONNECTOR, [key]: CANARY }, context)
        assert.ok(!parse.ok, key)
        assert.deepEqual(
          parse.errors.map(error => error.key),
          [key],
        )
        assert.ok(!JSON.stringify(parse.errors).includes(CANARY), key)
      }
})

test('what may be overridden and has no effect here changes nothing of a client', () => {
  const parse = parseConnectorConfig({ ...CONNECTOR, 'consumer.override.client.id': 'somebody-else' })
  assert.ok(parse.ok)
  assert.deepEqual(parse.config.consumer, { groupId: 'connect-n', autoOffsetReset: 'earliest' })
  assert.match(parse.notices[0]?.message ?? '', /consumer\.override\.client\.id is ignored/)
})
