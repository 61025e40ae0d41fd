// What keeps connectors as files and brings the cluster to them: julie, jikkou, ns4kafka, connectctl.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CONFIG } from '../support/test-api.ts'
import * as read from './support/reads.ts'
import { connectctl, connectctlProbe, jikkou, julie, ns4kafka } from './support/recordings.ts'
import { configText, createText, openScene } from './support/scene.ts'
import type { WireApi } from './support/wire.ts'

const FULL_CLASS = 'io.millrace.bigquery.BigQuerySinkConnector'
const WEPAY_CLASS = 'com.wepay.kafka.connect.bigquery.BigQuerySinkConnector'
const versionOf = (wire: WireApi, name: string): number | undefined =>
  wire.api.store.read().connectors.get(name)?.version

describe('julie (kafka-topology-builder)', () => {
  /** The file of a connector as people write it; julie sends its bytes. */
  const file = (config: object): string => `${JSON.stringify(config, null, 4)}\n`

  test('compares what is there with its files, key by key, and finds what it wrote', async () => {
    await using wire = await openScene()
    const declared = { ...CONFIG, 'errors.tolerance': 'all' }
    read.info(await wire.expect(201, julie('PUT /connectors/new/config', file(declared))))
    const all = read.object(await wire.expect(200, julie('GET /connectors?expand=info')))
    assert.deepEqual(Object.keys(all).sort(), ['fails', 'new', 'rests', 'runs', 'stands'])
    const { name, ...remote } = read.stringMap(read.object(read.object(all.new).info).config)
    assert.equal(name, 'new')
    assert.deepEqual(remote, declared, 'else it would write it again at every run')
  })

  test('writes a file with numbers again at every run, which restarts nothing', async () => {
    await using wire = await openScene()
    const numbers = file({ ...CONFIG, 'tasks.max': 2 })
    const answer = await wire.replay(julie('PUT /connectors/new/config', numbers))
    assert.equal(answer.status, 201)
    for (let run = 0; run < 3; run++) read.info(await wire.expect(200, julie('PUT /connectors/new/config', numbers)))
    assert.equal(versionOf(wire, 'new'), 1)
  })

  test('sends the config out of a file with a name, and reads the answer as a map', async () => {
    await using wire = await openScene()
    const { config } = JSON.parse(createText('new')) as { config: object }
    read.object(await wire.expect(201, julie('PUT /connectors/new/config', JSON.stringify(config))))
  })

  test('reads the state of a connector, pauses it, and deletes it by a path with a slash at its end', async () => {
    await using wire = await openScene()
    const status = read.object(await wire.expect(200, julie('GET /connectors/fails/status')))
    assert.equal(read.stringMap(status.connector).state, 'RUNNING')
    assert.equal(await wire.expect(202, julie('PUT /connectors/runs/pause')), undefined)
    assert.equal(await wire.expect(204, julie('DELETE /connectors/runs/')), undefined)
    const gone = await wire.expect(404, julie('GET /connectors/runs/status'))
    assert.ok('error_code' in read.object(gone), 'by this key it knows an error')
    read.error(gone, 404)
  })
})

describe('jikkou', () => {
  test('says it is healthy by the three fields of the root', async () => {
    await using wire = await openScene()
    const root = read.stringMap(await wire.expect(200, jikkou('GET /')))
    assert.deepEqual(Object.keys(root).sort(), ['commit', 'kafka_cluster_id', 'version'])
  })

  test('lists, and reads config and status of each at the same time', async () => {
    await using wire = await openScene()
    for (const name of read.list(await wire.expect(200, jikkou('GET /connectors')))) {
      const [config, status] = await Promise.all([
        wire.expect(200, jikkou(`GET /connectors/${name}/config`)),
        wire.expect(200, jikkou(`GET /connectors/${name}/status`)),
      ])
      assert.match(read.stringMap(config)['tasks.max'] ?? '', /^\d+$/, 'it parses an integer')
      read.status(status)
    }
  })

  test('creates in a state, with numbers and booleans as its files have them, and updates by PUT', async () => {
    await using wire = await openScene()
    const config = { 'tasks.max': 3, 'errors.log.enable': true }
    const paused = read.info(
      await wire.expect(201, jikkou('POST /connectors', createText('p', config, { initial_state: 'PAUSED' }))),
    )
    assert.equal(paused.config['tasks.max'], '3')
    assert.equal(read.status(await wire.expect(200, jikkou('GET /connectors/p/status'))).state, 'PAUSED')
    read.info(await wire.expect(201, jikkou('POST /connectors', createText('r', config))))
    read.info(await wire.expect(200, jikkou('PUT /connectors/r/config', configText({ ...config, 'tasks.max': 4 }))))
    assert.equal(versionOf(wire, 'r'), 2)
    read.info(await wire.expect(200, jikkou('PUT /connectors/r/config', configText({ ...config, 'tasks.max': 4 }))))
    assert.equal(versionOf(wire, 'r'), 2, 'the same again changes nothing')
  })

  test('changes a state alone by pause, stop and resume, and takes any 2xx', async () => {
    await using wire = await openScene()
    assert.equal(await wire.expect(202, jikkou('PUT /connectors/runs/pause')), undefined)
    assert.equal(await wire.expect(204, jikkou('PUT /connectors/runs/stop')), undefined)
    assert.equal(await wire.expect(202, jikkou('PUT /connectors/runs/resume')), undefined)
    assert.equal(await wire.expect(204, jikkou('DELETE /connectors/runs')), undefined)
  })

  test('restarts with both flags written out, and takes 204 and 202 only', async () => {
    await using wire = await openScene()
    const restart = (name: string, flags: string): string => `POST /connectors/${name}/restart?${flags}`
    assert.equal(await wire.expect(204, jikkou(restart('runs', 'includeTasks=false&onlyFailed=false'))), undefined)
    read.status(await wire.expect(202, jikkou(restart('fails', 'includeTasks=true&onlyFailed=true'))))
    read.error(await wire.expect(404, jikkou(restart('none', 'includeTasks=true&onlyFailed=false'))), 404)
  })
})

describe('ns4kafka', () => {
  test('takes a class of its list of plugins only, ours and the pasted one, and shows the errors of a validation', async () => {
    await using wire = await openScene()
    const plugins = read.list(await wire.expect(200, ns4kafka('GET /connector-plugins'))).map(read.stringMap)
    for (const className of [FULL_CLASS, WEPAY_CLASS]) {
      assert.equal(plugins.find(plugin => plugin.class === className)?.type, 'sink')
      const validate = `PUT /connector-plugins/${className}/config/validate`
      const config = { name: 'new', 'connector.class': className }
      assert.equal(read.validation(await wire.expect(200, ns4kafka(validate, configText(config)))).errorCount, 0)
      const wrong = await wire.expect(200, ns4kafka(validate, configText({ ...config, 'tasks.max': 'many' })))
      assert.equal(read.validation(wrong).errorsOf('tasks.max').length, 1)
    }
  })

  test('writes every change by PUT, under a name encoded as forms are', async () => {
    await using wire = await openScene()
    const path = 'PUT /connectors/team.a-%3Eb/config'
    assert.equal(read.info(await wire.expect(201, ns4kafka(path, configText()))).name, 'team.a->b')
    read.info(await wire.expect(200, ns4kafka(path, configText({ 'tasks.max': '1' }))))
  })

  test('reads all connectors with info and status into records', async () => {
    await using wire = await openScene()
    const all = read.object(await wire.expect(200, ns4kafka('GET /connectors?expand=info&expand=status')))
    for (const [name, each] of Object.entries(all)) {
      const { info, status } = read.object(each)
      assert.equal(read.info(info).name, name)
      read.status(status)
    }
  })

  test('restarts a connector as all the tasks its status names', async () => {
    await using wire = await openScene()
    for (const { id } of read.status(await wire.expect(200, ns4kafka('GET /connectors/fails/status'))).tasks)
      assert.equal(await wire.expect(204, ns4kafka(`POST /connectors/fails/tasks/${id}/restart`)), undefined)
  })

  test('pauses, resumes, stops, reads and resets offsets, deletes; a 404 of a deletion is success', async () => {
    await using wire = await openScene()
    for (const [verb, code] of [
      ['pause', 202],
      ['resume', 202],
      ['stop', 204],
    ] as const)
      assert.equal(await wire.expect(code, ns4kafka(`PUT /connectors/runs/${verb}`)), undefined)
    for (const each of read.list(
      read.object(await wire.expect(200, ns4kafka('GET /connectors/stands/offsets'))).offsets,
    )) {
      const { partition, offset } = read.object(each)
      assert.deepEqual(
        [typeof read.object(partition).kafka_topic, typeof read.object(offset).kafka_offset],
        ['string', 'number'],
      )
    }
    const reset = read.object(await wire.expect(200, ns4kafka('DELETE /connectors/stands/offsets')))
    assert.equal(typeof reset.message, 'string')
    assert.equal(await wire.expect(204, ns4kafka('DELETE /connectors/runs')), undefined)
    read.error(await wire.expect(404, ns4kafka('DELETE /connectors/runs')), 404)
    read.stringMap(await wire.expect(200, ns4kafka('GET /')))
  })
})

describe('90poe’s connectctl', () => {
  const KEY = '{"type":"service_account","client_email":"a@b.c","private_key":"a<b>&c"}'
  /** As Go writes a map: keys in order, and <, > and & escaped. */
  const goText = (config: Readonly<Record<string, string>>): string =>
    JSON.stringify(config, Object.keys(config).sort()).replace(
      /[<>&]/g,
      one => `\\u00${one.charCodeAt(0).toString(16)}`,
    )
  const declared = { ...CONFIG, name: 'new', keySource: 'JSON', keyfile: KEY }

  test('creates what a 404 tells it is not there, and then finds nothing to change', async () => {
    await using wire = await openScene()
    read.error(await wire.expect(404, connectctl('GET /connectors/new')), 404)
    const body = `{"name":"new","config":${goText(declared)}}`
    read.info(await wire.expect(201, connectctl('POST /connectors', body)))
    const { name, config } = read.info(await wire.expect(200, connectctl('GET /connectors/new')))
    assert.deepEqual([name, config], ['new', declared], 'equal, or it would update at every turn')
    read.info(await wire.expect(200, connectctl('PUT /connectors/new/config', goText(declared))))
    assert.equal(versionOf(wire, 'new'), 1)
  })

  test('restarts what failed: by the status of each connector, task by task', async () => {
    await using wire = await openScene()
    for (const name of read.list(await wire.expect(200, connectctl('GET /connectors')))) {
      const { state, tasks } = read.status(await wire.expect(200, connectctl(`GET /connectors/${name}/status`)))
      assert.notEqual(state, 'FAILED')
      for (const task of tasks.filter(one => one.state === 'FAILED'))
        assert.equal(await wire.expect(204, connectctl(`POST /connectors/${name}/tasks/${task.id}/restart`)), undefined)
    }
    assert.equal(await wire.expect(204, connectctl('POST /connectors/fails/restart')), undefined)
  })

  test('pauses, resumes, deletes what it does not manage, and is alive when the root answers', async () => {
    await using wire = await openScene()
    assert.equal(await wire.expect(202, connectctl('PUT /connectors/runs/pause')), undefined)
    assert.equal(await wire.expect(202, connectctl('PUT /connectors/runs/resume')), undefined)
    assert.equal(await wire.expect(204, connectctl('DELETE /connectors/runs')), undefined)
    read.stringMap(await wire.expect(200, connectctlProbe))
    read.stringMap(await wire.expect(200, connectctl('GET /')))
  })

  test('lists plugins and validates by the last part of the class name', async () => {
    await using wire = await openScene()
    for (const plugin of read.list(await wire.expect(200, connectctl('GET /connector-plugins')))) read.stringMap(plugin)
    const config = { ...declared, 'connector.class': WEPAY_CLASS }
    const path = 'PUT /connector-plugins/BigQuerySinkConnector/config/validate'
    assert.equal(read.validation(await wire.expect(200, connectctl(path, goText(config)))).errorCount, 0)
  })
})
