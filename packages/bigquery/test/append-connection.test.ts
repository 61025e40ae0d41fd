import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import { openBigQuery } from '../src/index.ts'
import { freezeRows, RecordingListener, request, schema, stream, time } from './support/harness.ts'
import { encode, official, statusWithStorageError } from './support/official-protos.ts'
import {
  type AppendCall,
  acknowledge,
  readRequest,
  response,
  type Script,
  startScriptedServer,
} from './support/scripted-server.ts'

async function connected(script: Script, options: { appendDeadlineMs?: number } = {}) {
  const stack = new AsyncDisposableStack()
  const server = stack.use(await startScriptedServer(script))
  const bigquery = stack.use(
    await openBigQuery({
      endpoint: `http://127.0.0.1:${server.port}`,
      restEndpoint: 'http://127.0.0.1:1',
      ...time,
      ...options,
    }),
  )
  const listener = new RecordingListener()
  const connection = bigquery.writeStreams.connect(stream, schema, listener)
  return { server, bigquery, listener, connection, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const offsetOf = (bytes: Buffer): number => Number((readRequest(bytes).offset as { value?: string }).value ?? 0)

test('acknowledges requests in order, with the offsets the service answers', async () => {
  const script: Script = {
    append: call => call.on('data', (bytes: Buffer) => call.write(acknowledge(offsetOf(bytes)))),
  }
  await using t = await connected(script)
  t.connection.send(request(1, 0, freezeRows(3)))
  t.connection.send(request(2, 3, freezeRows(2)))
  t.connection.send(request(3, 5))
  assert.deepEqual(await t.listener.hears(3), [
    { kind: 'acknowledged', id: 1, offset: 0n },
    { kind: 'acknowledged', id: 2, offset: 3n },
    { kind: 'acknowledged', id: 3, offset: 5n },
  ])
  assert.equal(t.connection.inFlightBytes, 0)
})
