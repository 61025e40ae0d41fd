// Which files and tokens a connector's credentials lead to on a worker, and that they end with it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { BigQuery, openBigQuery } from '@millrace/bigquery'
import { type ConnectorConfig, parseConnectorConfig, parseWorkerConfig, type WorkerConfig } from '@millrace/config'
import { isMillraceError, type Logger, type MillraceError } from '@millrace/core'
import { dataFolder, VirtualTime } from '@millrace/testkit'
import { BigQuerySide } from '../src/worker/bigquery-side.ts'

const CANARY = 'c4n4ry'
const PATHS = 'bigquery.keyfile.allowed.paths'
const CONNECTOR = { name: 'n', 'connector.class': 'BigQuerySink', topics: 't', project: 'p', defaultDataset: 'd' }
const USERS = { 'rest.authentication': 'basic', 'rest.basic.users.file': '/users' }
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = (id: string): string =>
  JSON.stringify({
    type: 'service_account',
    client_email: `${id}@b.c`,
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  })

function workerOf(settings: Readonly<Record<string, string>>): WorkerConfig {
  const parse = parseWorkerConfig({ flags: settings })
  assert.ok(parse.ok, JSON.stringify(parse))
  return parse.config
}
function connectorOf(over: Readonly<Record<string, string>>, worker = workerOf({})): ConnectorConfig {
  const parse = parseConnectorConfig({ ...CONNECTOR, ...over }, worker.connectorContext)
  assert.ok(parse.ok, JSON.stringify(parse))
  return parse.config
}
function sideOf(worker: WorkerConfig, open?: typeof openBigQuery): BigQuerySide {
  const nothing = (): void => {}
  const logger: Logger = { error: nothing, warn: nothing, info: nothing, debug: nothing, child: () => logger }
  const time = new VirtualTime()
  const random = { nextUint32: () => 1, nextId: () => 'id' }
  return new BigQuerySide(worker, { clock: time, timers: time, random, logger }, open)
}
async function refusal(opening: Promise<unknown>): Promise<MillraceError> {
  const error = await opening.then(
    () => null,
    (reason: unknown) => reason,
  )
  assert.ok(isMillraceError(error), String(error))
  assert.equal(`${error.code} ${error.disposition}`, 'BIGQUERY_AUTH_FAILED failPartition')
  assert.ok(!JSON.stringify([error.message, error.stack, String(error.cause)]).includes(CANARY), error.message)
  return error
}

describe('the file of a keyfile', () => {
  test('is any while nobody has to log in, none where somebody has, and else one of the allowed ones', () => {
    const errors = (worker: WorkerConfig, keyfile: string): readonly string[] => {
      const parse = parseConnectorConfig({ ...CONNECTOR, keyfile }, worker.connectorContext)
      return parse.ok ? [] : parse.errors.map(error => `${error.key}: ${error.message}`)
    }
    assert.deepEqual(errors(workerOf({}), '/home/me/key.json'), [])
    for (const [worker, keyfile] of [
      [workerOf(USERS), '/home/me/key.json'],
      [workerOf({ [PATHS]: '' }), '/home/me/key.json'],
      [workerOf({ [PATHS]: '/keys' }), '/home/me/key.json'],
      [workerOf({ [PATHS]: '/keys' }), '/keys/../home/key.json'],
      [workerOf({ [PATHS]: '/keys' }), '/keys-not/key.json'],
      [workerOf({ [PATHS]: '/keys' }), 'keys/key.json'],
      [workerOf({ [PATHS]: '/' }), 'key.json'],
    ] as const) {
      const [error = '', ...more] = errors(worker, keyfile)
      assert.deepEqual(more, [])
      assert.match(error, /^keyfile: .*bigquery\.keyfile\.allowed\.paths/, keyfile)
      assert.ok(!error.includes(keyfile), 'a PASSWORD is not repeated')
    }
    const both = workerOf({ ...USERS, [PATHS]: '/keys,/home/me/key.json' })
    assert.deepEqual(errors(both, '/keys/team/key.json'), [])
    assert.deepEqual(errors(both, '/home/me/key.json'), [])
    assert.deepEqual(errors(both, ''), [], 'without a file there is none to judge')
    const relative = parseWorkerConfig({ flags: { [PATHS]: 'keys' } })
    assert.ok(!relative.ok && relative.errors[0]?.message.includes(PATHS), 'an allowed path is absolute')
  })

  test('leads nowhere else by a link, is a regular file of a bounded size, and no error tells what is in it', async () => {
    const folder = dataFolder('bigquery-side')
    const [keys, outside] = [join(folder.path, 'keys'), join(folder.path, 'outside')]
    for (const path of [keys, outside]) mkdirSync(path, { recursive: true })
    writeFileSync(join(outside, 'key.json'), key('outside'))
    symlinkSync(join(outside, 'key.json'), join(keys, 'link'))
    symlinkSync(outside, join(keys, 'folder'))
    writeFileSync(join(keys, 'key.json'), key('inside'))
    symlinkSync('key.json', join(keys, 'mounted'))
    writeFileSync(join(keys, 'text'), `${CANARY}: no JSON`)
    writeFileSync(join(keys, 'other'), JSON.stringify({ type: 'external_account', token_url: CANARY }))
    writeFileSync(join(keys, 'big'), ' '.repeat(1024 * 1024 + 1))
    execFileSync('mkfifo', [join(keys, 'pipe')])
    try {
      const worker = workerOf({ [PATHS]: keys })
      await using side = sideOf(worker)
      const open = (name: string): Promise<unknown> =>
        side.servicesFor(connectorOf({ keyfile: join(keys, name) }, worker))
      for (const [name, why] of [
        ['link', /not below allowed\.paths/],
        ['folder/key.json', /not below allowed\.paths/],
        ['pipe', /cannot be read \(NOT_A_FILE\)/],
        ['big', /cannot be read \(EFBIG\)/],
        ['none', /cannot be read \(ENOENT\)/],
        ['text', /not a JSON object/],
        ['other', /of type external_account; only service_account/],
      ] as const) {
        const { message } = await refusal(open(name))
        assert.match(message, why, name)
      }
      assert.match((await refusal(open('none'))).message, /keyfile .*\/none: .*bigquery\.keyfile\.allowed\.paths/)
      await open('key.json')
      await open('mounted')
      await using anywhere = sideOf(workerOf({}))
      assert.match((await refusal(anywhere.servicesFor(connectorOf({ keyfile: '/dev/zero' })))).message, /NOT_A_FILE/)
      await anywhere.servicesFor(connectorOf({ keyfile: join(keys, 'folder/key.json') }))
    } finally {
      await folder.remove()
    }
  })

  test('is not repeated where it is no path: it may be the key itself under the wrong keySource', async () => {
    await using side = sideOf(workerOf({}))
    for (const keyfile of [`-----BEGIN PRIVATE KEY-----\n${CANARY}`, `eyJ0${CANARY}`, `/ ${CANARY}`, `[${CANARY}]`])
      assert.match((await refusal(side.servicesFor(connectorOf({ keyfile })))).message, /^keyfile: /)
  })

  test('need not be there for an emulator, which asks for no credentials', async () => {
    const plain = { 'bigquery.endpoint': 'http://127.0.0.1:1', 'bigquery.rest.endpoint': 'http://127.0.0.1:1' }
    await using side = sideOf(workerOf(plain))
    await side.servicesFor(connectorOf({ keyfile: '/nowhere/key.json' }))
  })
})

describe('credentials that nobody uses any more', () => {
  /** Which keys are open, in the order they were opened; `-` before one that was closed. */
  class Openings {
    readonly seen: string[] = []
    failure: Error | null = null
    readonly open: typeof openBigQuery = async ({ credentials }) => {
      const id = credentials?.kind === 'keyJson' ? JSON.parse(credentials.json.reveal()).client_email : 'default'
      this.seen.push(id)
      if (this.failure !== null) throw this.failure
      const close = async (): Promise<void> => void this.seen.push(`-${id}`)
      return { tables: {}, writeStreams: {}, [Symbol.asyncDispose]: close } as unknown as BigQuery
    }
  }
  const json = (id: string): ConnectorConfig => connectorOf({ keySource: 'JSON', keyfile: key(id) })
  const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

  test('are closed with the last connector that has them, and opened anew when one comes back', async () => {
    const { open, seen } = new Openings()
    await using side = sideOf(workerOf({}), open)
    const first = await side.servicesFor(json('one'))
    const second = await side.servicesFor(json('one'))
    const rotated = await side.servicesFor(json('two'))
    assert.deepEqual(seen, ['one@b.c', 'two@b.c'], 'the same are shared')
    first.close()
    first.close()
    await turn()
    assert.deepEqual(seen.slice(2), [], 'somebody uses them, and once is once')
    second.close()
    await turn()
    assert.deepEqual(seen.slice(2), ['-one@b.c'])
    const again = await side.servicesFor(json('one'))
    rotated.close()
    again.close()
    await turn()
    assert.deepEqual(seen.slice(3), ['one@b.c', '-two@b.c', '-one@b.c'])
  })

  test('are those before a file changed, for whoever opens it next', async () => {
    const folder = dataFolder('bigquery-side')
    mkdirSync(folder.path, { recursive: true })
    const path = join(folder.path, 'key.json')
    const { open, seen } = new Openings()
    try {
      await using side = sideOf(workerOf({}), open)
      writeFileSync(path, key('one'))
      const before = await side.servicesFor(connectorOf({ keyfile: path }))
      writeFileSync(path, key('two'))
      await side.servicesFor(connectorOf({ keyfile: path }))
      before.close()
      await turn()
      assert.deepEqual(seen, ['one@b.c', 'two@b.c', '-one@b.c'])
    } finally {
      await folder.remove()
    }
  })

  test('leave nothing behind when they cannot be opened, and everything is closed at the end', async () => {
    const openings = new Openings()
    const side = sideOf(workerOf({}), openings.open)
    openings.failure = new Error('not now')
    const both = await Promise.allSettled([side.servicesFor(json('one')), side.servicesFor(json('one'))])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    openings.failure = null
    await side.servicesFor(json('one'))
    await side.servicesFor(json('two'))
    await side[Symbol.asyncDispose]()
    assert.deepEqual(openings.seen, ['one@b.c', 'one@b.c', 'two@b.c', '-one@b.c', '-two@b.c'])
  })
})
