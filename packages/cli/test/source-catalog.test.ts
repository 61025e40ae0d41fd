// Which partitions each connector has, remembered between looks: what is remembered must be what a fresh look would say.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConfigStore, ConnectorEntry, Incarnation, Logger, TopicCatalog } from '@millrace/core'
import { VirtualTime } from '@millrace/testkit'
import { SourceCatalog } from '../src/worker/source-catalog.ts'

const { signal } = new AbortController()
const logger: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => logger }

function entryOf(name: string, topics: string, more: Partial<ConnectorEntry> = {}): ConnectorEntry {
  return {
    name,
    incarnation: `inc-${name}` as Incarnation,
    version: 1,
    configGeneration: 1,
    config: { name, 'connector.class': 'BigQuerySink', topics, project: 'my-project', defaultDataset: 'ds' },
    targetState: 'STARTED',
    hasTasks: true,
    restarts: { connector: 0, allTasks: 0, tasks: {} },
    journalId: 'j',
    predecessors: [],
    topicsResetAtMs: 0,
    createdAtMs: 0,
    updatedAtMs: 0,
    ...more,
  }
}

function setUp() {
  const connectors = new Map<string, ConnectorEntry>()
  const counts = new Map<string, number>()
  let configsRead = 0
  const watched = (entry: ConnectorEntry): ConnectorEntry => ({
    ...entry,
    get config() {
      configsRead += 1
      return entry.config
    },
  })
  const time = new VirtualTime()
  const catalog = new SourceCatalog(
    {
      configStore: { read: () => ({ connectors, deleted: new Map() }) } as Partial<ConfigStore> as ConfigStore,
      topics: { partitionCounts: async () => new Map(counts) } as Partial<TopicCatalog> as TopicCatalog,
    },
    { connectorContext: {} },
    { clock: time, timers: time, random: { nextUint32: () => 7, nextId: () => 'id' }, logger },
  )
  const partitionsOf = (name: string): readonly string[] | null =>
    catalog
      .connectors()
      .find(connector => connector.name === name)
      ?.partitions?.map(({ topic, partition }) => `${topic}-${partition}`) ?? null
  return {
    catalog,
    counts,
    put: (entry: ConnectorEntry) => void connectors.set(entry.name, watched(entry)),
    remove: (name: string) => void connectors.delete(name),
    partitionsOf,
    readsDuring: (work: () => void): number => {
      const before = configsRead
      work()
      return configsRead - before
    },
  }
}

test('partitions and topics that appear are found at the next look', async () => {
  const { catalog, counts, put, partitionsOf } = setUp()
  put(entryOf('a', 'one,two'))
  assert.equal(partitionsOf('a'), null, 'nothing is known before the first look')
  counts.set('one', 1)
  await catalog.look({ signal })
  assert.deepEqual(partitionsOf('a'), ['one-0'])
  counts.set('one', 2).set('two', 1).set('three', 5)
  await catalog.look({ signal })
  assert.deepEqual(partitionsOf('a'), ['one-0', 'one-1', 'two-0'])
})

test('a changed config, and a connector created anew, select anew', async () => {
  const { catalog, counts, put, partitionsOf } = setUp()
  counts.set('one', 1).set('two', 1)
  await catalog.look({ signal })
  put(entryOf('a', 'one'))
  assert.deepEqual(partitionsOf('a'), ['one-0'])
  put(entryOf('a', 'two', { configGeneration: 2 }))
  assert.deepEqual(partitionsOf('a'), ['two-0'])
  put(entryOf('a', 'one', { incarnation: 'another' as Incarnation }))
  assert.deepEqual(partitionsOf('a'), ['one-0'])
})

test('a topic that is missing from one answer keeps its partitions', async () => {
  const { catalog, counts, put, partitionsOf } = setUp()
  put(entryOf('a', 'one'))
  counts.set('one', 2)
  await catalog.look({ signal })
  counts.delete('one')
  await catalog.look({ signal })
  assert.deepEqual(partitionsOf('a'), ['one-0', 'one-1'])
})

test('while nothing changes a thousand connectors are not looked into again, however often Kafka is asked', async () => {
  const { catalog, counts, put, remove, readsDuring } = setUp()
  counts.set('one', 3)
  await catalog.look({ signal })
  for (let i = 0; i < 1_000; i++) put(entryOf(`c${i}`, 'one'))
  const first = readsDuring(() => void catalog.connectors())
  assert.ok(first >= 1_000)
  await catalog.look({ signal })
  const tasksOnly = readsDuring(() => void catalog.connectors())
  assert.ok(tasksOnly < first, `${tasksOnly} after ${first}: tasks.max is read, the topics are not`)
  const again = catalog.connectors()
  assert.equal(again[7]?.partitions, catalog.connectors()[7]?.partitions, 'the very same list')
  for (let i = 0; i < 1_000; i++) remove(`c${i}`)
  assert.deepEqual(catalog.connectors(), [])
  put(entryOf('c1', 'one'))
  assert.equal(catalog.connectors()[0]?.partitions?.length, 3)
})
