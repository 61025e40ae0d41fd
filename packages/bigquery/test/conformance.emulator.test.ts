// The adapter against the emulator in its own process: the suite the twin passes, over plaintext; and once over TLS with tokens.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Secret, type TableName, tableName } from '@millrace/core'
import {
  type BigQueryUnderTest,
  CONFORMANCE_SCHEMA,
  CONFORMANCE_TABLE,
  type EmulatorProcess,
  rows,
  startEmulatorProcess,
  testBigQuery,
} from '@millrace/testkit'
import { openBigQuery } from '../src/index.ts'
import { impatientTimers, RecordingListener, request, signal, time } from './support/harness.ts'
import { startHttpServer } from './support/http-server.ts'
import { TEST_CA, TEST_CERTIFICATE, TEST_KEY } from './support/test-certificates.ts'

let emulator: EmulatorProcess
let tables = 0
before(async () => {
  emulator = await startEmulatorProcess({ args: ['--project', 'p', '--dataset', 'd'] })
})
after(() => emulator.stop())

testBigQuery('BigQuery adapter on the emulator', async (): Promise<BigQueryUnderTest> => {
  const bigquery = await openBigQuery({
    endpoint: `http://${emulator.grpc}`,
    restEndpoint: emulator.rest,
    ...time,
    timers: impatientTimers,
  })
  return {
    tables: bigquery.tables,
    writeStreams: bigquery.writeStreams,
    freshTable: () => tableName('p', 'd', `t${++tables}`),
    countRows,
    breakNextAppend: async ({ isApplied }) => {
      const fault = {
        method: 'AppendRows',
        effect: isApplied ? 'closeAfterApply' : 'close',
        nth: 1,
        code: 'UNAVAILABLE',
      }
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${emulator.rest}/emulator/faults`, {
        method: 'POST',
        headers,
        body: JSON.stringify(fault),
      })
      assert.equal(answer.status, 200, await answer.text())
    },
    [Symbol.asyncDispose]: () => bigquery[Symbol.asyncDispose](),
  }
})

async function countRows(table: TableName): Promise<number> {
  const answer = await fetch(`${emulator.rest}/emulator/state`)
  const state = (await answer.json()) as { tables: readonly { table: string; rows: string }[] }
  const [, project, , dataset, , id] = table.split('/')
  return Number(state.tables.find(one => one.table === `${project}.${dataset}.${id}`)?.rows ?? Number.NaN)
}

test('over TLS with tokens: the good one writes, the expired is replaced, the forbidden is denied', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-tls-'))
  const paths = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), tokens: join(folder, 'tokens.json') }
  await Promise.all([
    writeFile(paths.cert, TEST_CERTIFICATE),
    writeFile(paths.key, TEST_KEY),
    writeFile(paths.tokens, JSON.stringify({ 'token-1': 'expired', 'token-2': 'ok', 'token-3': 'forbidden' })),
  ])
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true }))
  const secure = stack.use(
    await startEmulatorProcess({
      args: [
        '--project',
        'p',
        '--dataset',
        'd',
        '--tls-cert',
        paths.cert,
        '--tls-key',
        paths.key,
        '--token-file',
        paths.tokens,
      ],
    }),
  )
  let issued = 0
  const tokenEndpoint = stack.use(
    await startHttpServer(() => ({ status: 200, body: { access_token: `token-${++issued}`, expires_in: 3600 } })),
  )
  const port = (address: string): string => address.slice(address.lastIndexOf(':') + 1)
  const key = {
    type: 'service_account',
    client_email: 'writer@p.iam.gserviceaccount.com',
    private_key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    }),
  }
  const options = {
    endpoint: `https://localhost:${port(secure.grpc)}`,
    restEndpoint: `https://localhost:${port(secure.rest)}`,
    ca: TEST_CA,
    credentials: { kind: 'keyJson' as const, json: new Secret(JSON.stringify(key)) },
    tokenEndpoint: `http://127.0.0.1:${tokenEndpoint.port}/`,
    ...time,
    timers: impatientTimers,
  }
  const table = tableName('p', 'd', 'secured')
  const bigquery = stack.use(await openBigQuery(options))
  await bigquery.tables.create(table, CONFORMANCE_TABLE, { signal })
  assert.equal(issued, 2)
  const stream = await bigquery.writeStreams.create(table, { signal })
  const listener = new RecordingListener()
  const connection = bigquery.writeStreams.connect(stream, CONFORMANCE_SCHEMA, listener)
  connection.send(request(1, 0, rows(0, 3)))
  assert.deepEqual(await listener.hears(1), [{ kind: 'acknowledged', id: 1, offset: 0n }])

  const forbidden = stack.use(await openBigQuery(options))
  const denied = { code: 'BIGQUERY_PERMISSION_DENIED', disposition: 'failPartition' }
  await assert.rejects(forbidden.tables.get(table, { signal }), denied)
  await assert.rejects(forbidden.writeStreams.finalize(stream, { signal }), denied)
})
