import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { FrameAssembler, frameSocket } from '../src/frame-socket.ts'

function frameOf(body: Buffer): Buffer {
  const frame = Buffer.alloc(4 + body.length)
  frame.writeInt32BE(body.length)
  body.copy(frame, 4)
  return frame
}
const pattern = (length: number, seed: number): Buffer =>
  Buffer.alloc(length).map((_, i) => (i * 31 + seed) & 0xff) as Buffer

test('frames come out whole however they were cut', () => {
  const frames = [0, 1, 3, 4, 5, 300].map(length => frameOf(pattern(length, length)))
  const all = Buffer.concat(frames)
  for (let size = 1; size <= all.length; size++) {
    const seen: Buffer[] = []
    const assembler = new FrameAssembler(frame => seen.push(frame))
    const scratch = Buffer.alloc(size)
    for (let at = 0; at < all.length; at += size) {
      const count = all.copy(scratch, 0, at, at + size)
      assembler.add(scratch.subarray(0, count))
      scratch.fill(0xee) // what was read into is used again
    }
    assert.deepEqual(seen, frames, `in pieces of ${size}`)
  }
})

test("a length that cannot be Kafka's is refused before anything of its size is allocated", () => {
  const assembler = new FrameAssembler(() => assert.fail('no frame'))
  assert.throws(() => assembler.add(Buffer.from('HTTP/1.1 400 Bad Request')), /claims 1213486160 bytes/)
  const negative = new FrameAssembler(() => assert.fail('no frame'))
  assert.throws(() => negative.add(Buffer.from([0xff, 0xff, 0xff, 0xff])), RangeError)
})

test('a socket emits whole frames, ends when the peer ends, and is destroyed by what is no frame', async () => {
  const peers: Socket[] = []
  const server = createServer(peer => void peers.push(peer)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const open = async (): Promise<{ socket: Socket; peer: Socket; seen: Buffer[] }> => {
    const socket = frameSocket({ host: '127.0.0.1', port, ssl: null, onConnect: () => undefined })
    const seen: Buffer[] = []
    socket.on('data', (frame: Buffer) => seen.push(frame))
    if (peers.length === 0) await once(server, 'connection')
    return { socket, peer: peers.pop()!, seen }
  }
  const good = await open()
  const large = frameOf(pattern(3_000_000, 7))
  good.peer.write(large)
  good.peer.end(frameOf(Buffer.from('last')))
  await once(good.socket, 'end')
  assert.equal(good.seen.length, 2)
  assert.ok(good.seen[0]?.equals(large), 'the large one as it was')
  assert.ok(good.seen[1]?.equals(frameOf(Buffer.from('last'))))
  good.socket.destroy()

  const bad = await open()
  bad.peer.write('HTTP/1.1 400 Bad Request\r\n\r\n')
  const [error] = (await once(bad.socket, 'error')) as [Error]
  assert.match(error.message, /claims 1213486160 bytes/)
  assert.equal(bad.socket.destroyed, true)
  bad.peer.destroy()
  server.close()
})
