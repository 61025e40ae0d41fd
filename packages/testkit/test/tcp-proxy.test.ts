// What the proxy does to bytes, against an echo.
import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TcpProxy } from '@millrace/testkit'

let echo: Server
let received = ''
before(async () => {
  echo = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', bytes => {
      received += bytes
      socket.write(bytes)
    })
  })
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
})
after(() => void echo.close())

type Client = { readonly socket: Socket; readonly text: () => string; readonly ended: Promise<string> }
async function opened(proxy: TcpProxy): Promise<Client> {
  const socket = connect({ ...proxy.address, noDelay: true })
  let text = ''
  socket.on('data', bytes => (text += bytes))
  let error = 'none'
  socket.on('error', cause => (error = (cause as NodeJS.ErrnoException).code ?? String(cause)))
  const ended = new Promise<string>(resolve => socket.once('close', () => resolve(error)))
  await new Promise<void>(resolve => {
    socket.once('connect', () => resolve())
    socket.once('close', () => resolve())
  })
  return { socket, text: () => text, ended }
}
const proxied = (): Promise<TcpProxy> =>
  TcpProxy.listen(() => ({ host: '127.0.0.1', port: (echo.address() as { port: number }).port }))
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(2)
}

test('bytes pass in order, and after an end nothing is lost', async () => {
  await using proxy = await proxied()
  const client = await opened(proxy)
  for (let i = 0; i < 100; i++) client.socket.write(`${i},`)
  const all = Array.from({ length: 100 }, (_, i) => `${i},`).join('')
  await until(() => client.text() === all)
  client.socket.end()
  assert.equal(await client.ended, 'none')
})

test('latency delays, and keeps the order', async () => {
  await using proxy = await proxied()
  proxy.set({ down: { latencyMs: 60, jitterMs: 30 } })
  const client = await opened(proxy)
  const since = performance.now()
  client.socket.write('a')
  await until(() => client.text() === 'a')
  assert.ok(performance.now() - since >= 59)
  for (const letter of 'bcdef') client.socket.write(letter)
  await until(() => client.text() === 'abcdef')
  assert.ok(proxy.counts.held > 0)
})

test('what is frozen on its way arrives when it thaws, even if its sender is gone', async () => {
  await using proxy = await proxied()
  const client = await opened(proxy)
  received = ''
  proxy.set({ up: 'frozen' })
  client.socket.write('late')
  await until(() => proxy.heldNow === 1)
  client.socket.destroy()
  await client.ended
  assert.equal(received, '')
  proxy.clear()
  await until(() => received === 'late')
})

test('one direction can be frozen alone: the request arrives, its answer does not', async () => {
  await using proxy = await proxied()
  const client = await opened(proxy)
  received = ''
  proxy.set({ down: 'frozen' })
  client.socket.write('asked')
  await until(() => received === 'asked' && proxy.heldNow === 1)
  assert.equal(client.text(), '')
  proxy.clear()
  await until(() => client.text() === 'asked')
})

test('a drip lets so many bytes through at a time', async () => {
  await using proxy = await proxied()
  proxy.set({ down: { dripBytes: 2, everyMs: 10 } })
  const client = await opened(proxy)
  const since = performance.now()
  client.socket.write('0123456789')
  await until(() => client.text() === '0123456789')
  assert.ok(performance.now() - since >= 38)
})

test('a connection is cut after so many bytes, in the middle of an answer', async () => {
  await using proxy = await proxied()
  const client = await opened(proxy)
  received = ''
  proxy.cutAfter('up', 4)
  client.socket.write('0123456789')
  assert.equal(await client.ended, 'ECONNRESET')
  assert.ok('0123'.startsWith(received))
  assert.equal(proxy.counts.cut, 1)
})

test('it refuses while it is told to, and cuts all there is', async () => {
  await using proxy = await proxied()
  const client = await opened(proxy)
  client.socket.write('x')
  await until(() => client.text() === 'x')
  proxy.isRefusing = true
  assert.equal(await (await opened(proxy)).ended, 'ECONNRESET')
  proxy.cutAll()
  assert.equal(await client.ended, 'ECONNRESET')
  assert.deepEqual([proxy.counts.refused, proxy.counts.cut], [1, 1])
})

test('a request is cut before, or its answer is, as told for each', async () => {
  await using proxy = await proxied()
  for (const fate of ['cutBefore', 'cutAnswer'] as const) {
    proxy.fate = request => (String(request) === 'lose' ? fate : 'pass')
    const client = await opened(proxy)
    client.socket.write('keep')
    await until(() => client.text() === 'keep')
    received = ''
    client.socket.write('lose')
    assert.equal(await client.ended, 'ECONNRESET')
    assert.equal(received, fate === 'cutAnswer' ? 'lose' : '')
  }
})

test('connections that are fall silent without a word, new ones pass, and what was held arrives later', async () => {
  await using proxy = await proxied()
  const old = await opened(proxy)
  old.socket.write('a')
  await until(() => old.text() === 'a')
  assert.equal(proxy.holdAll(), 1)
  old.socket.write('b')
  const young = await opened(proxy)
  young.socket.write('c')
  await until(() => young.text() === 'c')
  assert.equal(old.text(), 'a')
  proxy.release()
  await until(() => old.text() === 'ab')
})

test('an answer can be another, until all is cleared', async () => {
  await using proxy = await proxied()
  proxy.alter = answer => Buffer.from(String(answer).toUpperCase())
  const client = await opened(proxy)
  client.socket.write('a')
  await until(() => client.text() === 'A')
  proxy.clear()
  client.socket.write('b')
  await until(() => client.text() === 'Ab')
})
