// The config writer on a topic that fails in every way a topic may: nobody loses an update, nobody is told what is not so.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ConfigWriter, type ControlChange, type Incarnation, isMillraceError, type Logger } from '@millrace/core'
import { CompactedTopicTwin, VirtualTime } from '@millrace/testkit'

const never = { signal: new AbortController().signal }
const quiet: Logger = { error() {}, warn() {}, info() {}, debug() {}, child: () => quiet }
let nextId = 0

async function openWriter(topic: CompactedTopicTwin, time: VirtualTime = new VirtualTime()): Promise<ConfigWriter> {
  const random = { nextUint32: () => 1, nextId: () => `id${nextId++}` }
  return await ConfigWriter.open({ log: topic.client(), clock: time, timers: time, random, logger: quiet }, never)
}

const create = (name: string, config: Record<string, string> = { name }): ControlChange => ({
  kind: 'create',
  name,
  config,
  targetState: 'STARTED',
  incarnation: `inc${nextId++}` as Incarnation,
  journalId: 'j',
})

describe('the config writer', () => {
  test('what is written is there at once, here and after a refresh elsewhere', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await openWriter(topic)
    await using two = await openWriter(topic)
    assert.equal((await one.write(create('a'), never)).kind, 'written')
    assert.ok(one.read().connectors.has('a'))
    assert.ok((await two.refresh(never)).connectors.has('a'))
  })

  test('of two creates of one name exactly one succeeds', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await openWriter(topic)
    await using two = await openWriter(topic)
    const results = await Promise.all([one.write(create('a'), never), two.write(create('a'), never)])
    assert.deepEqual(results.map(result => result.kind).sort(), ['exists', 'written'])
  })

  test('of two writers with the same version exactly one succeeds, the other is told the current one', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await openWriter(topic)
    await using two = await openWriter(topic)
    await one.write(create('a'), never)
    const configure = (x: string): ControlChange => ({ kind: 'configure', name: 'a', config: { name: 'a', x } })
    const results = await Promise.all([
      one.write(configure('1'), { ifVersion: 1, ...never }),
      two.write(configure('2'), { ifVersion: 1, ...never }),
    ])
    assert.deepEqual(results.map(result => result.kind).sort(), ['conflict', 'written'])
    const conflict = results.find(result => result.kind === 'conflict')
    assert.equal(conflict?.kind === 'conflict' && conflict.currentVersion, 2)
  })

  test('no update is lost when many workers change many connectors at once', async () => {
    const topic = new CompactedTopicTwin()
    const writers = await Promise.all([1, 2, 3].map(() => openWriter(topic)))
    await writers[0]!.write(create('a'), never)
    const restarts = writers.flatMap(writer =>
      Array.from({ length: 10 }, () =>
        writer.write({ kind: 'restart', name: 'a', connector: true, tasks: [1] }, never),
      ),
    )
    for (const result of await Promise.all(restarts)) assert.equal(result.kind, 'written')
    for (const writer of writers) {
      const entry = (await writer.refresh(never)).connectors.get('a')
      assert.deepEqual(entry?.restarts, { connector: 30, allTasks: 0, tasks: { '1': 30 } })
      assert.equal(entry.version, 31)
    }
    topic.compact({ dropTombstones: true })
    assert.equal(topic.records.length <= 2, true, `superseded records stay: ${topic.records.map(record => record.key)}`)
    await using late = await openWriter(topic)
    assert.equal(late.read().connectors.get('a')?.version, 31)
    for (const writer of writers) await writer[Symbol.asyncDispose]()
  })

  for (const fault of ['lost', 'landed', 'late'] as const) {
    test(`an append whose answer is missing (${fault}) is resolved, and counts once`, async () => {
      const topic = new CompactedTopicTwin()
      const time = new VirtualTime()
      await using writer = await openWriter(topic, time)
      await writer.write(create('a'), never)
      topic.failNextAppend(fault)
      const restart = writer.write({ kind: 'restart', name: 'a', connector: true, tasks: [] }, never)
      await time.advance(1_000)
      assert.equal((await restart).kind, 'written')
      topic.landLate()
      await using other = await openWriter(topic)
      for (const reader of [writer, other]) {
        assert.equal((await reader.refresh(never)).connectors.get('a')?.restarts.connector, 1)
      }
    })
  }

  test('while the log is away a write waits, its caller may give up, and reading goes on', async () => {
    const topic = new CompactedTopicTwin()
    const time = new VirtualTime()
    await using writer = await openWriter(topic, time)
    await writer.write(create('a'), never)
    topic.failNextAppend('lost')
    const abort = new AbortController()
    const write = writer.write({ kind: 'delete', name: 'a' }, { signal: abort.signal })
    const reason = new Error('the client went away')
    await time.settle()
    abort.abort(reason)
    await assert.rejects(write, error => error === reason)
    assert.ok(writer.read().connectors.has('a'))
    await time.advance(1_000)
    assert.equal(
      (await writer.write({ kind: 'setTargetState', name: 'a', targetState: 'PAUSED' }, never)).kind,
      'written',
    )
  })

  test('followers hear of changes in order and may skip steps, never the last', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await openWriter(topic)
    await using two = await openWriter(topic)
    const abort = new AbortController()
    const seen: number[] = []
    const watching = (async () => {
      for await (const state of two.changes({ signal: abort.signal })) {
        seen.push(state.connectors.get('a')?.version ?? 0)
        if (seen.at(-1) === 5) abort.abort()
      }
    })()
    await one.write(create('a'), never)
    for (let i = 0; i < 4; i++) await one.write({ kind: 'restart', name: 'a', connector: true, tasks: [] }, never)
    await watching
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
    )
  })

  test('a topic with foreign records is refused at start, and not written to when they come later', async () => {
    const topic = new CompactedTopicTwin()
    await using writer = await openWriter(topic)
    topic.land('connector-a', '{"properties":{}}')
    const isUnsafe = (error: unknown): boolean => isMillraceError(error) && error.code === 'JOURNAL_TOPIC_UNSAFE'
    await assert.rejects(writer.write(create('a'), never), isUnsafe)
    await assert.rejects(openWriter(topic), isUnsafe)
    assert.equal(topic.records.length, 1)
    assert.equal(writer.failure?.code, 'JOURNAL_TOPIC_UNSAFE')
  })

  test('deleting and creating again makes another incarnation that knows its predecessors', async () => {
    const topic = new CompactedTopicTwin()
    await using writer = await openWriter(topic)
    const incarnations: string[] = []
    for (let i = 0; i < 3; i++) {
      const result = await writer.write(create('a'), never)
      assert.equal(result.kind, 'written')
      if (result.kind === 'written') incarnations.unshift(result.entry.incarnation)
      assert.equal((await writer.write({ kind: 'delete', name: 'a' }, never)).kind, 'deleted')
      assert.equal((await writer.write({ kind: 'delete', name: 'a' }, never)).kind, 'notFound')
    }
    assert.deepEqual(writer.read().deleted.get('a')?.incarnations, incarnations)
    topic.compact()
    assert.equal(
      topic.records.some(record => record.value?.includes('config')),
      false,
      'a deleted connector keeps no config',
    )
  })
})

describe('the history of a connector', () => {
  const configure = (x: string): ControlChange => ({ kind: 'configure', name: 'a', config: { name: 'a', x } })
  const xs = (writer: ConfigWriter): readonly (string | undefined)[] =>
    writer.history('a').map(({ config }) => config.x)

  test('keeps each config with the moment it came and who brought it, not every write', async () => {
    const topic = new CompactedTopicTwin()
    const time = new VirtualTime()
    await using writer = await openWriter(topic, time)
    await writer.write(create('a', { name: 'a', x: '0' }), { by: 'ada', ...never })
    const bornMs = time.nowMs()
    time.jump(1_000)
    await writer.write({ kind: 'setTargetState', name: 'a', targetState: 'PAUSED' }, { by: 'bob', ...never })
    await writer.write({ kind: 'restart', name: 'a', connector: true, tasks: 'all' }, never)
    assert.deepEqual(writer.history('a'), [
      { version: 1, configGeneration: 1, config: { name: 'a', x: '0' }, changedAtMs: bornMs, by: 'ada' },
    ])
    await writer.write(configure('1'), { by: 'eve', ...never })
    await writer.write({ kind: 'setTargetState', name: 'a', targetState: 'STARTED' }, never)
    assert.deepEqual(
      writer.history('a').map(({ version, configGeneration, config, by }) => [version, configGeneration, config.x, by]),
      [
        [4, 2, '1', 'eve'],
        [1, 1, '0', 'ada'],
      ],
    )
  })

  test('holds fifty, and is the same for who starts later, whatever was compacted', async () => {
    const topic = new CompactedTopicTwin()
    await using one = await openWriter(topic)
    await using two = await openWriter(topic)
    await one.write(create('a', { name: 'a', x: '0' }), never)
    for (let i = 1; i <= 60; i++) {
      await (i % 2 === 0 ? one : two).write(configure(String(i)), never)
      await one.write({ kind: 'restart', name: 'a', connector: true, tasks: [] }, never)
      if (i % 20 === 0) topic.compact({ dropTombstones: true })
    }
    await two.refresh(never)
    const expected = Array.from({ length: 50 }, (_, i) => String(60 - i))
    assert.deepEqual(xs(one), expected)
    assert.deepEqual(xs(two), expected)
    topic.compact({ dropTombstones: true })
    assert.ok(topic.records.length <= 54, `the log stays bounded: ${topic.records.length}`)
    await using late = await openWriter(topic)
    assert.deepEqual(xs(late), expected)
  })

  test('large configs take their room, whatever their number', async () => {
    const topic = new CompactedTopicTwin()
    await using writer = await openWriter(topic)
    const large = (letter: string): string => letter.repeat(500_000)
    await writer.write(create('a', { name: 'a', x: large('a') }), never)
    for (const letter of 'bcdefgh') await writer.write(configure(large(letter)), never)
    assert.equal(writer.history('a').length, 5, 'the one in force and 2 MiB of earlier ones')
  })

  test('racing writers leave one history, of the winners only', async () => {
    const topic = new CompactedTopicTwin()
    const writers = await Promise.all([1, 2, 3].map(() => openWriter(topic)))
    await writers[0]!.write(create('a', { name: 'a', x: '0' }), never)
    await Promise.all(
      writers.flatMap((writer, w) => Array.from({ length: 8 }, (_, i) => writer.write(configure(`${w}/${i}`), never))),
    )
    for (const writer of writers) await writer.refresh(never)
    const [first] = writers.map(xs)
    assert.equal(first?.length, 25)
    assert.equal(new Set(first).size, 25)
    for (const writer of writers) assert.deepEqual(xs(writer), first)
    for (const writer of writers) await writer[Symbol.asyncDispose]()
  })

  test('a delete ends it: nothing of the old configs stays in the log', async () => {
    const topic = new CompactedTopicTwin()
    await using writer = await openWriter(topic)
    await writer.write(create('a', { name: 'a', x: 'canary' }), never)
    await writer.write(configure('canary too'), never)
    await writer.write({ kind: 'delete', name: 'a' }, never)
    assert.deepEqual(writer.history('a'), [])
    topic.compact({ dropTombstones: true })
    assert.doesNotMatch(JSON.stringify(topic.records.map(({ value }) => value)), /canary/)
    await writer.write(create('a', { name: 'a', x: 'new' }), never)
    assert.deepEqual(xs(writer), ['new'])
  })

  test('records written before there was a history are read, and go on with one', async () => {
    const topic = new CompactedTopicTwin()
    {
      await using writer = await openWriter(topic)
      await writer.write(create('a', { name: 'a', x: '0' }), never)
    }
    topic.records = topic.records.map(record => ({
      ...record,
      value: record.value?.replace(/"history":\[\],/, '') ?? null,
    }))
    assert.doesNotMatch(topic.records[0]?.value ?? '', /history/)
    await using writer = await openWriter(topic)
    await writer.write(configure('1'), never)
    assert.deepEqual(xs(writer), ['1', '0'])
  })
})
