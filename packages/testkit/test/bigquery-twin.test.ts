// The twin of BigQuery against the suite the adapter passes, and its own controls.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { type Clock, MillraceError, streamOffset, type Timers, tableName } from '@millrace/core'
import {
  type BigQueryUnderTest,
  CONFORMANCE_SCHEMA,
  CONFORMANCE_TABLE,
  rows,
  testBigQuery,
} from '../src/conformance/bigquery.ts'
import { type AppendFate, BigQueryTwin } from '../src/twins/bigquery.ts'
import { splitRows } from '../src/twins/proto-rows.ts'

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
const timers: Timers = { sleep: (ms, { signal }) => sleepFor(ms, undefined, { signal }) }
const signal: AbortSignal = new AbortController().signal

async function openTwin(): Promise<BigQueryUnderTest> {
  const twin = new BigQueryTwin({ clock, timers })
  let tables = 0
  return {
    tables: twin.tables,
    writeStreams: twin.writeStreams,
    freshTable: () => tableName('p', 'd', `t${++tables}`),
    countRows: async table => twin.rows(table).length,
    breakNextAppend: async ({ isApplied }) => {
      twin.appendFate = () => {
        twin.appendFate = () => ({ kind: 'apply' })
        return { kind: isApplied ? 'loseReply' : 'loseRequest' }
      }
    },
    async [Symbol.asyncDispose]() {},
  }
}

testBigQuery('BigQuery twin', openTwin)

const table = tableName('p', 'd', 't')

async function openStream(options: { appendDeadlineMs?: number } = {}) {
  const twin = new BigQueryTwin({ clock, timers, ...options })
  await twin.tables.create(table, CONFORMANCE_TABLE, { signal })
  const stream = await twin.writeStreams.create(table, { signal })
  const heard: string[] = []
  const { promise: isBroken, resolve } = Promise.withResolvers<void>()
  const connect = () =>
    twin.writeStreams.connect(stream, CONFORMANCE_SCHEMA, {
      onAcknowledged: (id, offset) => heard.push(`${id} at ${offset}`),
      onRefused: (id, error) => heard.push(`${id} ${error.kind}`),
      onBroken: error => {
        heard.push(error.disposition)
        resolve()
      },
      onSchemaUpdated: () => heard.push('schema'),
    })
  return { twin, stream, heard, isBroken, connect }
}

test('an append held in the network lands after its sender gave up, unless the stream was finalized first', async () => {
  for (const isFinalizedFirst of [false, true]) {
    const t = await openStream({ appendDeadlineMs: 20 })
    const { promise: until, resolve: release } = Promise.withResolvers<void>()
    t.twin.appendFate = () => ({ kind: 'hold', until })
    t.connect().send({ id: 1, firstRow: streamOffset(0), rows: rows(0, 2) })
    await t.isBroken
    assert.equal(t.twin.rowCount(t.stream), 0)
    if (isFinalizedFirst) assert.equal(await t.twin.writeStreams.finalize(t.stream, { signal }), 0n)
    release()
    // Without latency the twin needs no timer: one turn of the event loop settles everything.
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(t.twin.rowCount(t.stream), isFinalizedFirst ? 0 : 2)
    assert.deepEqual(t.heard, ['reconnect'])
  }
})

test('a call that is lost before or after its effect rejects either way', async () => {
  const t = await openStream()
  t.twin.callFate = () => 'loseRequest'
  await assert.rejects(t.twin.writeStreams.finalize(t.stream, { signal }), { disposition: 'retry' })
  assert.equal(t.twin.isFinalized(t.stream), false)
  t.twin.callFate = () => 'loseReply'
  await assert.rejects(t.twin.writeStreams.finalize(t.stream, { signal }), { disposition: 'retry' })
  assert.equal(t.twin.isFinalized(t.stream), true)
})

test('a table that comes back under its name knows neither the rows nor the streams of the one before', async () => {
  const t = await openStream()
  const before = await t.twin.tables.get(table, { signal })
  t.twin.dropTable(table)
  const after = await t.twin.tables.create(table, CONFORMANCE_TABLE, { signal })
  assert.notEqual(after.creationTime, before?.creationTime)
  await assert.rejects(t.twin.writeStreams.exists(t.stream, { signal }), { code: 'STREAM_GONE' })
  assert.equal(t.twin.rows(table).length, 0)
})

test('every other fate of an append is heard as such', async () => {
  const t = await openStream({ appendDeadlineMs: 20 })
  const busy = new MillraceError('BIGQUERY_QUOTA', 'retry', 'Exceeds quota')
  const fates: AppendFate[] = [
    { kind: 'refuse', error: { kind: 'other', error: busy } },
    { kind: 'acknowledgeAt', offset: streamOffset(7) },
    { kind: 'silence', applies: true },
  ]
  t.twin.appendFate = () => fates.shift() ?? { kind: 'apply' }
  const connection = t.connect()
  connection.send({ id: 1, firstRow: streamOffset(0), rows: rows(0, 1) })
  connection.send({ id: 2, firstRow: streamOffset(0), rows: rows(0, 1) })
  connection.send({ id: 3, firstRow: streamOffset(1), rows: rows(1, 1) })
  connection.send({ id: 4, firstRow: streamOffset(2), rows: rows(2, 1) })
  await t.isBroken
  assert.deepEqual(t.heard, ['1 other', '2 at 7', 'reconnect'])
  // What was sent behind the silence has arrived all the same.
  assert.equal(t.twin.rowCount(t.stream), 3)
})

test('a connection can be ended with any error, and a new schema is announced with the next acknowledgement', async () => {
  const t = await openStream()
  t.twin.announceSchema(table)
  const connection = t.connect()
  connection.send({ id: 1, firstRow: streamOffset(0), rows: rows(0, 1) })
  connection.send({ id: 2, firstRow: streamOffset(1), rows: rows(1, 1) })
  const draining = new MillraceError('BIGQUERY_UNREACHABLE', 'reconnect', 'draining')
  t.twin.appendFate = () => ({ kind: 'break', error: draining })
  connection.send({ id: 3, firstRow: streamOffset(2), rows: rows(2, 1) })
  await t.isBroken
  assert.deepEqual(t.heard, ['1 at 0', 'schema', '2 at 1', 'reconnect'])
  assert.equal(t.twin.rowCount(t.stream), 2)
})

test('frozen rows that are not as many as they say are a bug of their sender', () => {
  assert.throws(() => splitRows({ ...rows(0, 2), rowCount: 3 }), { code: 'BUG' })
})
