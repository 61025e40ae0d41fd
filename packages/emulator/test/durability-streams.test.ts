// What --data-dir promises of pending and buffered streams: through SIGKILL in the middle of appends, commits and flushes, every
// acknowledged row is kept once, a commit is whole or was not, hidden rows stay hidden and can be shown. Case 61 of
// reference/write-api.md §6, the restart.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { endSpawned, type Spawned, spawnEmulator } from './command.ts'
import { Rest } from './harness.ts'
import { type Failure, type Message, RawClient, rowsOf, writer } from './raw-client.ts'

const schema = writer('optional int64 id = 1; optional string note = 2;')
const FIELDS = [
  { name: 'id', type: 'INT64' },
  { name: 'note', type: 'STRING' },
]
const TYPES = ['COMMITTED', 'PENDING', 'BUFFERED'] as const
const BATCH = 200

/** Rows [first, first + count) of a stream whose ids start at `base`. */
const batch = (stream: string, base: number, first: number, count = BATCH): Message => ({
  writeStream: stream,
  offset: { value: String(first) },
  protoRows: rowsOf(
    schema,
    Array.from({ length: count }, (_, i) => ({ id: base + first + i, note: `a note longer than twelve ${i}` })),
    true,
  ),
})
const at = (offset: number): Message => ({ offset: { value: String(offset) } })
/** Undefined when the call failed, as it does when the emulator is killed. */
const answered = (call: Promise<Message>): Promise<Message | undefined> =>
  call.then(
    answer => answer,
    (failure: Failure) => {
      assert.ok([1, 14].includes(failure.code), JSON.stringify(failure))
      return undefined
    },
  )
/** Where the stream ends, asked by offering rows far beyond. */
async function endOf(client: RawClient, stream: string): Promise<number> {
  const call = client.append()
  const { error } = await call.ask(batch(stream, 0, 1e9, 1))
  call.call.end()
  return Number(/expected offset (\d+),/.exec((error as { message: string }).message)![1])
}

class Killable {
  readonly dataDir: string = mkdtempSync(join(tmpdir(), 'emulator-'))
  private running: Spawned | undefined
  client!: RawClient
  rest!: Rest

  async start(): Promise<void> {
    const ports = ['--grpc-port', '0', '--rest-port', '0', '--project', 'p', '--dataset', 'd']
    this.running = spawnEmulator([...ports, '--data-dir', this.dataDir])
    const { grpc, rest } = await this.running.ready
    this.client = new RawClient(grpc)
    this.rest = new Rest(rest)
  }

  async kill(): Promise<void> {
    await this.running!.kill('SIGKILL')
    this.client.close()
  }

  async ids(table: string): Promise<number[]> {
    return (await this.rest.query(`SELECT id FROM p.d.${table} ORDER BY id`)).map(([id]) => Number(id))
  }
}

const range = (base: number, count: number): number[] => Array.from({ length: count }, (_, i) => base + i)

describe('streams of an emulator with a data directory', () => {
  const emulator = new Killable()
  before(() => emulator.start())
  after(() => {
    endSpawned()
    RawClient.closeAll()
    rmSync(emulator.dataDir, { recursive: true, force: true })
  })

  it('case 61: keeps every acknowledged row of every type once when killed in the middle of appends and flushes', async () => {
    const table = await emulator.rest.createTable('t', FIELDS)
    const streams = await Promise.all(
      TYPES.map(async (type, index) => ({
        type,
        base: index * 1_000_000,
        name: await emulator.client.createStream(table, type),
        end: 0,
        sent: 0,
      })),
    )
    let flushed = 0
    for (let round = 0; round < 2; round++) {
      const { client } = emulator
      const calls = streams.map(stream => {
        const call = client.append()
        for (let i = 0; i < 12; i++) call.send(batch(stream.name, stream.base, stream.end + i * BATCH))
        stream.sent = stream.end + 12 * BATCH
        return call
      })
      // Killed after some answers of each, before the others, with a flush under way.
      await Promise.all(calls.map(async call => assert.ok((await call.next()).appendResult)))
      const buffered = streams[2]!
      const done = await client.unary('FlushRows', { writeStream: buffered.name, ...at(buffered.end + BATCH - 1) })
      flushed = Number(done.offset) + 1
      const under = answered(client.unary('FlushRows', { writeStream: buffered.name, ...at(flushed + 9) }))
      await calls[round]!.next()
      await emulator.kill()
      if (await under) flushed += 10
      for (const [index, call] of calls.entries()) {
        await call.ended
        streams[index]!.end += call.responses.length * BATCH
      }

      await emulator.start()
      for (const stream of streams) {
        const end = await endOf(emulator.client, stream.name)
        assert.ok(end >= stream.end && end <= stream.sent, `${stream.type}: ${stream.end} acknowledged, ends at ${end}`)
        assert.equal(end % BATCH, 0)
        stream.end = end
      }
      const ids = await emulator.ids('t')
      // The flush under way may have been stored without its answer.
      const shown = ids.filter(id => id >= buffered.base).length
      assert.ok(shown === flushed || shown === flushed + 10, `${flushed} flushed, ${shown} shown`)
      flushed = shown
      assert.deepEqual(ids, [...range(0, streams[0]!.end), ...range(buffered.base, flushed)])
    }

    const { client } = emulator
    const [committed, pending, buffered] = streams as [(typeof streams)[0], (typeof streams)[0], (typeof streams)[0]]
    for (const stream of streams) {
      const call = client.append()
      assert.ok((await call.ask(batch(stream.name, stream.base, stream.end))).appendResult)
      stream.end += BATCH
      call.call.end()
    }
    await client.unary('FlushRows', { writeStream: buffered.name, ...at(buffered.end - 1) })
    for (const { name, end } of streams)
      assert.deepEqual(await client.unary('FinalizeWriteStream', { name }), { rowCount: String(end) })
    const commit = { parent: table, writeStreams: [pending.name] }
    assert.ok((await client.unary('BatchCommitWriteStreams', commit)).commitTime)
    assert.deepEqual(await emulator.ids('t'), [
      ...range(0, committed.end),
      ...range(pending.base, pending.end),
      ...range(buffered.base, buffered.end),
    ])
  })

  it('case 61: killed in the middle of a commit and of flushes: all streams or none, a prefix that the next flush goes on from', async () => {
    const flushTable = await emulator.rest.createTable('f', FIELDS)
    const buffered = await emulator.client.createStream(flushTable, 'BUFFERED')
    const total = 6000
    const call = emulator.client.append()
    assert.ok((await call.ask(batch(buffered, 0, 0, total))).appendResult)
    let shown = 0
    for (const [round, delayMs] of [1, 15].entries()) {
      const { client } = emulator
      const table = await emulator.rest.createTable(`c${round}`, FIELDS)
      const streams: string[] = []
      for (let i = 0; i < 12; i++) {
        const stream = await client.createStream(table, 'PENDING')
        const pending = client.append()
        assert.ok((await pending.ask(batch(stream, i * BATCH, 0))).appendResult)
        pending.call.end()
        await client.unary('FinalizeWriteStream', { name: stream })
        streams.push(stream)
      }
      const flushes: Promise<Message | undefined>[] = []
      const flushSome = (): void => {
        const from = shown + flushes.length * 50
        for (let upTo = from + 49; upTo < from + 500; upTo += 50)
          flushes.push(answered(client.unary('FlushRows', { writeStream: buffered, ...at(upTo) })))
      }
      flushSome()
      await flushes[5]
      const commit = { parent: table, writeStreams: streams }
      const committing = answered(client.unary('BatchCommitWriteStreams', commit))
      flushSome()
      await new Promise(resolve => setTimeout(resolve, delayMs))
      await emulator.kill()
      const committed = await committing
      const acknowledged = (await Promise.all(flushes)).filter(answer => answer !== undefined).length * 50 + shown

      await emulator.start()
      const all = range(0, 12 * BATCH)
      const before = await emulator.ids(`c${round}`)
      if (before.length > 0 || committed) assert.deepEqual(before, all)
      const again = await emulator.client.unary('BatchCommitWriteStreams', commit)
      if (before.length === 0) assert.ok(again.commitTime)
      else
        assert.deepEqual(
          (again.streamErrors as Message[]).map(error => error.code),
          streams.map(() => 'STREAM_ALREADY_COMMITTED'),
        )
      assert.deepEqual(await emulator.ids(`c${round}`), all)

      const ids = await emulator.ids('f')
      assert.ok(ids.length >= acknowledged, `${acknowledged} acknowledged, ${ids.length} shown`)
      assert.deepEqual(ids, range(0, ids.length))
      shown = ids.length
      const flush = (upTo: number): Promise<Message> =>
        emulator.client.unary('FlushRows', { writeStream: buffered, ...at(upTo) })
      assert.equal(((await flush(shown - 1).catch((failure: Failure) => failure)) as Failure).code, 6)
      await flush(shown++)
    }
    await emulator.client.unary('FlushRows', { writeStream: buffered, ...at(total - 1) })
    assert.deepEqual(await emulator.ids('f'), range(0, total))
    assert.equal(await endOf(emulator.client, buffered), total)
  })
})
