// Real sockets: TLS and its renewal, listeners of their own for /admin, limits, and refusals below HTTP.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type Agent, request as httpRequest } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { createConnection, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { isMillraceError } from '@millrace/core'
import { CertificateAuthority, dataFolder } from '@millrace/testkit'
import { type ListenOptions, OPEN, type RunningApi, startApi } from '../src/index.ts'
import { TestApi } from './support/test-api.ts'

const HTTP = { scheme: 'http', host: '127.0.0.1', port: 0 } as const
const HTTPS = { scheme: 'https', host: '127.0.0.1', port: 0 } as const

async function withApi(options: ListenOptions, run: (api: RunningApi) => Promise<void>): Promise<void> {
  await using twins = await TestApi.open()
  const api = await startApi(twins.deps, options)
  try {
    await run(api)
  } finally {
    await api.close()
  }
}

type Answer = { readonly status: number; readonly body: string; readonly serial: string }

function ask(url: string, agent?: Agent, ca?: string): Promise<Answer> {
  const send = url.startsWith('https') ? tlsRequest : httpRequest
  return new Promise((resolve, reject) => {
    send(url, { ...(agent && { agent }), ...(ca && { ca }) }, response => {
      const { socket } = response
      const serial = 'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate().serialNumber : ''
      let body = ''
      response.on('data', chunk => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, serial }))
    })
      .on('error', reject)
      .end()
  })
}

/** What comes back for bytes that are sent as they are. */
function exchange(url: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes))
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('close', () => resolve(text))
    socket.on('error', reject)
  })
}

function connectTo(url: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(Number(new URL(url).port), '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })
}

describe('https listeners', () => {
  test('speak TLS 1.2 and later, take a new certificate for new connections and keep the open ones', async () => {
    const folder = dataFolder('api-tls')
    try {
      const authority = new CertificateAuthority(folder.path)
      const identity = (name: string): SecureContextOptions => {
        const both = readFileSync(authority.issue(name, 'IP:127.0.0.1'), 'utf8')
        return { cert: both, key: both }
      }
      const ca = authority.pem
      await withApi({ listeners: [HTTPS, HTTP], tls: identity('old') }, async api => {
        assert.match(api.url, /^https:\/\/127\.0\.0\.1:\d+$/)
        const kept = new TlsAgent({ keepAlive: true, maxSockets: 1, ca })
        const before = await ask(`${api.url}/health`, kept)
        assert.equal(before.status, 200)
        api.setTls(identity('new'))
        const fresh = await ask(`${api.url}/health`, undefined, ca)
        assert.notEqual(fresh.serial, before.serial, 'a new connection has the new certificate')
        assert.equal((await ask(`${api.url}/health`, kept)).serial, before.serial, 'the open one goes on')
        kept.destroy()
        await assert.rejects(ask(`${api.url}/health`), /certificate/, 'strangers do not trust it')
        const old = new TlsAgent({ ca, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })
        await assert.rejects(ask(`${api.url}/health`, old))
        old.destroy()
        assert.equal((await ask(`${api.urls[1]}/health`)).status, 200, 'and http beside it')
      })
    } finally {
      await folder.remove()
    }
  })

  test('without a certificate, or with one of another key, do not start', async () => {
    const folder = dataFolder('api-tls')
    await using twins = await TestApi.open()
    try {
      const authority = new CertificateAuthority(folder.path)
      authority.issue('a', 'IP:127.0.0.1')
      authority.issue('b', 'IP:127.0.0.1')
      const cert = readFileSync(`${folder.path}/a.pem`)
      const key = readFileSync(`${folder.path}/b.key`)
      for (const tls of [null, { cert, key }, { cert: 'nonsense', key }])
        await assert.rejects(
          startApi(twins.deps, { listeners: [HTTP, HTTPS], tls }),
          error => isMillraceError(error) && error.code === 'CONFIG_INVALID' && /listeners/.test(error.message),
        )
    } finally {
      await folder.remove()
    }
  })
})

describe('listeners for /admin', () => {
  test('have it alone, and the others no longer', async () => {
    await withApi({ listeners: [HTTP], adminListeners: [HTTP] }, async ({ urls: [main, admin] }) => {
      assert.equal((await ask(`${main}/connectors`)).status, 200)
      assert.equal((await ask(`${main}/admin/loggers`)).status, 404)
      assert.equal((await ask(`${admin}/admin/loggers`)).status, 200)
      const other = await ask(`${admin}/connectors`)
      assert.deepEqual([other.status, other.body], [404, '{"error_code":404,"message":"HTTP 404 Not Found"}'])
    })
  })

  test('when there are none on purpose, /admin is nowhere', async () => {
    await withApi({ listeners: [HTTP], adminListeners: [] }, async ({ url }) => {
      assert.equal((await ask(`${url}/admin/loggers`)).status, 404)
      assert.equal((await ask(`${url}/connectors`)).status, 200)
    })
  })

  test('must be loopback too as long as nobody logs in', async () => {
    await using twins = await TestApi.open()
    for (const host of ['0.0.0.0', '::', '192.0.2.1'])
      await assert.rejects(
        startApi(twins.deps, { listeners: [HTTP], adminListeners: [{ ...HTTP, host }] }),
        /not a loopback address, so it needs rest\.authentication=basic/,
      )
  })
})

describe('limits below the routes', () => {
  test('an address has so many connections at a time, and the next is closed', async () => {
    await withApi(
      { listeners: [HTTP], limits: { connectionsMax: 10, connectionsMaxPerAddress: 3 } },
      async ({ url }) => {
        const sockets = await Promise.all([connectTo(url), connectTo(url), connectTo(url)])
        assert.equal(await exchange(url, '').catch(() => ''), '', 'the fourth')
        sockets[0]?.destroy()
        const answered = async (): Promise<boolean> =>
          ask(`${url}/health`).then(
            () => true,
            () => false,
          )
        while (!(await answered())); // until there is room again
        for (const socket of sockets) socket.destroy()
      },
    )
  })

  test('what is not HTTP, or has headers without end, or no Host is told so in JSON', async () => {
    await withApi({ listeners: [HTTP] }, async ({ url }) => {
      for (const [bytes, status] of [
        ['nonsense\r\n\r\n', 400],
        ['GET / HTTP/1.1\r\n\r\n', 400],
        [`GET / HTTP/1.1\r\nHost: localhost\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
        [
          'POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
          400,
        ],
        ['GET / HTTP/1.1\r\nHost: localhost\r\nExpect: a-miracle\r\nConnection: close\r\n\r\n', 417],
      ] as const) {
        const text = await exchange(
          url,
          bytes.replace('\r\n\r\n', bytes.includes('close') ? '\r\n\r\n' : '\r\nConnection: close\r\n\r\n'),
        )
        assert.match(text, new RegExp(`^HTTP/1.1 ${status} `), `${bytes.slice(0, 60)}: ${text.slice(0, 200)}`)
        assert.match(text, new RegExp(`{"error_code":${status},"message":"[^"]+"}`), text)
      }
    })
  })

  test('closing ends connections that are kept alive at once', async () => {
    await using twins = await TestApi.open()
    const api = await startApi(twins.deps, { listeners: [HTTP], security: OPEN })
    const socket = await connectTo(api.url)
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await new Promise(resolve => socket.once('data', resolve))
    const closed = new Promise(resolve => socket.once('close', resolve))
    await api.close()
    await closed
  })
})
