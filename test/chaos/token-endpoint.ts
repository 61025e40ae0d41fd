// What stands between a worker and BigQuery where there are credentials: TLS in front of the emulator, a service account key, and
// the endpoint that gives tokens for it, which can be slow, broken, or not know the key any more.
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import type { Address } from '@millrace/testkit'

/** Longer than a row lasts: tokens end when the emulator is told so. */
const LIFETIME_S = 3_600

/** Writes a service account key with a new private key, as Google's console gives it; answers its public key. */
export function writeKey(path: string): KeyObject {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = {
    type: 'service_account',
    project_id: 'p',
    private_key_id: '1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: 'chaos@p.iam.gserviceaccount.com',
    client_id: '1',
  }
  writeFileSync(path, JSON.stringify(key), { mode: 0o600 })
  return publicKey
}

export class TokenEndpoint implements AsyncDisposable {
  /** Only what is signed with its private key gets tokens. */
  key: KeyObject
  /** How it answers everybody: with a token, late, or HTTP 500. */
  mood: 'well' | 'slow' | 'broken' = 'well'
  readonly counts = { tokens: 0, broken: 0, refused: 0 }
  readonly #server: HttpServer

  private constructor(key: KeyObject) {
    this.key = key
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async listen(key: KeyObject): Promise<TokenEndpoint> {
    const endpoint = new TokenEndpoint(key)
    await listening(endpoint.#server)
    return endpoint
  }

  get url(): string {
    return `http://127.0.0.1:${portOf(this.#server)}/token`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = (await request.toArray()).join('')
    if (this.mood === 'slow') await sleep(2_000)
    const [status, answer] = this.#judge(body)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  }

  /** https://datatracker.ietf.org/doc/html/rfc7523: a JWT signed with the key asks for a token. */
  #judge(body: string): readonly [number, object] {
    if (this.mood === 'broken') {
      this.counts.broken++
      return [500, {}]
    }
    if (!isSignedWith(this.key, body)) {
      this.counts.refused++
      return [400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' }]
    }
    const token = `chaos-token-${++this.counts.tokens}`
    return [200, { access_token: token, token_type: 'Bearer', expires_in: LIFETIME_S }]
  }
}

function isSignedWith(key: KeyObject, body: string): boolean {
  const [header = '', claims = '', signature = ''] = (new URLSearchParams(body).get('assertion') ?? '').split('.')
  return verify('RSA-SHA256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'))
}

/** TLS for whoever comes, plaintext to where they want to go. */
export class TlsFront implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<{ destroy(): void }>()

  private constructor(target: Address, pem: { readonly key: string; readonly cert: string }) {
    this.#server = createTlsServer({ ...pem, ALPNProtocols: ['h2', 'http/1.1'] }, client => {
      const server = connect({ ...target, noDelay: true })
      for (const socket of [client, server]) {
        this.#sockets.add(socket)
        socket.on('error', () => {})
        socket.once('close', () => this.#sockets.delete(socket))
      }
      client.once('close', () => server.destroy())
      server.once('close', () => client.destroy())
      client.pipe(server)
      server.pipe(client)
    })
  }

  static async listen(target: Address, pem: { readonly key: string; readonly cert: string }): Promise<TlsFront> {
    const front = new TlsFront(target, pem)
    await listening(front.#server)
    return front
  }

  /** Its certificate is for this name. */
  get url(): string {
    return `https://localhost:${portOf(this.#server)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port
const listening = (server: Server): Promise<void> =>
  new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve()))
