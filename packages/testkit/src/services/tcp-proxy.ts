// A TCP proxy that does to connections what networks do: late, dropped, cut in the middle, silent in one direction or both.
// It counts what it did, so that a test can prove that its fault hit. Bytes it holds back are delivered when it lets go of
// them, even if their sender has given up by then: that is the packet that arrives a minute late.
import { connect, createServer, type Server, type Socket } from 'node:net'

/** Bytes waiting in one direction of a connection; beyond it the sender is not read, as with any full network. */
const QUEUED_BYTES_MAX = 4 * 1024 * 1024

export type Address = { readonly host: string; readonly port: number }

/** What becomes of the bytes of one direction. `frozen`: they stay here, and nobody is told. */
export type Passage =
  | 'pass'
  | 'frozen'
  | { readonly latencyMs: number; readonly jitterMs?: number }
  | { readonly dripBytes: number; readonly everyMs: number }

/** `up` is from the client to the server. */
export type Direction = 'up' | 'down'

/** What happens to a request: pass · never reach the server (cut) · reach it but the answer is cut · it, or its answer, waits for `release`. */
export type Fate = 'pass' | 'cutBefore' | 'cutAnswer' | 'hold' | 'holdAnswer'

export type ProxyCounts = {
  readonly connections: number
  readonly refused: number
  /** Connections ended by us. */
  readonly cut: number
  /** Pieces that waited: for a release, for the end of a freeze, for their latency or their turn in a drip. */
  readonly held: number
}

export class TcpProxy implements AsyncDisposable {
  /** Asked for each piece a client sends; a piece begins with a request where the client writes each at once. */
  fate: (request: Buffer) => Fate = () => 'pass'
  /** Asked for each piece a server sends: what its client gets instead. */
  alter: (answer: Buffer) => Buffer = answer => answer
  /** New connections are reset instead of joined. */
  isRefusing = false
  requests = 0
  readonly #server: Server
  readonly #target: () => Address
  readonly #joints = new Set<Joint>()
  readonly #passage: Record<Direction, Passage> = { up: 'pass', down: 'pass' }
  readonly #counts = { connections: 0, refused: 0, cut: 0, held: 0 }
  #cutAfter: { readonly direction: Direction; bytesLeft: number } | null = null

  private constructor(server: Server, target: () => Address) {
    this.#server = server
    this.#target = target
  }

  /** @param target asked for each connection, so that it may move */
  static async listen(target: () => Address): Promise<TcpProxy> {
    const server = createServer({ noDelay: true })
    const proxy = new TcpProxy(server, target)
    server.on('connection', client => proxy.#join(client))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get address(): Address {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return { host: '127.0.0.1', port: address.port }
  }

  get counts(): ProxyCounts {
    return { ...this.#counts }
  }

  /** Pieces that wait now, of both directions. */
  get heldNow(): number {
    return [...this.#joints].reduce((sum, joint) => sum + joint.queued, 0)
  }

  /** For all connections, those that are and those that come. */
  set(passage: Partial<Record<Direction, Passage>>): void {
    Object.assign(this.#passage, passage)
    for (const joint of this.#joints) joint.look()
  }

  /** As if there were no proxy; what was held goes on its way now. */
  clear(): void {
    this.fate = () => 'pass'
    this.alter = answer => answer
    this.isRefusing = false
    this.#cutAfter = null
    this.set({ up: 'pass', down: 'pass' })
    this.release()
  }

  /** Half-open: nothing passes any more on the connections that are, and nobody is told; new ones pass. Answers how many. */
  holdAll(): number {
    for (const joint of this.#joints) {
      joint.hold('up')
      joint.hold('down')
    }
    return this.#joints.size
  }

  /** Lets held requests and answers go on; their connections may be gone, the requests are not. */
  release(): void {
    for (const joint of this.#joints) joint.release()
  }

  /** Cuts whatever connection carries the byte after the next so many, in the middle of whatever it is. */
  cutAfter(direction: Direction, bytes: number): void {
    this.#cutAfter = { direction, bytesLeft: bytes }
  }

  /** RST on every connection. */
  cutAll(): void {
    for (const joint of this.#joints) this.#cut(joint)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutAll()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #cut(joint: Joint): void {
    this.#counts.cut++
    this.#joints.delete(joint)
    joint.reset()
  }

  #join(client: Socket): void {
    client.on('error', () => {})
    if (this.isRefusing) {
      this.#counts.refused++
      client.resetAndDestroy()
      return
    }
    this.#counts.connections++
    const server = connect({ ...this.#target(), noDelay: true })
    const joint: Joint = new Joint(client, server, {
      passage: direction => this.#passage[direction],
      onHeld: () => this.#counts.held++,
      onPiece: (direction, piece) => this.#onPiece(joint, direction, piece),
      onGone: () => this.#joints.delete(joint),
    })
    this.#joints.add(joint)
  }

  /** Answers what may be passed on of a piece; null when its connection is over. */
  #onPiece(joint: Joint, direction: Direction, sent: Buffer): Buffer | null {
    const piece = direction === 'up' ? sent : this.alter(sent)
    if (direction === 'up') {
      this.requests++
      const fate = joint.isHeld('up') ? 'pass' : this.fate(piece)
      if (fate === 'cutBefore') {
        this.#cut(joint)
        return null
      }
      if (fate === 'cutAnswer') joint.isAnswerCut = true
      if (fate === 'hold') joint.hold('up')
      if (fate === 'holdAnswer') joint.hold('down')
    } else if (joint.isAnswerCut) {
      this.#cut(joint)
      return null
    }
    const cut = this.#cutAfter
    if (cut === null || cut.direction !== direction) return piece
    if (piece.length <= cut.bytesLeft) {
      cut.bytesLeft -= piece.length
      return piece
    }
    this.#cutAfter = null
    joint.passLast(direction, piece.subarray(0, cut.bytesLeft))
    this.#cut(joint)
    return null
  }
}

type JointEvents = {
  readonly passage: (direction: Direction) => Passage
  readonly onHeld: () => void
  readonly onPiece: (direction: Direction, piece: Buffer) => Buffer | null
  readonly onGone: () => void
}

/** One connection of a client, and ours to the server. */
class Joint {
  isAnswerCut = false
  readonly #up: Pipe
  readonly #down: Pipe
  readonly #sockets: readonly Socket[]

  constructor(client: Socket, server: Socket, { passage, onHeld, onPiece, onGone }: JointEvents) {
    this.#sockets = [client, server]
    const pipe = (direction: Direction, from: Socket, to: Socket): Pipe =>
      new Pipe(from, to, () => passage(direction), { onHeld, onPiece: piece => onPiece(direction, piece) })
    this.#up = pipe('up', client, server)
    this.#down = pipe('down', server, client)
    let open = 2
    for (const socket of this.#sockets) {
      socket.on('error', () => {})
      socket.once('close', () => {
        open--
        if (open === 0) onGone()
      })
    }
  }

  get queued(): number {
    return this.#up.queued + this.#down.queued
  }
  isHeld(direction: Direction): boolean {
    return this.#pipe(direction).isHeld
  }
  hold(direction: Direction): void {
    this.#pipe(direction).isHeld = true
  }
  release(): void {
    for (const pipe of [this.#up, this.#down]) pipe.isHeld = false
    this.look()
  }
  look(): void {
    this.#up.look()
    this.#down.look()
  }
  passLast(direction: Direction, piece: Buffer): void {
    this.#pipe(direction).passLast(piece)
  }
  reset(): void {
    this.#up.drop()
    this.#down.drop()
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }
  #pipe(direction: Direction): Pipe {
    return direction === 'up' ? this.#up : this.#down
  }
}

type PipeEvents = { readonly onHeld: () => void; readonly onPiece: (piece: Buffer) => Buffer | null }

/** One direction of a connection. */
class Pipe {
  isHeld = false
  readonly #from: Socket
  readonly #to: Socket
  readonly #passage: () => Passage
  readonly #queue: { bytes: Buffer; readonly dueMs: number }[] = []
  #queuedBytes = 0
  #isOver = false
  #timer: NodeJS.Timeout | null = null

  constructor(from: Socket, to: Socket, passage: () => Passage, { onHeld, onPiece }: PipeEvents) {
    this.#from = from
    this.#to = to
    this.#passage = passage
    from.on('data', piece => {
      const passed = onPiece(piece)
      if (passed === null || passed.length === 0) return
      if (this.#push(passed)) onHeld()
    })
    from.once('close', () => {
      this.#isOver = true
      this.look()
    })
  }

  get queued(): number {
    return this.#queue.length
  }

  /** Whether the piece has to wait. */
  #push(bytes: Buffer): boolean {
    const passage = this.#passage()
    const latencyMs =
      typeof passage === 'object' && 'latencyMs' in passage
        ? passage.latencyMs + Math.random() * (passage.jitterMs ?? 0)
        : 0
    const after = this.#queue.at(-1)?.dueMs ?? 0
    this.#queue.push({ bytes, dueMs: Math.max(after, performance.now() + latencyMs) })
    this.#queuedBytes += bytes.length
    if (this.#queuedBytes > QUEUED_BYTES_MAX) this.#from.pause()
    this.look()
    return this.#queue.length > 0
  }

  /** Passes on what may go now. */
  look(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer)
      this.#timer = null
    }
    for (;;) {
      const passage = this.#passage()
      if (passage === 'frozen' || this.isHeld) return
      const head = this.#queue[0]
      if (head === undefined) break
      const waitMs = Math.ceil(head.dueMs - performance.now())
      if (waitMs > 0) return this.#lookIn(waitMs)
      if (typeof passage === 'object' && 'dripBytes' in passage) {
        this.#write(head.bytes.subarray(0, passage.dripBytes))
        head.bytes = head.bytes.subarray(passage.dripBytes)
        if (head.bytes.length === 0) this.#queue.shift()
        return this.#lookIn(passage.everyMs)
      }
      this.#queue.shift()
      this.#write(head.bytes)
    }
    if (this.#isOver) this.#to.end(() => this.#to.destroy())
  }

  passLast(piece: Buffer): void {
    this.#write(piece)
  }

  drop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#queue.length = 0
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.look()
    }, ms)
  }

  #write(bytes: Buffer): void {
    this.#queuedBytes = Math.max(0, this.#queuedBytes - bytes.length)
    if (this.#queuedBytes < QUEUED_BYTES_MAX && this.#from.isPaused()) this.#from.resume()
    if (!this.#to.destroyed && !this.#to.writableEnded) this.#to.write(bytes)
  }
}
