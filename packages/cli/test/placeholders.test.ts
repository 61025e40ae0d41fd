// Placeholders of config providers in a worker that runs: what they stood for stays out of its log, and is looked at again.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type ConnectorContext, parseWorkerConfig } from '@millrace/config'
import type { ConnectorEntry, Logger } from '@millrace/core'
import { dataFolder, VirtualTime } from '@millrace/testkit'
import { PlaceholderWatch } from '../src/worker/placeholder-watch.ts'
import { providerFiles } from '../src/worker/provider-files.ts'
import { HIDDEN, Redactor } from '../src/worker/redactor.ts'

const ph = (inner: string): string => `$${`{${inner}}`}`
const LOOK_MS = 5_000

describe('the redactor', () => {
  test('takes values out of text and of the strings of a line of JSON, which stays one', () => {
    const redactor = new Redactor()
    for (const value of ['c4n4ry', 'two\n"lines"', '1234', ' c4n4ry ', 'abc', '']) redactor.add(value)
    assert.equal(redactor.text('a c4n4ry, abc'), `a ${HIDDEN}, abc`, 'what is shorter than four is in other words')
    const line = `${JSON.stringify({ pid: 12345, deep: { msg: ['x two\n"lines" y'] }, c4n4ry: 'c4n4ry' })}\n`
    assert.deepEqual(JSON.parse(redactor.jsonLine(line)), {
      pid: 12345,
      deep: { msg: [`x ${HIDDEN} y`] },
      c4n4ry: HIDDEN,
    })
    for (let i = 0; i < 30; i++) redactor.add(`${i}`.padStart(4, 'v').padEnd(1024 * 1024, 'w'))
    assert.equal(redactor.text('a c4n4ry'), 'a c4n4ry', 'so much is kept, and the oldest is forgotten')
    assert.equal(redactor.text('vv29'.padEnd(1024 * 1024, 'w')), HIDDEN)
    const clean = '{"msg":"nothing"}\n'
    assert.equal(redactor.jsonLine(clean), clean)
  })
})

class Scene {
  readonly time: VirtualTime = new VirtualTime()
  readonly restarts: string[] = []
  readonly stop: AbortController = new AbortController()
  readonly watch: PlaceholderWatch
  isRunning = true
  readonly #running: Promise<void>

  constructor(folder: string) {
    const parse = parseWorkerConfig({
      flags: {
        'config.providers': 'dir',
        'config.providers.dir.class': 'dir',
        'config.providers.dir.param.allowed.paths': folder,
      },
      files: providerFiles,
    })
    assert.ok(parse.ok, JSON.stringify(parse))
    const context: ConnectorContext = parse.config.connectorContext
    assert.equal(parse.config.providersLookEveryMs, LOOK_MS)
    this.watch = new PlaceholderWatch(context)
    const nothing = (): void => {}
    const logger: Logger = { error: nothing, warn: nothing, info: nothing, debug: nothing, child: () => logger }
    const deps = {
      timers: this.time,
      logger,
      lookEveryMs: LOOK_MS,
      isRunning: () => this.isRunning,
      restart: (name: string) => void this.restarts.push(name),
    }
    this.#running = this.watch.run(deps, { signal: this.stop.signal }).catch(() => {})
  }

  use(name: string, config: Readonly<Record<string, string>>): void {
    this.watch.note({ name, incarnation: 'i', configGeneration: 1, config } as unknown as ConnectorEntry)
  }

  async end(): Promise<void> {
    this.stop.abort()
    await this.#running
  }
}

describe('placeholders in use', () => {
  test('restart their connector once when what they stand for has changed, and no other', async () => {
    const folder = dataFolder('placeholders')
    mkdirSync(folder.path, { recursive: true })
    writeFileSync(join(folder.path, 'a'), 'one')
    writeFileSync(join(folder.path, 'b'), 'one')
    const scene = new Scene(folder.path)
    try {
      scene.use('uses-a', { keyfile: ph(`dir:${folder.path}:a`) })
      scene.use('uses-b', { keyfile: ph(`dir:${folder.path}:b`) })
      scene.use('rests', { keyfile: ph(`dir:${folder.path}:a`), 'config.action.reload': 'none' })
      scene.use('plain', { keyfile: '/a' })
      await scene.time.advance(3 * LOOK_MS)
      assert.deepEqual(scene.restarts, [])
      writeFileSync(join(folder.path, 'a'), 'two')
      await scene.time.advance(3 * LOOK_MS)
      assert.deepEqual(scene.restarts, ['uses-a'])
      renameSync(join(folder.path, 'b'), join(folder.path, 'c'))
      await scene.time.advance(LOOK_MS)
      symlinkSync('c', join(folder.path, 'b'))
      await scene.time.advance(LOOK_MS)
      assert.deepEqual(scene.restarts.slice(1), [], 'away, and back: what runs is not stopped for that')
      writeFileSync(join(folder.path, 'c'), 'two')
      await scene.time.advance(LOOK_MS)
      assert.deepEqual(scene.restarts.slice(1), ['uses-b'])
      scene.isRunning = false
      writeFileSync(join(folder.path, 'a'), 'three')
      await scene.time.advance(LOOK_MS)
      assert.equal(scene.restarts.length, 2, 'what runs elsewhere is looked at there')
    } finally {
      await scene.end()
      await folder.remove()
    }
  })
})

describe('files of providers', {
  skip: process.platform !== 'linux' && 'asks the Linux kernel where a file is',
}, () => {
  test('are where they were judged to be, and end where they end, whatever their size says', async () => {
    const folder = dataFolder('placeholders')
    mkdirSync(join(folder.path, 'a'), { recursive: true })
    try {
      writeFileSync(join(folder.path, 'a', 'file'), 'inside')
      const judged = providerFiles.realPath(join(folder.path, 'a', 'file'))
      assert.equal(providerFiles.read(judged, 100), 'inside')
      mkdirSync(join(folder.path, 'elsewhere'))
      writeFileSync(join(folder.path, 'elsewhere', 'file'), 'outside')
      renameSync(join(folder.path, 'a'), join(folder.path, 'b'))
      symlinkSync('elsewhere', join(folder.path, 'a'))
      assert.throws(() => providerFiles.read(judged, 100), { code: 'ELOOP' }, 'a folder became a link meanwhile')
      assert.throws(() => providerFiles.read(`/proc/${process.pid}/environ`, 10), { code: 'EFBIG' })
    } finally {
      await folder.remove()
    }
  })
})

describe('files of providers', () => {
  test('are regular files: a pipe without a writer is not waited for', async () => {
    const folder = dataFolder('placeholders')
    mkdirSync(folder.path, { recursive: true })
    try {
      const pipe = join(folder.path, 'pipe')
      execFileSync('mkfifo', [pipe])
      assert.throws(() => providerFiles.read(pipe, 100), { code: 'NOT_A_FILE' })
      assert.throws(() => providerFiles.read(folder.path, 100), { code: 'NOT_A_FILE' })
      writeFileSync(join(folder.path, 'big'), 'x'.repeat(101))
      assert.throws(() => providerFiles.read(join(folder.path, 'big'), 100), { code: 'EFBIG' })
      symlinkSync('big', join(folder.path, 'link'))
      assert.throws(() => providerFiles.read(join(folder.path, 'link'), 1000), { code: 'ELOOP' })
      assert.equal(providerFiles.read(join(folder.path, 'big'), 101).length, 101)
      assert.throws(() => providerFiles.read('/dev/zero', 1000), { code: 'NOT_A_FILE' })
    } finally {
      await folder.remove()
    }
  })
})
