// The files behind the REST API, changed while the worker runs.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hashPassword, type RunningApi } from '@millrace/api'
import { parseWorkerConfig, type RestConfig } from '@millrace/config'
import { isMillraceError, type Logger } from '@millrace/core'
import { CertificateAuthority, dataFolder, VirtualTime } from '@millrace/testkit'
import { RestSide } from '../src/worker/rest-side.ts'

const CHEAP = { cost: 2, blockSize: 1, parallelization: 1 }
const LOOK_MS = 2_000

function restOf(settings: Readonly<Record<string, string>>): RestConfig {
  const parse = parseWorkerConfig({ flags: settings })
  assert.ok(parse.ok, JSON.stringify(parse))
  return parse.config.rest
}

class Side {
  readonly time: VirtualTime = new VirtualTime()
  readonly lines: string[] = []
  readonly stop: AbortController = new AbortController()
  readonly certificates: unknown[] = []
  readonly rest: RestSide
  readonly #running: Promise<void>

  constructor(settings: Readonly<Record<string, string>>) {
    const log = (fields: object, sentence: string): number => this.lines.push(`${sentence} ${JSON.stringify(fields)}`)
    const logger: Logger = { error: log, warn: log, info: log, debug: log, child: () => logger }
    const random = { nextUint32: () => 1, nextId: () => 'id' }
    this.rest = new RestSide(restOf(settings), { clock: this.time, timers: this.time, random, logger })
    const api = { setTls: (options: unknown) => this.certificates.push(options) } as unknown as RunningApi
    this.#running = this.rest.run(api, { signal: this.stop.signal }).catch(() => {})
  }

  async logIn(name: string, password: string): Promise<string> {
    const authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
    const outcome = await this.rest.listenOptions.security?.authenticator?.authenticate(
      { authorization, address: '10.0.0.1' },
      { signal: this.stop.signal },
    )
    return outcome?.kind === 'known' ? outcome.principal.role : (outcome?.kind ?? 'open')
  }

  async end(): Promise<void> {
    this.stop.abort()
    await this.#running
  }
}

describe('the file of users', () => {
  test('is read again when it changes; one that is wrong is said once and the one before stays', async () => {
    const folder = dataFolder('rest-side')
    const path = join(folder.path, 'users')
    writeFileSync(path, `ann:admin:${await hashPassword('one', CHEAP)}\n`)
    const side = new Side({ 'rest.authentication': 'basic', 'rest.basic.users.file': path })
    try {
      assert.equal(await side.logIn('ann', 'one'), 'admin')
      writeFileSync(path, 'ann:admin:c4n4ry-password-in-clear-text\n')
      await side.time.advance(3 * LOOK_MS)
      assert.equal(await side.logIn('ann', 'one'), 'admin')
      assert.equal(side.lines.length, 1, side.lines.join('\n'))
      assert.match(side.lines[0] ?? '', /cannot be used; what was read before stays/)
      assert.ok(!side.lines.join().includes('c4n4ry'))
      writeFileSync(path, `ann:viewer:${await hashPassword('two', CHEAP)}\n`)
      await side.time.advance(LOOK_MS)
      assert.equal(await side.logIn('ann', 'two'), 'viewer')
      assert.equal(await side.logIn('ann', 'one'), 'unknown')
    } finally {
      await side.end()
      await folder.remove()
    }
  })

  test('that is absent or empty keeps the worker from starting, by the name of the key', async () => {
    const folder = dataFolder('rest-side')
    try {
      const path = join(folder.path, 'users')
      const start = (): Side => new Side({ 'rest.authentication': 'basic', 'rest.basic.users.file': path })
      const isRefused = (error: unknown): boolean =>
        isMillraceError(error) && error.code === 'CONFIG_INVALID' && error.message.includes('rest.basic.users.file')
      assert.throws(start, isRefused)
      writeFileSync(path, '')
      assert.throws(start, isRefused)
    } finally {
      await folder.remove()
    }
  })
})

describe('the certificate', () => {
  test('is given to the listeners when it changes and fits its key, PEM and PKCS#12', async () => {
    const folder = dataFolder('rest-side')
    const authority = new CertificateAuthority(folder.path)
    const path = authority.issue('worker', 'IP:127.0.0.1')
    const location = { 'listeners.https.ssl.keystore.location': path, 'listeners.https.ssl.keystore.type': 'PEM' }
    const side = new Side({ listeners: 'https://127.0.0.1:0', ...location })
    try {
      assert.ok(side.rest.listenOptions.tls?.cert)
      const half = readFileSync(path, 'utf8').slice(0, 2_000)
      const whole = readFileSync(authority.issue('next', 'IP:127.0.0.1'), 'utf8')
      writeFileSync(path, half)
      await side.time.advance(LOOK_MS)
      rmSync(path)
      await side.time.advance(LOOK_MS)
      assert.deepEqual(side.certificates, [])
      writeFileSync(path, whole)
      await side.time.advance(LOOK_MS)
      assert.equal(side.certificates.length, 1, side.lines.join('\n'))

      const p12 = join(folder.path, 'worker.p12')
      const files = ['-in', `${folder.path}/next.pem`, '-inkey', `${folder.path}/next.key`]
      spawnSync('openssl', ['pkcs12', '-export', ...files, '-out', p12, '-passout', 'pass:c4n4ry'])
      const keyStore = (password: string): Record<string, string> => ({
        listeners: 'https://127.0.0.1:0',
        'listeners.https.ssl.keystore.location': p12,
        'listeners.https.ssl.keystore.password': password,
      })
      const stored = new Side(keyStore('c4n4ry'))
      assert.ok(stored.rest.listenOptions.tls?.pfx)
      await stored.end()
      assert.throws(
        () => new Side(keyStore('c4n4ry-wrong')),
        error =>
          isMillraceError(error) &&
          /listeners\.https\.ssl\.keystore\.location: holds no certificate/.test(error.message) &&
          !error.message.includes('c4n4ry'),
      )
    } finally {
      await side.end()
      await folder.remove()
    }
  })
})

test('passwords in clear text over the network are warned of every minute', async () => {
  const folder = dataFolder('rest-side')
  const path = join(folder.path, 'users')
  writeFileSync(path, `ann:admin:${await hashPassword('one', CHEAP)}\n`)
  const side = new Side({
    listeners: 'http://0.0.0.0:0',
    'rest.authentication': 'basic',
    'rest.basic.users.file': path,
    'rest.plain.http.allow': 'true',
  })
  try {
    await side.time.advance(3 * 60_000 + 1)
    assert.equal(side.lines.filter(line => /clear text/.test(line)).length, 4)
  } finally {
    await side.end()
    await folder.remove()
  }
})

describe('millrace hash-password', () => {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const run = (args: readonly string[], input: string): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [main, 'hash-password', ...args], { input, encoding: 'utf8' })

  test('makes a line the file of users takes, without the password', () => {
    const { status, stdout, stderr } = run(['ann', '--role', 'operator'], 'c4n4ry pässword\n')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /^ann:operator:scrypt\$32768\$8\$3\$[\w-]{22}\$[\w-]{43}\n$/)
    assert.ok(!`${stdout}${stderr}`.includes('c4n4ry'))
  })

  test('refuses what could not be read back', () => {
    for (const [args, input] of [
      [['a:b'], 'x\n'],
      [['ann', '--role', 'root'], 'x\n'],
      [['ann'], '\n'],
      [['ann'], ''],
    ] as const)
      assert.equal(run(args, input).status, 2, `${args.join(' ')} ${input}`)
  })
})
