// The package as a stranger gets it: packed, installed into an empty folder, started by npx, spoken to, stopped.
// It runs on the machine's own Node, not on the one of this repository, and needs npm's cache or registry.
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import * as source from '../src/index.ts'
import { PROJECT, Rest } from './harness.ts'
import { RawClient, rowsOf, writer } from './raw-client.ts'

const HERE = fileURLToPath(new URL('..', import.meta.url))
const FLAGS = ['--grpc-port', '0', '--rest-port', '0', '--project', PROJECT, '--dataset', 'd']
/** It takes 13 seconds where nothing else runs, most of it npm's. */
const INSTALL_MS = 90_000
const TIMEOUT_MS = 115_000
const run = promisify(execFile)

/** The environment of a stranger's shell: nothing of the npm or node that started these tests. */
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INIT_CWD$)/.test(name))),
  PATH: (process.env.PATH ?? '')
    .split(delimiter)
    .filter(folder => !folder.includes('node_modules'))
    .join(delimiter),
}

type Started = { npx: ChildProcess; pid: number; grpc: string; rest: string }

/** The process at the end of the line npx → shell → node, as Linux knows it. */
function lastDescendant(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return children === '' ? pid : lastDescendant(Number(children.split(' ')[0]))
}

describe('the packed package', { timeout: TIMEOUT_MS }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'emulator-package-'))
  const started = new Set<Started>()

  before(
    async () => {
      const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: HERE, env })
      const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[]
      const paths = packed!.files.map(file => file.path)
      assert.ok(paths.includes('dist/protos/google/cloud/bigquery/storage/v1/storage.proto'))
      assert.deepEqual(
        paths.filter(path => /(?<!\.d)\.ts$|^(src|test)\//.test(path)),
        [],
        'no TypeScript but declarations',
      )
      const install = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
      await run('npm', [...install, `./${packed!.filename}`], { cwd: folder, env })
    },
    { timeout: INSTALL_MS },
  )

  after(() => {
    RawClient.closeAll()
    for (const { npx, pid } of started) {
      if (npx.exitCode === null && npx.signalCode === null) process.kill(pid, 'SIGKILL')
    }
    rmSync(folder, { recursive: true, force: true })
  })

  async function start(): Promise<Started> {
    const npx = spawn('npx', ['millrace', 'emulator', ...FLAGS], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    const ready = new Promise<RegExpExecArray>((resolve, reject) => {
      const look = (chunk: Buffer): void => {
        output += chunk
        const line = /^ready grpc=(\S+) rest=(\S+)\n/m.exec(output)
        if (line) resolve(line)
      }
      npx.stdout.on('data', look)
      npx.stderr.on('data', look)
      npx.once('close', () => reject(new Error(`it ended before it was ready: ${output}`)))
    })
    const [, grpc = '', rest = ''] = await ready
    const emulator = { npx, pid: lastDescendant(npx.pid!), grpc, rest }
    started.add(emulator)
    return emulator
  }

  it('starts by npx in an empty folder, stores a row, and stops on SIGTERM with exit code 0', async () => {
    const { npx, pid, grpc, rest: address } = await start()
    const rest = new Rest(address)
    const table = await rest.createTable('t', [{ name: 'a', type: 'INT64' }])
    const client = new RawClient(grpc)
    const rows = writer('optional int64 a = 1;')
    const append = client.append()
    const answer = await append.ask({
      writeStream: await client.createStream(table),
      offset: { value: '0' },
      protoRows: rowsOf(rows, [{ a: 42 }], true),
    })
    assert.equal(answer.error, undefined)
    assert.deepEqual(await rest.query('SELECT a FROM d.t'), [['42']])
    client.close()

    const exited = new Promise(resolve => npx.once('exit', code => resolve(code)))
    process.kill(pid, 'SIGTERM')
    assert.equal(await exited, 0)
  })

  it('does not outlive an npx that was killed', async () => {
    const { npx, pid } = await start()
    npx.kill('SIGTERM')
    const deadline = Date.now() + 10_000
    while (isAlive(pid)) {
      assert.ok(Date.now() < deadline, 'the emulator goes on after npx')
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  })

  it('can be imported as a library', async () => {
    const program = `
      import { startEmulator } from '@millrace/emulator'
      const emulator = await startEmulator({ grpcPort: 0, restPort: 0, project: 'p', dataset: 'd' })
      const { status } = await fetch('http://' + emulator.restAddress + '/bigquery/v2/projects/p/datasets/d')
      await emulator.close()
      console.log(status)`
    const { stdout } = await run('node', ['--input-type=module', '-e', program], { cwd: folder, env })
    assert.equal(stdout, '200\n')
  })

  it('exports in a clone what its source exports', async () => {
    const door: object = await import(new URL('../index.js', import.meta.url).href)
    assert.deepEqual(Object.keys(door).sort(), Object.keys(source).sort())
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
