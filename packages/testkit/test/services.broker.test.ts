import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { startKafka } from '../src/index.ts'
import { countBrokers } from '../src/services/kafka-probe.ts'

const portOf = (bootstrapServer: string): number => Number(bootstrapServer.split(':')[1])

test('three brokers know each other; one that was killed comes back with its port', async () => {
  await using kafka = await startKafka({ brokers: 3 })
  const ports = kafka.bootstrapServers.split(',').map(portOf)
  assert.equal(ports.length, 3)
  assert.deepEqual(await Promise.all(ports.map(countBrokers)), [3, 3, 3])
  await kafka.stopBroker(1, 'SIGKILL')
  assert.equal(await countBrokers(ports[1] as number), null)
  await kafka.startBroker(1)
  assert.notEqual(await countBrokers(ports[1] as number), null)
  await kafka.stop()
  assert.equal(existsSync(kafka.dataDir), false)
})
