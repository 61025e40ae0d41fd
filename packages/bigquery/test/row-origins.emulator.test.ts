// SQL on the emulator and the twin answer the same of the same rows.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { kafkaOffset, ORIGIN_BUCKET_OFFSETS, type OriginRange, tableName } from '@millrace/core'
import { type EmulatorProcess, type ProtoRow, RowOriginsTwin, startEmulatorProcess } from '@millrace/testkit'
import { openBigQuery } from '../src/index.ts'
import { impatientTimers, signal, time } from './support/harness.ts'
import { startHttpServer } from './support/http-server.ts'

let emulator: EmulatorProcess
let queries = 0
before(async () => {
  emulator = await startEmulatorProcess({ args: ['--project', 'p', '--dataset', 'd'] })
})
after(() => emulator.stop())

const TABLE = tableName('p', 'd', 'order-s')
const column = 'kafka'

const post = async (path: string, body: object): Promise<void> => {
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${emulator.rest}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  assert.equal(answer.status, 200, await answer.text())
}

test('sums and counts by SQL are those of the twin', async () => {
  await post('/bigquery/v2/projects/p/datasets/d/tables', {
    tableReference: { projectId: 'p', datasetId: 'd', tableId: 'order-s' },
    schema: {
      fields: [
        {
          name: column,
          type: 'RECORD',
          fields: [
            { name: 'topic', type: 'STRING' },
            { name: 'partition', type: 'INTEGER' },
            { name: 'offset', type: 'INTEGER' },
            { name: 'insertTime', type: 'TIMESTAMP' },
          ],
        },
      ],
    },
  })
  const bucket = BigInt(ORIGIN_BUCKET_OFFSETS)
  const place = (topic: string, partition: bigint, offset: bigint): ProtoRow => ({
    [column]: { topic, partition, offset },
  })
  const rows: readonly ProtoRow[] = [
    ...Array.from({ length: 40 }, (_, i) => place("o'rders", 0n, BigInt(i))),
    place("o'rders", 0n, 7n),
    place("o'rders", 0n, bucket - 1n),
    place("o'rders", 0n, bucket),
    place("o'rders", 1n, bucket * 3n + 5n),
    place('other', 1n, bucket * 3n + 5n),
  ]
  const values = rows.map(row => {
    const { topic, partition, offset } = Object(row[column])
    return `STRUCT("${topic}", ${partition}, ${offset}, CAST(NULL AS TIMESTAMP))`
  })
  const query = `INSERT INTO \`p.d.order-s\` (${column}) SELECT v FROM UNNEST([${values.join(', ')}]) AS v`
  await post('/bigquery/v2/projects/p/queries', { query, useLegacySql: false })

  await using bigquery = await openBigQuery({
    endpoint: `http://${emulator.grpc}`,
    restEndpoint: emulator.rest,
    ...time,
    random: { ...time.random, nextId: () => `query${++queries}` }, // one id, one job
    timers: impatientTimers,
  })
  const [sql, twin] = [bigquery.rowOrigins('p'), new RowOriginsTwin(() => rows)]
  const range = (topic: string, partition: number, from: bigint, to: bigint): OriginRange => ({
    tp: { topic, partition },
    from: kafkaOffset(from),
    to: kafkaOffset(to),
  })
  const ranges = [
    range("o'rders", 0, 3n, bucket + 1n),
    range("o'rders", 1, 0n, bucket * 4n),
    range('other', 1, 0n, bucket * 3n),
    range('none', 0, 0n, 100n),
  ]
  const [sums, counts] = await Promise.all([
    sql.sums(TABLE, column, ranges, { signal }),
    sql.counts(TABLE, column, ranges, { signal }),
  ])
  const key = (value: object): string => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v))
  const sorted = (list: readonly object[]): readonly string[] => list.map(key).toSorted()
  assert.deepEqual(sorted(sums), sorted(await twin.sums(TABLE, column, ranges)))
  assert.deepEqual(sorted(counts), sorted(await twin.counts(TABLE, column, ranges)))
  assert.ok(sums.length === 3 && counts.length > 30)
  assert.equal(await sql.rowCount(TABLE, { signal }), rows.length)
  assert.deepEqual(await sql.sums(TABLE, column, [], { signal }), [])
})

test('a job that takes its time and an answer of several pages are waited for; trouble of the service is asked again', async () => {
  const pages: readonly object[] = [
    { jobComplete: false, jobReference: { jobId: 'j', location: 'EU' } },
    { jobComplete: true, rows: [{ f: [{ v: '1' }] }], pageToken: 'next' },
    { jobComplete: true, rows: [{ f: [{ v: null }] }] },
  ]
  let asked = 0
  const server = await startHttpServer(() => {
    asked++
    return asked === 2
      ? { status: 503, body: {} }
      : { status: 200, body: pages[asked > 2 ? asked - 2 : asked - 1] ?? {} }
  })
  await using stack = new AsyncDisposableStack()
  stack.use(server)
  const bigquery = stack.use(
    await openBigQuery({
      endpoint: 'http://127.0.0.1:1',
      restEndpoint: `http://127.0.0.1:${server.port}`,
      ...time,
      timers: impatientTimers,
    }),
  )
  assert.equal(await bigquery.rowOrigins('p').rowCount(TABLE, { signal }), 1)
  const [started, , second, third] = server.asked.map(one => one.path)
  assert.equal(started, '/bigquery/v2/projects/p/queries')
  assert.match(second ?? '', /^\/bigquery\/v2\/projects\/p\/queries\/j\?.*location=EU/)
  assert.match(third ?? '', /pageToken=next/)
})
