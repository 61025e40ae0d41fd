// The web interfaces for Kafka: kafbat/kafka-ui, Redpanda Console, AKHQ, Lenses' kafka-connect-ui, Debezium UI, Control Center.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OPEN } from '../../src/index.ts'
import * as read from './support/reads.ts'
import {
  akhq,
  controlCenter,
  DEBEZIUM_ORIGIN,
  debezium,
  debeziumPreflight,
  kafbat,
  lenses,
  redpandaConsole,
} from './support/recordings.ts'
import { configText, createText, openScene } from './support/scene.ts'
import { HOST, type WireApi } from './support/wire.ts'

const FULL_CLASS = 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector'

describe('kafbat/kafka-ui', () => {
  test('lists connectors with info and status, and never finds one without either', async () => {
    await using wire = await openScene()
    const all = read.object(await wire.expect(200, kafbat('GET /connectors?expand=info&expand=status')))
    assert.deepEqual(Object.keys(all).sort(), ['fails', 'rests', 'runs', 'stands'])
    for (const [name, each] of Object.entries(all)) {
      const entry = read.object(each)
      const info = read.info(entry.info)
      const status = read.status(entry.status)
      assert.deepEqual([info.name, status.name], [name, name])
      assert.ok(info.config['connector.class'] !== undefined, 'the column "Plugin"')
      assert.deepEqual(
        info.tasks.map(task => task.task),
        status.tasks.map(task => task.id),
      )
      read.object(await wire.expect(200, kafbat(`GET /connectors/${name}/topics`)))
    }
  })

  test('shows one connector: config, tasks, each task’s status', async () => {
    await using wire = await openScene()
    read.object(await wire.expect(200, kafbat('GET /')))
    read.info(await wire.expect(200, kafbat('GET /connectors/fails')))
    read.stringMap(await wire.expect(200, kafbat('GET /connectors/fails/config')))
    for (const task of read.list(await wire.expect(200, kafbat('GET /connectors/fails/tasks')))) {
      const id = read.object(read.object(task).id)
      const status = read.object(await wire.expect(200, kafbat(`GET /connectors/fails/tasks/${id.task}/status`)))
      assert.equal(status.id, id.task)
    }
  })

  test('creates, edits, pauses, resumes, stops, restarts task by task and deletes', async () => {
    await using wire = await openScene()
    read.info(await wire.expect(201, kafbat('POST /connectors', createText('new'))))
    read.info(await wire.expect(200, kafbat('PUT /connectors/new/config', configText({ 'tasks.max': '1' }))))
    for (const [verb, code] of [
      ['pause', 202],
      ['resume', 202],
      ['stop', 204],
      ['resume', 202],
    ] as const)
      await wire.expect(code, kafbat(`PUT /connectors/runs/${verb}`))
    await wire.expect(204, kafbat('POST /connectors/runs/restart?includeTasks=false&onlyFailed=false'))
    for (const task of [0, 1]) await wire.expect(204, kafbat(`POST /connectors/runs/tasks/${task}/restart`))
    await wire.expect(200, kafbat('GET /connectors/runs/offsets'))
    const refused = read.error(await wire.expect(400, kafbat('DELETE /connectors/runs/offsets')), 400)
    assert.match(refused, /STOPPED/, 'it tells the user to stop the connector')
    await wire.expect(204, kafbat('DELETE /connectors/new'))
  })

  test('validates: every definition has a type, a width and an importance of its enums', async () => {
    await using wire = await openScene()
    read.list(await wire.expect(200, kafbat('GET /connector-plugins')))
    const answer = await wire.expect(
      200,
      kafbat(`PUT /connector-plugins/${FULL_CLASS}/config/validate`, configText({ name: 'new' })),
    )
    assert.equal(read.validation(answer).errorCount, 0)
  })
})

describe('Redpanda Console', () => {
  test('lists with a JSON content type on a GET, in gzip, decoding every config into map[string]string', async () => {
    await using wire = await openScene()
    for (let i = 0; i < 20; i++) await wire.api.write(`more-${i}`)
    const answer = await wire.replay(redpandaConsole('GET /connectors?expand=info&expand=status'))
    assert.equal(answer.headers.get('content-encoding'), 'gzip')
    const all = read.object(JSON.parse(answer.text))
    for (const each of Object.values(all)) {
      read.info(read.object(each).info)
      const { state, tasks } = read.status(read.object(each).status)
      if (state === 'RUNNING') assert.ok(tasks.length > 0, 'RUNNING without tasks would be shown as UNHEALTHY')
    }
  })

  test('every call that has no body works though it announces JSON', async () => {
    await using wire = await openScene()
    await wire.expect(200, redpandaConsole('GET /'))
    await wire.expect(202, redpandaConsole('PUT /connectors/runs/pause'))
    await wire.expect(202, redpandaConsole('PUT /connectors/runs/resume'))
    await wire.expect(202, redpandaConsole('POST /connectors/runs/restart?includeTasks=true&onlyFailed=false'))
    await wire.expect(204, redpandaConsole('POST /connectors/runs/tasks/0/restart'))
    await wire.expect(202, redpandaConsole('PUT /connectors/runs/topics/reset'))
    await wire.expect(204, redpandaConsole('PUT /connectors/runs/stop'))
    await wire.expect(204, redpandaConsole('DELETE /connectors/runs'))
    read.error(await wire.expect(404, redpandaConsole('GET /connectors/runs')), 404)
  })

  test('reads one connector, and creates and edits with the config of its form', async () => {
    await using wire = await openScene()
    for (const path of ['', '/config', '/status', '/topics'])
      read.object(await wire.expect(200, redpandaConsole(`GET /connectors/fails${path}`)))
    const form = { 'tasks.max': 1, 'errors.log.enable': false }
    const created = read.info(await wire.expect(201, redpandaConsole('POST /connectors', createText('new', form))))
    assert.equal(created.config['tasks.max'], '1')
    const edit = JSON.stringify({ ...created.config, 'tasks.max': 2 })
    read.info(await wire.expect(200, redpandaConsole('PUT /connectors/new/config', edit)))
  })

  test('draws its form from two validations of an empty form', async () => {
    await using wire = await openScene()
    const plugins = read.list(await wire.expect(200, redpandaConsole('GET /connector-plugins')))
    for (const plugin of plugins) {
      const { class: name, type } = read.stringMap(plugin)
      assert.ok(type === 'sink' || type === 'source')
      const path = `PUT /connector-plugins/${name}/config/validate`
      const empty = JSON.stringify({ 'connector.class': name, name: '', topics: '' })
      for (const body of [empty, empty]) {
        const answer = read.validation(await wire.expect(200, redpandaConsole(path, body)))
        assert.ok(answer.errorCount > 0)
      }
    }
  })
})

describe('AKHQ', () => {
  test('PUT and POST without a payload send the text null, DELETE a content type and no body', async () => {
    await using wire = await openScene()
    await wire.expect(202, akhq('PUT /connectors/runs/pause'))
    await wire.expect(202, akhq('PUT /connectors/runs/resume'))
    await wire.expect(204, akhq('POST /connectors/runs/restart'))
    await wire.expect(204, akhq('POST /connectors/runs/tasks/1/restart'))
    await wire.expect(202, akhq('PUT /connectors/runs/topics/reset'))
    await wire.expect(204, akhq('PUT /connectors/runs/stop'))
    await wire.expect(204, akhq('DELETE /connectors/runs'))
  })

  test('validates every plugin with a class and a topic only, and needs 200 with a count', async () => {
    await using wire = await openScene()
    for (const plugin of read.list(await wire.expect(200, akhq('GET /connector-plugins')))) {
      const name = read.stringMap(plugin).class
      const body = JSON.stringify({ 'connector.class': name, topics: 'getPlugins' })
      const answer = await wire.expect(200, akhq(`PUT /connector-plugins/${name}/config/validate`, body))
      assert.ok(read.validation(answer).errorCount > 0, 'what is required is missing')
    }
  })

  test('lists, reads, creates and edits', async () => {
    await using wire = await openScene()
    for (const each of Object.values(
      read.object(await wire.expect(200, akhq('GET /connectors?expand=info&expand=status'))),
    )) {
      read.info(read.object(each).info)
      read.status(read.object(each).status)
    }
    read.info(await wire.expect(200, akhq('GET /connectors/fails')))
    read.status(await wire.expect(200, akhq('GET /connectors/fails/status')))
    const created = read.info(await wire.expect(201, akhq('POST /connectors', createText('new'))))
    const edited = JSON.stringify({ ...created.config, 'tasks.max': '5' })
    assert.equal(read.info(await wire.expect(200, akhq('PUT /connectors/new/config', edited))).tasks.length, 5)
  })
})

describe('Lenses’ kafka-connect-ui', () => {
  test('makes its calls through a proxy that keeps the Host', async () => {
    await using wire = await openScene()
    const root = read.stringMap(await wire.expect(200, lenses('GET /')))
    assert.ok(root.version !== undefined)
    const names = read.list(await wire.expect(200, lenses('GET /connectors')))
    for (const name of names) {
      read.info(await wire.expect(200, lenses(`GET /connectors/${name}`)))
      read.list(await wire.expect(200, lenses(`GET /connectors/${name}/tasks`)))
      read.status(await wire.expect(200, lenses(`GET /connectors/${name}/status`)))
      read.stringMap(await wire.expect(200, lenses(`GET /connectors/${name}/config`)))
    }
    const plugins = read.list(await wire.expect(200, lenses('GET /connector-plugins')))
    const name = read.stringMap(plugins[0]).class
    const body = JSON.stringify({ ...JSON.parse(configText()), name: 'x', 'connector.class': name })
    read.validation(await wire.expect(200, lenses(`PUT /connector-plugins/${name}/config/validate`, body)))
    read.info(await wire.expect(201, lenses('POST /connectors', createText('new'))))
    await wire.expect(202, lenses('PUT /connectors/new/pause'))
    await wire.expect(202, lenses('PUT /connectors/new/resume'))
    await wire.expect(204, lenses('POST /connectors/new/restart'))
    await wire.expect(204, lenses('DELETE /connectors/new'))
  })

  test('a page of another origin may not read a thing: no CORS unless it is asked for', async () => {
    await using wire = await openScene()
    const preflight = await wire.replay({
      line: 'OPTIONS /connectors HTTP/1.1',
      headers: [
        `Host: ${HOST}`,
        'Origin: http://evil.example',
        'Access-Control-Request-Method: POST',
        'Access-Control-Request-Headers: content-type',
      ],
    })
    assert.ok(preflight.status === 204 || preflight.status === 200 || preflight.status === 403)
    for (const header of preflight.headers.keys()) assert.ok(!header.startsWith('access-control-'), header)
  })
})

describe('Debezium UI', () => {
  const cors = { origins: [DEBEZIUM_ORIGIN], methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'] }
  const openToIt = (): Promise<WireApi> => openScene({ ...OPEN, cors })

  test('shows its table by two lists, of states and of configs, each under a path with a slash at its end', async () => {
    await using wire = await openToIt()
    const states = await wire.replay(debezium('GET /connectors/?expand=status'))
    assert.equal(states.headers.get('access-control-allow-origin'), DEBEZIUM_ORIGIN, 'or the browser keeps it back')
    const infos = read.object(await wire.expect(200, debezium('GET /connectors/?expand=info')))
    for (const [name, each] of Object.entries(read.object(JSON.parse(states.text)))) {
      read.status(read.object(each).status)
      const { config } = read.info(read.object(infos[name]).info)
      assert.ok(config['connector.class'] !== undefined, 'a table without it is not drawn at all')
    }
  })

  test('pauses, resumes, restarts and deletes: a preflight, then the call, with an empty object for a body', async () => {
    await using wire = await openToIt()
    for (const [method, path, code] of [
      ['PUT', '/connectors/runs/pause', 202],
      ['PUT', '/connectors/runs/resume', 202],
      ['POST', '/connectors/runs/restart', 204],
      ['DELETE', '/connectors/runs', 204],
    ] as const) {
      const preflight = await wire.replay(debeziumPreflight(method, path))
      assert.equal(preflight.status, 204)
      assert.ok(preflight.headers.get('access-control-allow-methods')?.split(', ').includes(method))
      assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /\bcontent-type\b/)
      assert.equal(await wire.expect(code, debezium(`${method} ${path}`)), undefined)
    }
  })

  test('shows one connector, and creates one; an error is its message', async () => {
    await using wire = await openToIt()
    read.stringMap(await wire.expect(200, debezium('GET /connectors/fails/config')))
    read.status(await wire.expect(200, debezium('GET /connectors/fails/status')))
    const form = createText('new', { 'errors.log.enable': false, 'tasks.max': 1 })
    read.info(await wire.expect(201, debezium('POST /connectors/', form)))
    read.error(await wire.expect(409, debezium('POST /connectors/', form)), 409)
  })

  test('asks for what only Debezium’s own REST extension has, and is told 404 in JSON', async () => {
    await using wire = await openToIt()
    for (const path of ['connector-plugins', 'transforms', 'topic-creation-enabled'])
      read.error(await wire.expect(404, debezium(`GET /debezium/${path}`)), 404)
  })

  test('may change nothing unless its origin is allowed', async () => {
    await using wire = await openScene()
    read.error(await wire.expect(403, debezium('PUT /connectors/runs/pause')), 403)
    const seen = await wire.replay(debezium('GET /connectors/?expand=status'))
    assert.equal(seen.headers.get('access-control-allow-origin'), undefined)
  })
})

describe('Confluent Control Center', () => {
  test('asks for the id of a metadata server first, and takes 404 for an answer', async () => {
    await using wire = await openScene()
    read.error(await wire.expect(404, controlCenter('GET /v1/metadata/id')), 404)
    const root = read.stringMap(await wire.expect(200, controlCenter('GET /')))
    assert.ok((root.kafka_cluster_id ?? '').length > 0, 'it shows the Connect cluster below that Kafka cluster')
  })

  test('lists connectors and draws the form of one from a validation of its plugin', async () => {
    await using wire = await openScene()
    for (const name of read.list(await wire.expect(200, controlCenter('GET /connectors')))) {
      read.info(await wire.expect(200, controlCenter(`GET /connectors/${name}`)))
      read.status(await wire.expect(200, controlCenter(`GET /connectors/${name}/status`)))
    }
    for (const plugin of read.list(await wire.expect(200, controlCenter('GET /connector-plugins')))) {
      const { class: name = '' } = read.stringMap(plugin)
      const body = JSON.stringify({ 'connector.class': name })
      const path = `PUT /connector-plugins/${name}/config/validate`
      assert.ok(read.validation(await wire.expect(200, controlCenter(path, body))).errorCount > 0)
    }
  })

  test('creates, edits, pauses, resumes, restarts and deletes', async () => {
    await using wire = await openScene()
    read.info(await wire.expect(201, controlCenter('POST /connectors', createText('new'))))
    read.info(await wire.expect(200, controlCenter('PUT /connectors/new/config', configText({ 'tasks.max': '1' }))))
    assert.equal(await wire.expect(202, controlCenter('PUT /connectors/new/pause')), undefined)
    assert.equal(await wire.expect(202, controlCenter('PUT /connectors/new/resume')), undefined)
    assert.equal(await wire.expect(204, controlCenter('POST /connectors/fails/tasks/1/restart')), undefined)
    assert.equal(await wire.expect(204, controlCenter('DELETE /connectors/new')), undefined)
  })

  test('reads and sets log levels', async () => {
    await using wire = await openScene()
    assert.equal(
      read.object(read.object(await wire.expect(200, controlCenter('GET /admin/loggers'))).root).level,
      'INFO',
    )
    assert.deepEqual(await wire.expect(200, controlCenter('PUT /admin/loggers/root', '{"level":"DEBUG"}')), ['root'])
  })
})
