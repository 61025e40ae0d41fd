// What reconciles, deploys and watches: Strimzi, Terraform, Ansible, kafka-connect-py, GitOps tools, status exporters, scripts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CONFIG } from '../support/test-api.ts'
import * as read from './support/reads.ts'
import {
  ansible,
  curl,
  exporter,
  goExporter,
  goKafkaExporter,
  python,
  ricardo,
  strimzi,
  strimziVertx,
} from './support/recordings.ts'
import { configText, createText, openScene } from './support/scene.ts'
import { HOST } from './support/wire.ts'

for (const [title, send] of [
  ['Strimzi on the JDK’s client, which offers h2c with every request', strimzi],
  ['Strimzi on Vert.x', strimziVertx],
] as const)
  describe(title, () => {
    test('reconciles a connector: PUT, status, offsets, topics, and a PUT of the same that changes nothing', async () => {
      await using wire = await openScene()
      read.error(await wire.expect(404, send('GET /connectors/a%2D%3Eb/config')), 404)
      read.info(await wire.expect(201, send('PUT /connectors/a%2D%3Eb/config', configText({ name: 'a->b' }))))
      const config = read.stringMap(await wire.expect(200, send('GET /connectors/a%2D%3Eb/config')))
      assert.equal(config.name, 'a->b')
      read.info(await wire.expect(200, send('GET /connectors/a%2D%3Eb')))
      read.info(await wire.expect(200, send('PUT /connectors/a%2D%3Eb/config', JSON.stringify(config))))
      assert.equal(wire.api.store.read().connectors.get('a->b')?.version, 1, 'nothing restarts')
      read.status(await wire.expect(200, send('GET /connectors/a%2D%3Eb/status')))
      const topics = read.object(await wire.expect(200, send('GET /connectors/a%2D%3Eb/topics')))
      read.list(read.object(topics['a->b']).topics)
      read.object(await wire.expect(200, send('GET /connectors/a%2D%3Eb/offsets')))
      assert.equal(await wire.expect(204, send('DELETE /connectors/a%2D%3Eb')), undefined)
      read.error(await wire.expect(404, send('GET /connectors/a%2D%3Eb/status')), 404)
    })

    test('takes exactly one code of each call for success', async () => {
      await using wire = await openScene()
      const stopped = createText('new', {}, { initial_state: 'stopped' })
      read.info(await wire.expect(201, send('POST /connectors', stopped)))
      assert.equal(read.status(await wire.expect(200, send('GET /connectors/new/status'))).state, 'STOPPED')
      assert.equal(await wire.expect(202, send('PUT /connectors/runs/pause')), undefined)
      assert.equal(await wire.expect(202, send('PUT /connectors/runs/resume')), undefined)
      const restarted = await wire.expect(202, send('POST /connectors/fails/restart?includeTasks=true&onlyFailed=true'))
      assert.equal(read.status(restarted).tasks[1]?.state, 'RESTARTING')
      const none = await wire.replay(send('POST /connectors/runs/restart?includeTasks=false&onlyFailed=false'))
      assert.deepEqual([none.status, none.text], [204, ''])
      assert.equal(await wire.expect(204, send('POST /connectors/fails/tasks/1/restart')), undefined)
      assert.equal(await wire.expect(204, send('PUT /connectors/runs/stop')), undefined)
      assert.ok(read.list(await wire.expect(200, send('GET /connector-plugins'))).length > 0)
    })

    test('lists loggers under a path with a slash, as a map of levels, and sets one on every worker', async () => {
      await using wire = await openScene()
      const loggers = read.object(await wire.expect(200, send('GET /admin/loggers/')))
      for (const level of Object.values(loggers)) assert.equal(typeof read.object(level).level, 'string')
      const set = send('PUT /admin/loggers/root?scope=cluster', '{"level":"DEBUG"}')
      assert.equal(await wire.expect(204, set), undefined)
    })

    test('writes back the offsets it has read, as the JSON it has read', async () => {
      await using wire = await openScene()
      const answer = await wire.replay(send('GET /connectors/stands/offsets'))
      const altered = await wire.expect(200, send('PATCH /connectors/stands/offsets', answer.text))
      assert.equal(typeof read.object(altered).message, 'string')
      assert.equal(
        typeof read.object(await wire.expect(200, send('DELETE /connectors/stands/offsets'))).message,
        'string',
      )
    })
  })

describe('Terraform (Mongey) by ricardo-ch’s client', () => {
  /** Its rule for "the config is applied": as many keys as were declared and the name, all equal as text. */
  function assertApplied(declared: Readonly<Record<string, unknown>>, remote: unknown): void {
    const { name, ...others } = read.stringMap(remote)
    assert.ok(name !== undefined)
    assert.deepEqual(others, Object.fromEntries(Object.entries(declared).map(([key, value]) => [key, String(value)])))
  }

  test('creates with the resource’s name in the config, and reads the very same back', async () => {
    await using wire = await openScene()
    const declared = {
      ...CONFIG,
      'errors.log.enable': true,
      keySource: 'JSON',
      keyfile: '{"type":"service_account","private_key":"canary"}',
    }
    const created = await wire.expect(201, ricardo('POST /connectors', createText('new', { ...declared, name: 'new' })))
    assertApplied(declared, read.info(created).config)
    assertApplied(declared, await wire.expect(200, ricardo('GET /connectors/new/config')))
    const updated = { ...declared, 'tasks.max': 4 }
    read.info(await wire.expect(200, ricardo('PUT /connectors/new/config', JSON.stringify(updated))))
    assertApplied(updated, await wire.expect(200, ricardo('GET /connectors/new/config')))
  })

  test('decodes status.connector into map[string]string', async () => {
    await using wire = await openScene()
    for (const name of ['runs', 'fails', 'rests', 'stands']) {
      const status = read.object(await wire.expect(200, ricardo(`GET /connectors/${name}/status`)))
      read.stringMap(status.connector)
      read.status(status)
    }
  })

  test('lists, pauses, resumes, restarts, reads tasks, deletes; a 409 is never anything but “exists”', async () => {
    await using wire = await openScene()
    read.list(await wire.expect(200, ricardo('GET /connectors')))
    await wire.expect(202, ricardo('PUT /connectors/runs/pause'))
    await wire.expect(202, ricardo('PUT /connectors/runs/resume'))
    await wire.expect(204, ricardo('POST /connectors/runs/restart'))
    const tasks = read.list(await wire.expect(200, ricardo('GET /connectors/runs/tasks')))
    assert.equal(tasks.length, 2)
    read.object(await wire.expect(200, ricardo('GET /connectors/runs/tasks/1/status')))
    await wire.expect(204, ricardo('POST /connectors/runs/tasks/1/restart'))
    const exists = read.error(await wire.expect(409, ricardo('POST /connectors', createText('runs'))), 409)
    assert.doesNotMatch(exists, /rebalance|conflicting operation/, 'its words for “try again”')
    await wire.expect(204, ricardo('DELETE /connectors/runs'))
    read.error(await wire.expect(404, ricardo('GET /connectors/runs')), 404)
  })
})

describe('cp-ansible’s kafka_connectors', () => {
  test('deploys, restarts, waits for RUNNING with a task, prunes what is not declared', async () => {
    await using wire = await openScene()
    const names = read.list(await wire.expect(200, ansible('GET /connectors')))
    read.stringMap(await wire.expect(200, ansible('GET /connectors/runs/config')))
    read.info(await wire.expect(201, ansible('POST /connectors', createText('declared'))))
    read.info(await wire.expect(200, ansible('PUT /connectors/runs/config', configText({ 'tasks.max': '3' }))))
    await wire.expect(204, ansible('POST /connectors/runs/restart'))
    wire.api.report('w1', 'declared', [{}])
    const status = read.status(await wire.expect(200, ansible('GET /connectors/declared/status')))
    assert.equal(status.state, 'RUNNING')
    assert.ok(status.tasks.length >= 1)
    for (const name of names) await wire.expect(204, ansible(`DELETE /connectors/${name}`))
    assert.deepEqual(await wire.expect(200, ansible('GET /connectors')), ['declared'])
  })
})

describe('kafka-connect-py', () => {
  test('writes Python’s True and False into queries', async () => {
    await using wire = await openScene()
    await wire.expect(204, python('POST /connectors/runs/restart?includeTasks=False&onlyFailed=False'))
    const all = await wire.expect(202, python('POST /connectors/fails/restart?includeTasks=True&onlyFailed=True'))
    assert.equal(read.status(all).tasks[1]?.state, 'RESTARTING')
  })

  test('calls the whole API without a content type where it has no body', async () => {
    await using wire = await openScene()
    read.stringMap(await wire.expect(200, python('GET /')))
    read.list(await wire.expect(200, python('GET /connectors')))
    const filtered = read.object(await wire.expect(200, python('GET /connectors?expand=status')))
    assert.equal(read.status(read.object(filtered.rests).status).state, 'PAUSED')
    read.info(await wire.expect(201, python('POST /connectors', createText('new'))))
    read.info(await wire.expect(200, python('PUT /connectors/new/config', configText({ 'tasks.max': 1 }))))
    await wire.expect(202, python('PUT /connectors/new/pause'))
    await wire.expect(202, python('PUT /connectors/new/resume'))
    await wire.expect(204, python('PUT /connectors/new/stop'))
    read.list(await wire.expect(200, python('GET /connectors/runs/tasks')))
    read.object(await wire.expect(200, python('GET /connectors/runs/tasks/0/status')))
    await wire.expect(204, python('POST /connectors/runs/tasks/0/restart'))
    read.object(await wire.expect(200, python('GET /connectors/runs/topics')))
    await wire.expect(202, python('PUT /connectors/runs/topics/reset'))
    read.list(await wire.expect(200, python('GET /connector-plugins')))
    const path = 'PUT /connector-plugins/BigQuerySinkConnector/config/validate'
    assert.equal(read.validation(await wire.expect(200, python(path, configText({ name: 'x' })))).errorCount, 0)
    await wire.expect(204, python('DELETE /connectors/new'))
  })
})

describe('status exporters', () => {
  test('poll all states in one call, and a poll of hundreds reads the status board once', async () => {
    await using wire = await openScene()
    let reads = 0
    const { cluster } = wire.api.deps
    const reports = cluster.reports.bind(cluster)
    wire.api.deps.cluster.reports = options => {
      reads += 1
      return reports(options)
    }
    const polls = await Promise.all(
      Array.from({ length: 100 }, () => wire.expect(200, exporter('/connectors?expand=status'))),
    )
    for (const poll of polls) for (const each of Object.values(read.object(poll))) read.status(read.object(each).status)
    assert.equal(reads, 1)
  })

  for (const [title, get] of [
    ['Go’s client as it is', goExporter],
    ['go-kafka/connect', goKafkaExporter],
  ] as const)
    test(`written in Go, by ${title}, ask for the names and then for the state of each`, async () => {
      await using wire = await openScene()
      const counts: Record<string, number> = {}
      for (const name of read.list(await wire.expect(200, get('/connectors'))))
        for (const { state } of read.status(await wire.expect(200, get(`/connectors/${name}/status`))).tasks)
          counts[state] = (counts[state] ?? 0) + 1
      assert.deepEqual(counts, { RUNNING: 3, FAILED: 1 })
    })
})

describe('scripts', () => {
  test('curl announces a large body and waits for 100 Continue', async () => {
    await using wire = await openScene()
    const body = createText('large', { 'my.note': 'x'.repeat(200_000) })
    read.info(await wire.expect(201, curl('POST /connectors', body, ['Expect: 100-continue'])))
    const wrong = await wire.replay(curl('POST /connectors', body, ['Expect: a-miracle']))
    assert.equal(wrong.status, 417)
  })

  test('curl -d without a header sends a form, which is 415 and says so', async () => {
    await using wire = await openScene()
    const body = createText('new')
    const form = { ...curl('POST /connectors', body), body }
    const headers = form.headers.map(line => line.replace('application/json', 'application/x-www-form-urlencoded'))
    read.error(await wire.expect(415, { ...form, headers }), 415)
  })

  test('names of 1,000 characters and of every kind travel in paths', async () => {
    await using wire = await openScene()
    for (const name of [
      'n'.repeat(1_000),
      'é'.repeat(1_000),
      '😀'.repeat(500),
      'a/b c;d?e#f%g+h&i',
      'a->b',
      '..',
      '%2F',
    ]) {
      const created = await wire.replay(curl('POST /connectors', createText(name)))
      assert.equal(created.status, 201, created.text)
      const location = created.headers.get('location') ?? ''
      assert.match(location, /^\/connectors\//)
      assert.equal(read.info(await wire.expect(200, curl(`GET ${location}`))).name, name)
      read.status(await wire.expect(200, curl(`GET ${location}/status`)))
      await wire.expect(202, curl(`PUT ${location}/pause/`))
      await wire.expect(204, curl(`DELETE ${location}`))
    }
  })

  test('HTTP/1.0, HEAD, absolute URLs, chunked bodies and a connection for several requests', async () => {
    await using wire = await openScene()
    const old = await wire.replay({ line: 'GET /connectors HTTP/1.0', headers: [`Host: ${HOST}`] })
    assert.deepEqual([old.status, JSON.parse(old.text).length], [200, 4])
    const head = await wire.replay({ line: 'HEAD /connectors/runs HTTP/1.1', headers: [`Host: ${HOST}`] })
    assert.deepEqual([head.status, head.text], [200, ''])
    assert.ok(Number(head.headers.get('content-length')) > 0)
    const text = createText('chunked')
    const half = text.length >> 1
    const chunks = [text.slice(0, half), text.slice(half), '']
      .map(part => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`)
      .join('')
    const headers = [`Host: ${HOST}`, 'Content-Type: application/json', 'Transfer-Encoding: chunked']
    read.info(await wire.expect(201, { line: 'POST /connectors HTTP/1.1', headers, body: chunks }))
    const request = `GET /connectors/runs/status HTTP/1.1\r\nHost: ${wire.host}\r\n\r\n`
    const answers = await wire.exchange(Buffer.from(request.repeat(5)), 5)
    assert.deepEqual(
      answers.map(answer => answer.status),
      [200, 200, 200, 200, 200],
      'pipelined, answered in order',
    )
  })
})
