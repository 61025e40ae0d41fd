// Clients of Kafka Connect as their authors ship them, each through its whole API against a real worker: kafka-connect-py from
// PyPI and ricardo-ch/go-kafka-connect, on which Terraform's provider stands. Each prints a line for each of its cases.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { connectorConfig, plainRecord, range, Stage } from '../../e2e/support/stage.ts'
import { buildFolder, missing, runBuild } from '../support/program-cases.ts'

const source = import.meta.dirname
const requirements = join(source, 'python/requirements.txt')
const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12)
const PARTITIONS = 2
const ROWS = range(0, 20)

describe('real clients of Kafka Connect', { concurrency: true }, () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open()
    await stage.startWorker()
  })
  after(() => stage[Symbol.asyncDispose]())

  /** Runs a program with the worker's address, a connector's name and its config; rows that were waiting are delivered once. */
  async function drive(t: TestContext, name: string, command: string, args: readonly string[]): Promise<void> {
    await Promise.all([stage.createTopic(name, PARTITIONS), stage.createTable(name)])
    const producer = await stage.newProducer({ idempotent: true, maxInFlightRequests: 1 })
    await producer.send({ topic: name, messages: ROWS.map(id => plainRecord(id, id % PARTITIONS)) })
    await producer.disconnect()
    const rest = stage.alive[0]?.rest ?? ''
    const config = JSON.stringify(connectorConfig(name))
    const output = await runBuild({ command, args: [...args, rest, name, config], cwd: source })
    const results = output.split('\n').filter(line => line.startsWith('{'))
    assert.ok(results.length > 5, `the program ran its cases:\n${output}`)
    for (const line of results) {
      const { name: title, ok, detail } = JSON.parse(line) as { name: string; ok: boolean; detail: string }
      await t.test(title, () => assert.ok(ok, detail))
    }
    await stage.assertDelivered(name, ROWS)
  }

  it('kafka-connect-py', {
    skip: missing({ python3: 'https://www.python.org/downloads' }) || withoutVenv(),
  }, async t => {
    const environment = await installPython()
    await drive(t, stage.unique('python'), join(environment, 'bin/python'), [
      '-B',
      '-u',
      join(source, 'python/drive.py'),
    ])
  })

  it('ricardo-ch/go-kafka-connect', { skip: missing({ go: 'https://go.dev/dl' }) }, async t => {
    const program = join(buildFolder('connect-go'), 'drive')
    const cwd = join(source, 'go')
    await runBuild({ command: 'go', args: ['build', '-mod=readonly', '-o', program, '.'], cwd })
    await drive(t, stage.unique('go'), program, [])
  })
})

/** A finished environment is complete: it appears by one rename. */
async function installPython(): Promise<string> {
  const folder = buildFolder('connect-python')
  const environment = join(folder, version)
  if (existsSync(environment)) return environment
  const unfinished = mkdtempSync(join(folder, 'unfinished-'))
  try {
    await runBuild({ command: 'python3', args: ['-m', 'venv', unfinished], cwd: folder })
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '--requirement']
    await runBuild({ command: join(unfinished, 'bin/python'), args: [...pip, requirements], cwd: folder })
    renameSync(unfinished, environment)
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    // Another run may have been quicker.
    if (!existsSync(environment)) throw error
  }
  return environment
}

/** Debian has the venv module in a package of its own; the versions in requirements.txt want a Python of their time. */
function withoutVenv(): string | false {
  if (process.env['CI'] === 'true' || existsSync(join(buildFolder('connect-python'), version))) return false
  const check = spawnSync('python3', ['-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'])
  return check.status !== 0 && 'python3 is older than 3.11 or has no venv (apt install python3-venv)'
}
