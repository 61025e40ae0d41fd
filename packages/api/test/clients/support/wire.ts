// Requests as the bytes a client puts on the wire, and answers as the bytes it reads: no HTTP library of ours in between.
import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { type ApiSecurity, OPEN, startApi } from '../../../src/index.ts'
import { TestApi } from '../../support/test-api.ts'

/** Whoever waits longer for an answer has found a hang. */
const ANSWER_TIMEOUT_MS = 10_000
/** Stands for `address:port` in a recording. */
export const HOST = '{host}'

/** A request as recorded: header lines in the client's order and spelling. */
export type Recording = { readonly line: string; readonly headers: readonly string[]; readonly body?: string | Buffer }

export type WireAnswer = {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  readonly text: string
}

/** The API over a socket, on twins of everything behind it. */
export class WireApi implements AsyncDisposable {
  readonly api: TestApi
  readonly host: string
  readonly #close: () => Promise<void>

  private constructor(api: TestApi, url: string, close: () => Promise<void>) {
    this.api = api
    this.host = new URL(url).host
    this.#close = close
  }

  static async open(security: ApiSecurity = OPEN): Promise<WireApi> {
    const api = await TestApi.open()
    const listeners = [{ scheme: 'http', host: '127.0.0.1', port: 0 }] as const
    const running = await startApi(api.deps, { listeners, security })
    return new WireApi(api, running.url, () => running.close())
  }

  /** Sends a recorded request on a connection of its own and reads its answer. */
  async replay(recording: Recording): Promise<WireAnswer> {
    const [answer] = await this.exchange(bytesOf(recording, this.host), 1, methodOf(recording.line) === 'HEAD')
    assert.ok(answer !== undefined)
    return answer
  }

  /** As `replay`, and the status is this; gives the JSON of the body, undefined when there is none. */
  async expect(status: number, recording: Recording): Promise<unknown> {
    const answer = await this.replay(recording)
    assert.equal(answer.status, status, `${recording.line}: ${answer.text}`)
    return answer.text === '' ? undefined : JSON.parse(answer.text)
  }

  /** Writes bytes as they are and reads so many answers, or what came until the server closed. */
  exchange(bytes: Buffer, answerCount: number, isHead = false): Promise<readonly WireAnswer[]> {
    const [address = '', port = ''] = this.host.split(':')
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: address, port: Number(port) })
      let received = Buffer.alloc(0)
      const finish = (): void => {
        socket.destroy()
        resolve(answersIn(received, isHead))
      }
      socket.setTimeout(ANSWER_TIMEOUT_MS, () => {
        socket.destroy()
        reject(new Error(`No answer within ${ANSWER_TIMEOUT_MS} ms to ${bytes.subarray(0, 100)}`))
      })
      socket.on('data', chunk => {
        received = Buffer.concat([received, chunk as Buffer])
        if (answersIn(received, isHead).length >= answerCount) finish()
      })
      socket.on('error', error => (received.length > 0 ? finish() : reject(error)))
      socket.on('end', finish)
      socket.write(bytes)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
    await this.api[Symbol.asyncDispose]()
  }
}

export function bytesOf({ line, headers, body = '' }: Recording, host: string): Buffer {
  const head = [line, ...headers].join('\r\n').replaceAll(HOST, host)
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), Buffer.from(body)])
}

const methodOf = (line: string): string => line.split(' ')[0] ?? ''

/** The whole answers at the beginning of what came, 100 Continue left out. */
function answersIn(received: Buffer, isHead: boolean): readonly WireAnswer[] {
  const answers: WireAnswer[] = []
  let rest = received
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd < 0) return answers
    const [statusLine = '', ...lines] = rest.subarray(0, headEnd).toString('latin1').split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
    assert.ok(status >= 100, `no status line: ${statusLine}`)
    const headers = new Map(lines.map(text => [text.split(':')[0]?.toLowerCase() ?? '', text.replace(/^[^:]*: ?/, '')]))
    const raw = rest.subarray(headEnd + 4)
    const isBodyless = isHead || status < 200 || status === 204 || status === 304
    const framed = isBodyless ? { body: Buffer.alloc(0), length: 0 } : bodyIn(raw, headers)
    if (framed === null) return answers
    const body = headers.get('content-encoding') === 'gzip' ? gunzipSync(framed.body) : framed.body
    if (status >= 200) answers.push({ status, headers, body, text: body.toString('utf8') })
    rest = raw.subarray(framed.length)
  }
}

function bodyIn(raw: Buffer, headers: ReadonlyMap<string, string>): { body: Buffer; length: number } | null {
  if (headers.get('transfer-encoding') !== 'chunked') {
    const length = Number(headers.get('content-length') ?? 0)
    return raw.length < length ? null : { body: raw.subarray(0, length), length }
  }
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = raw.indexOf('\r\n', at)
    if (lineEnd < 0) return null
    const size = Number.parseInt(raw.subarray(at, lineEnd).toString('latin1'), 16)
    const from = lineEnd + 2
    if (raw.length < from + size + 2) return null
    parts.push(raw.subarray(from, from + size))
    at = from + size + 2
    if (size === 0) return { body: Buffer.concat(parts), length: at }
  }
}
