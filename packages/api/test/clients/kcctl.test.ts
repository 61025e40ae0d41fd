// kcctl: a native Java command line that trusts every answer it reads.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as read from './support/reads.ts'
import { kcctl } from './support/recordings.ts'
import { configText, createText, openScene } from './support/scene.ts'

describe('kcctl', () => {
  test('reads a version whose first number is Kafka’s, and turns on every command by it', async () => {
    await using wire = await openScene()
    const root = read.stringMap(await wire.expect(200, kcctl('GET /')))
    assert.deepEqual(Object.keys(root).sort(), ['commit', 'kafka_cluster_id', 'version'])
    const [major = 0, minor = 0] = (root.version ?? '').split('.').map(Number)
    assert.ok(major > 3 || (major === 3 && minor >= 7), 'cluster-wide loggers need 3.7')
  })

  test('lists connectors under a path with a slash at its end, and with status', async () => {
    await using wire = await openScene()
    assert.deepEqual(await wire.expect(200, kcctl('GET /connectors/')), ['fails', 'rests', 'runs', 'stands'])
    const expanded = read.object(await wire.expect(200, kcctl('GET /connectors?expand=status')))
    const failed = read.status(read.object(expanded.fails).status).tasks.find(task => task.state === 'FAILED')
    assert.match(failed?.trace ?? '', /TABLE_MISSING/, 'describe splits the trace into lines')
  })

  test('describes a connector by five calls', async () => {
    await using wire = await openScene()
    read.info(await wire.expect(200, kcctl('GET /connectors/fails')))
    read.status(await wire.expect(200, kcctl('GET /connectors/fails/status')))
    read.stringMap(await wire.expect(200, kcctl('GET /connectors/fails/config')))
    for (const name of ['fails', 'stands', 'unheard-of']) {
      const topics = read.object(await wire.expect(200, kcctl(`GET /connectors/${name}/topics`)))
      assert.deepEqual(Object.keys(topics), [name], 'it takes the first entry of the map')
      read.list(read.object(topics[name]).topics)
    }
    for (const task of read.list(await wire.expect(200, kcctl('GET /connectors/fails/tasks'))))
      assert.equal(typeof read.stringMap(read.object(task).config)['task.class'], 'string')
  })

  test('applies a new connector by POST to a path with a slash, and a changed one by PUT', async () => {
    await using wire = await openScene()
    read.info(await wire.expect(201, kcctl('POST /connectors/', createText('new'))))
    read.info(await wire.expect(200, kcctl('PUT /connectors/new/config', configText({ 'tasks.max': 3 }))))
    assert.match(
      read.error(await wire.expect(409, kcctl('POST /connectors/', createText('new'))), 409),
      /already exists/,
    )
  })

  test('validates by the simple class name with a name of its own making before it applies', async () => {
    await using wire = await openScene()
    const path = 'PUT /connector-plugins/BigQuerySinkConnector/config/validate'
    const good = await wire.expect(200, kcctl(path, configText({ name: 'dummy-name' })))
    assert.equal(read.validation(good).errorCount, 0)
    const bad = read.validation(
      await wire.expect(200, kcctl(path, configText({ name: 'dummy-name', 'tasks.max': 'x' }))),
    )
    assert.deepEqual([bad.errorCount, bad.errorsOf('tasks.max').length], [1, 1])
    const foreign = createText('x', { 'connector.class': 'io.debezium.connector.mysql.MySqlConnector' })
    const message = read.error(await wire.expect(400, kcctl('POST /connectors/', foreign)), 400)
    assert.ok(message.includes('Failed to find any class that implements Connector'), 'kcctl then lists the plugins')
  })

  test('pauses, resumes, stops, restarts and deletes without bodies', async () => {
    await using wire = await openScene()
    assert.equal(await wire.expect(202, kcctl('PUT /connectors/runs/pause')), undefined)
    assert.equal(await wire.expect(202, kcctl('PUT /connectors/runs/resume')), undefined)
    assert.equal(await wire.expect(204, kcctl('POST /connectors/runs/restart')), undefined)
    const both = await wire.expect(202, kcctl('POST /connectors/fails/restart?includeTasks=true&onlyFailed=true'))
    assert.deepEqual(
      read.status(both).tasks.map(task => task.state),
      ['RUNNING', 'RESTARTING'],
    )
    assert.equal(await wire.expect(204, kcctl('POST /connectors/fails/tasks/1/restart')), undefined)
    assert.equal(await wire.expect(204, kcctl('PUT /connectors/runs/stop')), undefined)
    assert.equal(await wire.expect(204, kcctl('DELETE /connectors/runs')), undefined)
    for (const call of ['GET /connectors/runs', 'DELETE /connectors/runs', 'PUT /connectors/runs/pause'])
      read.error(await wire.expect(404, kcctl(call)), 404)
  })

  test('reads, changes and deletes offsets', async () => {
    await using wire = await openScene()
    const shape = read.object(await wire.expect(200, kcctl('GET /connectors/stands/offsets')))
    assert.deepEqual(shape, {
      offsets: [{ partition: { kafka_topic: 'flights', kafka_partition: 0 }, offset: { kafka_offset: 42 } }],
    })
    const altered = await wire.expect(200, kcctl('PATCH /connectors/stands/offsets', JSON.stringify(shape)))
    assert.deepEqual(Object.keys(read.stringMap(altered)), ['message'])
    const reset = await wire.expect(200, kcctl('DELETE /connectors/stands/offsets'))
    assert.deepEqual(Object.keys(read.stringMap(reset)), ['message'])
    read.error(await wire.expect(400, kcctl('DELETE /connectors/runs/offsets')), 400)
  })

  test('lists plugins of every type and the definitions of one', async () => {
    await using wire = await openScene()
    for (const plugin of read.list(await wire.expect(200, kcctl('GET /connector-plugins?connectorsOnly=false'))))
      assert.deepEqual(Object.keys(read.stringMap(plugin)).sort(), ['class', 'type', 'version'])
    const definitions = await wire.expect(200, kcctl('GET /connector-plugins/BigQuerySinkConnector/config'))
    for (const one of read.list(definitions)) read.definition(one)
    read.error(await wire.expect(404, kcctl('GET /connector-plugins/Nope/config')), 404)
  })

  test('gets and sets log levels', async () => {
    await using wire = await openScene()
    const all = read.object(await wire.expect(200, kcctl('GET /admin/loggers/')))
    assert.equal(read.object(all.root).level, 'INFO')
    const root = read.object(await wire.expect(200, kcctl('GET /admin/loggers/root')))
    assert.deepEqual(Object.keys(root).sort(), ['last_modified', 'level'])
    const set = await wire.expect(200, kcctl('PUT /admin/loggers/root', '{"level": "DEBUG"}'))
    assert.deepEqual(set, ['root'])
    assert.equal(await wire.expect(204, kcctl('PUT /admin/loggers/root?scope=cluster', '{"level": "WARN"}')), undefined)
    read.error(await wire.expect(404, kcctl('GET /admin/loggers/nobody')), 404)
  })

  test('a path that left with Kafka 4 is a 404 it can read', async () => {
    await using wire = await openScene()
    read.error(await wire.expect(404, kcctl('GET /connectors/runs/tasks-config')), 404)
  })
})
