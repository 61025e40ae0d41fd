// What --data-dir promises: every acknowledged row once, streams and their ends kept, through SIGKILL in the middle of appends.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { endSpawned, type Spawned, spawnEmulator } from './command.ts'
import { Rest } from './harness.ts'
import { type Message, RawClient, rowsOf, writer } from './raw-client.ts'

const schema = writer('optional int64 id = 1; optional string note = 2; repeated string tags = 3;')
const FIELDS = [
  { name: 'id', type: 'INT64' },
  { name: 'note', type: 'STRING' },
  { name: 'tags', type: 'STRING', mode: 'REPEATED' },
]
const BATCH = 500
const batch = (stream: string, first: number): Message => ({
  writeStream: stream,
  offset: { value: String(first) },
  protoRows: rowsOf(
    schema,
    Array.from({ length: BATCH }, (_, i) => ({
      id: first + i,
      note: `a note longer than twelve ${first + i}`,
      tags: ['x'],
    })),
    true,
  ),
})

describe('an emulator with a data directory', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'emulator-'))
  after(() => {
    endSpawned()
    RawClient.closeAll()
    rmSync(dataDir, { recursive: true, force: true })
  })
  const start = () =>
    spawnEmulator(['--grpc-port', '0', '--rest-port', '0', '--project', 'p', '--dataset', 'd', '--data-dir', dataDir])
  const table = 'projects/p/datasets/d/tables/t'
  /** One at a time: a test may leave its own to the next. */
  let running: Spawned | undefined

  it('keeps each acknowledged row once when killed in the middle of appends, twice', async () => {
    running = start()
    let addresses = await running.ready
    await new Rest(addresses.rest).createTable('t', FIELDS)
    let client = new RawClient(addresses.grpc)
    const stream = await client.createStream(table)
    let acked = 0
    for (let round = 0; round < 2; round++) {
      const call = client.append()
      const target = acked + BATCH * 8
      let sent = acked
      // Killed with requests in flight: after some answers, before the others.
      for (let answered = 0; answered < 5; answered++) {
        while (sent < target) {
          call.send(batch(stream, sent))
          sent += BATCH
        }
        const response = await call.next()
        assert.ok(response.appendResult, JSON.stringify(response))
        acked += BATCH
      }
      await running.kill('SIGKILL')
      assert.notEqual(await call.ended, undefined)
      // Answers that arrived while it was being killed count too.
      acked = Math.max(
        acked,
        ...call.responses.map(
          answer => Number((answer.appendResult as { offset?: { value?: string } })?.offset?.value ?? 0) + BATCH,
        ),
      )
      client.close()

      running = start()
      addresses = await running.ready
      client = new RawClient(addresses.grpc)
      const rest = new Rest(addresses.rest)
      const [[count, distinct, highest]] = (await rest.query(
        'SELECT COUNT(*), COUNT(DISTINCT id), MAX(id) FROM p.d.t',
      )) as [[string, string, string]]
      assert.equal(count, distinct)
      assert.ok(Number(count) >= acked && Number(count) <= sent, `${acked} acknowledged, ${sent} sent, ${count} stored`)
      assert.equal(Number(highest), Number(count) - 1)
      // The stream ends where its rows end: what was stored without an answer is known, the next is accepted.
      const again = client.append()
      const repeated = await again.ask(batch(stream, Number(count) - BATCH))
      assert.equal((repeated.error as { code: number }).code, 6)
      const next = await again.ask(batch(stream, Number(count)))
      assert.ok(next.appendResult, JSON.stringify(next))
      again.call.end()
      acked = Number(count) + BATCH
    }
    const other = await client.createStream(table)
    assert.deepEqual(await client.unary('FinalizeWriteStream', { name: stream }), { rowCount: String(acked) })
    await running.kill('SIGKILL')
    client.close()

    running = start()
    addresses = await running.ready
    client = new RawClient(addresses.grpc)
    assert.deepEqual(await client.unary('FinalizeWriteStream', { name: stream }), { rowCount: String(acked) })
    const call = client.append()
    assert.equal(((await call.ask(batch(stream, acked))).error as { code: number }).code, 3)
    call.call.end()
    assert.deepEqual(await client.unary('FinalizeWriteStream', { name: other }), {})
    client.close()
  })

  it('forgets the streams of a dropped table, and keeps schema changes', async () => {
    let rest = new Rest((await running!.ready).rest)
    assert.equal((await rest.api('DELETE', '/datasets/d/tables/t')).status, 204)
    await rest.createTable('t', FIELDS)
    const wider = { schema: { fields: [...FIELDS, { name: 'added', type: 'DATE' }] } }
    assert.equal((await rest.api('PATCH', '/datasets/d/tables/t', wider)).status, 200)
    await running!.kill('SIGKILL')
    running = start()
    rest = new Rest((await running.ready).rest)
    const { body } = await rest.api('GET', '/datasets/d/tables/t')
    assert.deepEqual(
      (body.schema as { fields: Message[] }).fields.map(field => field.name),
      ['id', 'note', 'tags', 'added'],
    )
    assert.deepEqual((await rest.call('GET', '/emulator/state')).body.streams, [])
    assert.deepEqual(await rest.query('SELECT added FROM p.d.t'), [])
  })

  it('refuses to share its directory', async () => {
    const second = await start().exited
    assert.equal(second.code, 2)
    assert.match(second.stderr, /Cannot open the data directory .*lock/s)
    assert.equal((await running!.kill('SIGTERM')).code, 0)
  })
})
