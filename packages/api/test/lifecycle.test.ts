// Pause, resume, stop, restart (connect-runtime.md §5: 4, 5, 6, 12, 19), topics, offsets (14, 15).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kafkaOffset, MillraceError, restartToken } from '@millrace/core'
import type { PositionChange } from '../src/index.ts'
import { TestApi } from './support/test-api.ts'

describe('target states', () => {
  test('stop, resume and pause are idempotent and follow Connect’s codes; tasks go with stop and come with resume', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const put = async (verb: string): Promise<number> => (await api.call('PUT', `/connectors/a/${verb}`)).statusCode
    const shown = async (): Promise<readonly [string, number]> => {
      const { connector, tasks } = (await api.call('GET', '/connectors/a/status')).json()
      assert.equal((await api.call('GET', '/connectors/a/tasks')).json().length, tasks.length)
      return [connector.state, tasks.length]
    }
    for (const _ of [1, 2]) {
      assert.equal(await put('stop'), 204)
      assert.deepEqual(await shown(), ['STOPPED', 0])
    }
    for (const _ of [1, 2]) {
      assert.equal(await put('resume'), 202)
      assert.deepEqual(await shown(), ['UNASSIGNED', 2])
    }
    for (const _ of [1, 2]) {
      assert.equal(await put('pause'), 202)
      assert.deepEqual(await shown(), ['PAUSED', 2])
    }
    assert.equal(await put('stop'), 204)
    assert.equal(await put('pause'), 202)
    assert.deepEqual(await shown(), ['PAUSED', 0])
    assert.equal(await put('resume'), 202)
    assert.deepEqual(await shown(), ['UNASSIGNED', 2])
    assert.equal((await api.call('DELETE', '/connectors/a')).statusCode, 204)
    for (const verb of ['pause', 'resume', 'stop']) {
      assert.deepEqual((await api.call('PUT', `/connectors/a/${verb}`)).json(), {
        error_code: 404,
        message: 'Unknown connector a',
      })
    }
  })

  test('bodies as real clients send them: none, empty, null, with or without a content type', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    for (const payload of [undefined, '', 'null', '{}']) {
      assert.equal((await api.call('PUT', '/connectors/a/pause', payload)).statusCode, 202, String(payload))
      assert.equal((await api.call('POST', '/connectors/a/restart', payload)).statusCode, 204, String(payload))
    }
    assert.equal((await api.app.inject({ method: 'PUT', url: '/connectors/a/resume' })).statusCode, 202)
    assert.equal((await api.call('DELETE', '/connectors/a', '')).statusCode, 204)
  })
})

describe('restart', () => {
  test('the matrix of onlyFailed and includeTasks over what has failed', async () => {
    for (const failed of [[], ['connector'], [0, 1], [1]] as const) {
      for (const includeTasks of [false, true]) {
        for (const onlyFailed of [false, true]) {
          await using api = await TestApi.open()
          await api.create('a')
          const has = (part: string | number): boolean => (failed as readonly (string | number)[]).includes(part)
          api.report(
            'w2',
            'a',
            [0, 1].map(id => (has(id) ? { state: 'FAILED' as const, trace: 'x' } : {})),
          )
          const before = api.store.read().connectors.get('a')!
          if (has('connector')) {
            const failure = { connector: 'a', incarnation: before.incarnation, trace: 'x' }
            api.reports = api.reports.map(report => ({ ...report, connectorFailures: [failure] }))
          }
          api.time.jump(1_000)
          const answer = await api.call(
            'POST',
            `/connectors/a/restart?includeTasks=${includeTasks}&onlyFailed=${onlyFailed}`,
          )
          const label = JSON.stringify({ failed, includeTasks, onlyFailed })
          const connector = !onlyFailed || has('connector')
          const tasks = [0, 1].filter(id => includeTasks && (!onlyFailed || has(id)))
          const after = api.store.read().connectors.get('a')!
          assert.equal(after.restarts.connector, connector ? 1 : 0, label)
          for (const id of [0, 1])
            assert.equal(restartToken(after, id) !== restartToken(before, id), tasks.includes(id), label)
          assert.equal(
            after.version === before.version,
            !connector && tasks.length === 0,
            `${label}: a no-op writes nothing`,
          )
          if (!includeTasks && !onlyFailed) assert.deepEqual([answer.statusCode, answer.body], [204, ''], label)
          else {
            assert.equal(answer.statusCode, 202, label)
            const body = answer.json()
            assert.equal(body.connector.state === 'RESTARTING', connector, label)
            for (const id of [0, 1]) assert.equal(body.tasks[id].state === 'RESTARTING', tasks.includes(id), label)
            assert.deepEqual(Object.keys(body), ['name', 'connector', 'tasks', 'type'], label)
          }
        }
      }
    }
  })

  test('of a task is 204, or 404 saying what is unknown', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    assert.equal((await api.call('POST', '/connectors/a/tasks/1/restart')).statusCode, 204)
    assert.deepEqual(api.store.read().connectors.get('a')?.restarts.tasks, { '1': 1 })
    for (const [url, message] of [
      ['/connectors/a/tasks/2/restart', 'Unknown task: a-2'],
      ['/connectors/x/tasks/0/restart', 'Unknown connector: x'],
      ['/connectors/x/restart', 'Unknown connector: x'],
      ['/connectors/x/restart?includeTasks=true&onlyFailed=true', 'Unknown connector: x'],
    ] as const) {
      assert.deepEqual((await api.call('POST', url)).json(), { error_code: 404, message })
    }
    assert.equal((await api.call('POST', '/connectors/a/restart?includeTasks=maybe')).statusCode, 400)
  })
})

describe('topics', () => {
  test('are told of, and reset, unless the worker forbids it: 403 in Connect’s words', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const messages = async (topicTracking: typeof api.deps.topicTracking): Promise<readonly unknown[]> => {
      Object.assign(api.deps, { topicTracking })
      const answers = [
        await api.call('GET', '/connectors/a/topics'),
        await api.call('PUT', '/connectors/a/topics/reset'),
      ]
      return answers.map(({ statusCode, body }) =>
        statusCode === 403 ? (JSON.parse(body) as { message: string }).message : statusCode,
      )
    }
    const off = 'Topic tracking is disabled.'
    assert.deepEqual(await messages({ isEnabled: true, mayReset: true }), [200, 202])
    assert.deepEqual(await messages({ isEnabled: true, mayReset: false }), [200, 'Topic tracking reset is disabled.'])
    assert.deepEqual(await messages({ isEnabled: false, mayReset: true }), [off, off])
  })

  test('are those worked on, are reset, and are empty, not 404, for an unknown connector', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    api.report('w2', 'a', [{ lastRecordAtMs: 5 }, { topic: 'planes' }])
    assert.deepEqual((await api.call('GET', '/connectors/a/topics')).json(), { a: { topics: ['flights', 'planes'] } })
    assert.equal((await api.call('PUT', '/connectors/a/topics/reset')).statusCode, 202)
    assert.deepEqual((await api.call('GET', '/connectors/a/topics')).json(), { a: { topics: [] } })
    api.report('w2', 'a', [{ lastRecordAtMs: api.time.nowMs() + 1 }, { topic: 'planes' }])
    api.time.jump(1_000)
    assert.deepEqual((await api.call('GET', '/connectors/a/topics')).json(), { a: { topics: ['flights'] } })
    assert.deepEqual((await api.call('GET', '/connectors/none/topics')).json(), { none: { topics: [] } })
  })
})

describe('offsets', () => {
  const element = (topic: unknown, partition: unknown, offset: unknown): object => ({
    partition: { kafka_topic: topic, kafka_partition: partition },
    offset: offset === null ? null : { kafka_offset: offset },
  })

  test('are read in any state, in Connect’s shape', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    assert.deepEqual((await api.call('GET', '/connectors/a/offsets')).json(), { offsets: [] })
    api.positions = [{ tp: { topic: 't', partition: 3 }, nextKafkaOffset: kafkaOffset(42) }]
    assert.deepEqual((await api.call('GET', '/connectors/a/offsets')).json(), {
      offsets: [{ partition: { kafka_topic: 't', kafka_partition: 3 }, offset: { kafka_offset: 42 } }],
    })
    assert.equal((await api.call('GET', '/connectors/x/offsets')).statusCode, 404)
  })

  test('are changed of a STOPPED connector only; PAUSED is not enough', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    const change = { offsets: [element('t', 0, 5)] }
    for (const verb of ['resume', 'pause']) {
      await api.call('PUT', `/connectors/a/${verb}`)
      for (const method of ['PATCH', 'DELETE'] as const) {
        const refused = await api.call(method, '/connectors/a/offsets', change)
        assert.equal(refused.statusCode, 400)
        assert.match(
          refused.json().message,
          /^Connectors must be in the STOPPED state before their offsets can be modified/,
        )
      }
    }
    assert.equal((await api.call('PATCH', '/connectors/x/offsets', change)).statusCode, 404)
    assert.equal((await api.call('DELETE', '/connectors/x/offsets')).statusCode, 404)
    assert.equal(api.altered, null)
  })

  test('are not changed by a worker that has not heard yet that the connector was started', async () => {
    await using one = await TestApi.open()
    await using two = await TestApi.open(one.topic)
    await one.create('a')
    await one.call('PUT', '/connectors/a/stop')
    assert.equal((await two.call('PATCH', '/connectors/a/offsets', { offsets: [element('t', 0, 5)] })).statusCode, 200)
    two.altered = null
    const stale = two.store.read()
    two.store.read = () => stale // a long poll behind
    await one.call('PUT', '/connectors/a/resume')
    for (const method of ['PATCH', 'DELETE'] as const) {
      const refused = await two.call(method, '/connectors/a/offsets', { offsets: [element('t', 0, 7)] })
      assert.match(refused.json().message, /^Connectors must be in the STOPPED state/)
    }
    assert.equal(two.altered, null)
  })

  test('take numbers and numeric strings, null forgets, the last of two for one partition counts', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    await api.call('PUT', '/connectors/a/stop')
    const offsets = [
      element('t', 0, 5),
      element('t', '1', '9007199254740993'),
      element('u', 0, null),
      element('t', 0, 6),
    ]
    const answer = await api.call('PATCH', '/connectors/a/offsets', { offsets })
    assert.equal(answer.statusCode, 200, answer.body)
    assert.deepEqual(answer.json(), { message: 'The offsets for this connector have been altered successfully' })
    assert.deepEqual(api.altered, [
      { tp: { topic: 't', partition: 0 }, nextKafkaOffset: 6n },
      { tp: { topic: 't', partition: 1 }, nextKafkaOffset: 9007199254740993n },
      { tp: { topic: 'u', partition: 0 }, nextKafkaOffset: null },
    ])
    for (const _ of [1, 2]) {
      const reset = await api.call('DELETE', '/connectors/a/offsets')
      assert.deepEqual(reset.json(), { message: 'The offsets for this connector have been reset successfully' })
    }
    assert.equal(api.altered, 'reset')
  })

  test('that are malformed are refused in Connect’s words', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    await api.call('PUT', '/connectors/a/stop')
    const many = (...elements: unknown[]): object => ({ offsets: elements })
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /^Partitions \/ offsets need to be provided for an alter offsets request$/],
      [{}, /^Partitions \/ offsets need to be provided/],
      [many(), /^Partitions \/ offsets need to be provided/],
      [many({ offset: { kafka_offset: 1 } }), /^The partition for a sink connector offset cannot be null or missing/],
      [
        many({ partition: { kafka_topic: 't' }, offset: null }),
        /must contain the keys 'kafka_topic' and 'kafka_partition'/,
      ],
      [many(element(null, 0, 1)), /^Kafka topic names must be valid strings and may not be null/],
      [many(element('t', null, 1)), /^Kafka partitions must be valid numbers and may not be null/],
      [many(element('t', 'x', 1)), /Partition values for sink connectors need to be integers/],
      [many(element('t', 4294967296, 1)), /Partition values for sink connectors need to be integers/],
      [many({ ...element('t', 0, 1), offset: {} }), /should either be null or contain the key 'kafka_offset'/],
      [many({ partition: { kafka_topic: 't', kafka_partition: 0 } }), /should either be null or contain the key/],
      [many(element('t', 0, 1.5)), /Offset values for sink connectors need to be integers/],
      [many(element('t', 0, -1)), /Offset values for sink connectors need to be integers/],
      [many(element('t', 0, '9223372036854775808')), /Offset values for sink connectors need to be integers/],
      [many('x'), /must be an object/],
      [{ offsets: 'all' }, /offsets must be a list/],
      [{ offsets: [element('t', 0, 1)], more: 1 }, /Unrecognized field "more"/],
    ]
    for (const [body, expected] of cases) {
      const answer = await api.call('PATCH', '/connectors/a/offsets', body)
      assert.equal(answer.statusCode, 400, JSON.stringify(body))
      assert.match(answer.json().message, expected)
    }
    assert.equal(api.altered, null)
  })

  test('that cannot be moved are refused in the shape of every error: 400 for what is asked, 500 for what passes', async () => {
    await using api = await TestApi.open()
    await api.create('a')
    await api.call('PUT', '/connectors/a/stop')
    for (const [code, status] of [
      ['POSITION_REFUSED', 400],
      ['POSITION_NOT_MOVED', 500],
      ['GROUP_IN_USE', 500],
      ['IN_DOUBT', 500],
    ] as const) {
      const refuse = async (): Promise<never> => {
        throw new MillraceError(code, 'retry', 'Not so.')
      }
      Object.assign(api.deps.offsets, { alter: refuse, reset: refuse })
      const answers = [
        await api.call('PATCH', '/connectors/a/offsets', { offsets: [element('t', 0, 1)] }),
        await api.call('DELETE', '/connectors/a/offsets'),
      ]
      for (const answer of answers)
        assert.deepEqual([answer.statusCode, answer.json()], [status, { error_code: status, message: 'Not so.' }])
    }
  })

  test('stopped on another worker a moment ago: the end of the config log decides, here as there', async () => {
    await using api = await TestApi.open()
    await using other = await TestApi.open(api.topic)
    await api.create('a')
    await other.call('GET', '/connectors/a')
    await api.call('PUT', '/connectors/a/stop')
    const answer = await other.call('PATCH', '/connectors/a/offsets', { offsets: [element('t', 0, 1)] })
    assert.equal(answer.statusCode, 200, answer.body)
  })

  describe('initial_offsets', () => {
    test('stand in the Genesis before the connector is seen; only such a create answers offsets_status', async () => {
      await using api = await TestApi.open()
      const given: (readonly PositionChange[] | undefined)[] = []
      api.deps.beginIncarnation = async (_config, _incarnation, { initialOffsets }) => {
        given.push(initialOffsets)
        assert.equal(api.store.read().connectors.size, given.length - 1, 'not visible yet')
        return 'journal-1'
      }
      const offsets = [element('t', 0, '7'), element('t', '1', 8), element('t', 2, null)]
      const created = await api.create('a', {}, { initial_offsets: offsets })
      assert.equal(created.statusCode, 201, created.body)
      const { offsets_status, ...info } = created.json()
      assert.equal(offsets_status, 'The offsets for this connector have been altered successfully')
      assert.deepEqual(Object.keys(info), ['name', 'config', 'tasks', 'type'])
      assert.deepEqual(Object.keys((await api.create('b', {}, { initial_offsets: null })).json()), Object.keys(info))
      assert.deepEqual(given, [
        [
          { tp: { topic: 't', partition: 0 }, nextKafkaOffset: 7n },
          { tp: { topic: 't', partition: 1 }, nextKafkaOffset: 8n },
          { tp: { topic: 't', partition: 2 }, nextKafkaOffset: null },
        ],
        undefined,
      ])
    })

    test('that are malformed, or name what is not read, fail the create: nothing is written', async () => {
      await using api = await TestApi.open()
      for (const [initial_offsets, expected] of [
        [[], /^Partitions \/ offsets need to be provided/],
        [{}, /^initial_offsets must be a list/],
        [[{ offset: { kafka_offset: 1 } }], /^The partition for a sink connector offset cannot be null or missing/],
        [[element('t', 0, 'x')], /Offset values for sink connectors need to be integers/],
      ] as const) {
        const answer = await api.create('a', {}, { initial_offsets })
        assert.equal(answer.statusCode, 400, JSON.stringify(initial_offsets))
        assert.match(answer.json().message, expected)
      }
      assert.deepEqual(api.begun, [])
      api.deps.beginIncarnation = async () => {
        throw new MillraceError('POSITION_REFUSED', 'failPartition', 'Connector a reads no topic t that exists.')
      }
      assert.equal((await api.create('a', {}, { initial_offsets: [element('t', 0, 1)] })).statusCode, 400)
      assert.equal((await api.call('GET', '/connectors/a')).statusCode, 404)
    })
  })
})
