// Everything the demo runs on, on free ports and in one data folder: Kafka, Redis, the emulator with its table, the topic.
import { join } from 'node:path'
import {
  type EmulatorProcess,
  type Kafka,
  type Redis,
  startEmulatorProcess,
  startKafka,
  startRedis,
} from '@millrace/testkit'
import { DATASET, EmulatorClient, PROJECT, TABLE } from './emulator-client.ts'
import { BrokerWire } from './kafka-wire.ts'
import { PARTITIONS, TOPIC } from './layout.ts'

export const CONNECTOR = 'flights'
export const LEASE_TTL_MS = 10_000

export type Environment = {
  readonly kafka: Kafka
  readonly redis: Redis
  readonly emulator: EmulatorProcess
  readonly tables: EmulatorClient
}

/** Starts all three side by side; what was started belongs to `stack` even when another one fails. */
export async function startEnvironment(
  folder: string,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Environment> {
  const own = async <T extends AsyncDisposable>(starting: Promise<T>): Promise<T> => stack.use(await starting)
  const started = await Promise.allSettled([
    own(startKafka({ dataDir: join(folder, 'kafka') })),
    own(startRedis()),
    own(startEmulatorProcess({ dataDir: join(folder, 'emulator') })),
  ] as const)
  for (const one of started) if (one.status === 'rejected') throw one.reason
  signal.throwIfAborted()
  const [kafka, redis, emulator] = started.map(one => (one as PromiseFulfilledResult<unknown>).value) as [
    Kafka,
    Redis,
    EmulatorProcess,
  ]
  const tables = new EmulatorClient(emulator.rest)
  const wire = await BrokerWire.open(kafka.bootstrapServers)
  try {
    await Promise.all([wire.createTopic(TOPIC, PARTITIONS), tables.createTable({ signal })])
  } finally {
    wire.close()
  }
  return { kafka, redis, emulator, tables }
}

export const workerProperties = ({ kafka, redis, emulator }: Environment): Record<string, string> => ({
  'bootstrap.servers': kafka.bootstrapServers,
  'group.id': 'millrace-demo',
  'config.storage.replication.factor': '1',
  'journal.storage.replication.factor': '1',
  'redis.url': redis.url,
  'session.timeout.ms': String(LEASE_TTL_MS),
  'bigquery.endpoint': `http://${emulator.grpc}`,
  'bigquery.rest.endpoint': emulator.rest,
  listeners: 'http://127.0.0.1:0',
})

/** As one would write it for Kafka Connect. */
export const CONNECTOR_CONFIG: Readonly<Record<string, string>> = {
  'connector.class': 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector',
  'tasks.max': '4',
  topics: TOPIC,
  project: PROJECT,
  defaultDataset: DATASET,
  autoCreateTables: 'false',
  'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
}

if (TOPIC !== TABLE) throw new Error('The connector writes each topic into the table of its name.')
