// A TCP proxy between client and broker that loses what a test wants lost.
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { BrokerAddress } from '../src/client-settings-type.ts'

export const API = { PRODUCE: 0, FETCH: 1 } as const

/** What happens to a request: pass · never reach the broker (cut) · reach it but the answer is cut · it, or its answer, waits for `release`. */
export type Fate = 'pass' | 'cutBefore' | 'cutAnswer' | 'hold' | 'holdAnswer'

export class TcpProxy implements AsyncDisposable {
  /** Asked for the first bytes of every request, with its API key. */
  fate: (apiKey: number) => Fate = () => 'pass'
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  readonly #held: (() => void)[] = []
  requests = 0
  /** Pieces of answers that wait for `release`. */
  heldAnswerCount = 0

  private constructor(server: Server) {
    this.#server = server
  }

  static async listen(target: () => BrokerAddress): Promise<TcpProxy> {
    const server = createServer({ noDelay: true })
    const proxy = new TcpProxy(server)
    server.on('connection', client => proxy.#join(client, connect({ ...target(), noDelay: true })))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get address(): BrokerAddress {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return { host: '127.0.0.1', port: address.port }
  }

  cutAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  /** Lets held requests reach the broker now; their connections may be gone, the requests are not. */
  release(): void {
    for (const run of this.#held.splice(0)) run()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutAll()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #join(client: Socket, broker: Socket): void {
    const pair = [client, broker] as const
    this.#pairs.add(pair)
    let isAnswerCut = false
    let isHeld = false
    let heldAnswers: Buffer[] | null = null
    client.on('data', chunk => {
      // KafkaJS writes each request as one buffer, so a chunk begins with a request's size and API key.
      this.requests++
      const fate = isHeld ? 'hold' : this.fate(chunk.length >= 6 ? chunk.readInt16BE(4) : -1)
      if (fate === 'cutBefore') return void client.destroy()
      if (fate === 'cutAnswer') isAnswerCut = true
      if (fate === 'holdAnswer' && heldAnswers === null) {
        heldAnswers = []
        this.#held.push(() => {
          for (const answer of heldAnswers ?? []) client.write(answer)
          heldAnswers = null
        })
      }
      if (fate === 'hold') {
        isHeld = true
        this.#held.push(() => void broker.write(chunk))
        return
      }
      broker.write(chunk)
    })
    broker.on('data', chunk => {
      if (isAnswerCut) {
        client.destroy()
        return
      }
      if (heldAnswers !== null) {
        heldAnswers.push(chunk)
        this.heldAnswerCount++
      } else if (!client.destroyed) client.write(chunk)
    })
    for (const [socket, other] of [pair, [broker, client]] as const) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        // A held request must still be able to arrive after its client has given up.
        if (!isHeld || socket === broker) other.destroy()
        this.#pairs.delete(pair)
      })
    }
  }
}
