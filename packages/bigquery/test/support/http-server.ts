// A REST server of a few lines whose every answer the test writes itself.
import * as http from 'node:http'
import * as https from 'node:https'
import type { AddressInfo } from 'node:net'

export type Asked = {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
}
export type Answer = {
  readonly status: number
  readonly body?: unknown
  readonly text?: string
  readonly headers?: Record<string, string>
}

export async function startHttpServer(
  answer: (asked: Asked) => Answer | Promise<Answer>,
  tls?: { readonly key: string; readonly cert: string },
): Promise<{ readonly port: number; readonly asked: Asked[] } & AsyncDisposable> {
  const asked: Asked[] = []
  const handle = async (incoming: http.IncomingMessage, outgoing: http.ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk)
    const one: Asked = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      text: Buffer.concat(chunks).toString(),
    }
    asked.push(one)
    const { status, body, text, headers } = await answer(one)
    outgoing.writeHead(status, { 'content-type': 'application/json', ...headers })
    outgoing.end(text ?? JSON.stringify(body ?? {}))
  }
  const listener = (incoming: http.IncomingMessage, outgoing: http.ServerResponse): void =>
    void handle(incoming, outgoing)
  const server = tls === undefined ? http.createServer(listener) : https.createServer(tls, listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}
