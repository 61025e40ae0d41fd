// The probes of `npm run test:live` on the emulator, over gRPC: they hold there, each of them turns red when its assumption is
// broken, and the command says what it needs, what it saw, and how it ended.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { DATASET, type Emulator, PROJECT, startEmulator } from '../conformance/support/emulator.ts'
import type { Service } from './client.ts'
import { LyingService } from './lying-service.ts'
import { MUTANTS, type Mutant, TOLERATED } from './mutants.ts'
import { PROBES, type Result, type Run, runProbes } from './run-probes.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const PACE = { rounds: 3, lateMs: 50, staleMs: 1_500 }
const { signal } = new AbortController()

let emulator: Emulator
let liar: LyingService
before(async () => {
  emulator = await startEmulator()
  liar = await LyingService.open(emulator.grpc)
})
after(async () => {
  await liar[Symbol.asyncDispose]()
  await emulator.stop()
})

const told = ({ id, verdict, observed }: Result): string => `${id} ${verdict}: ${observed}`

/** The emulator, through whoever may lie about it. */
const service = (): Service => ({
  project: PROJECT,
  dataset: DATASET,
  endpoint: liar.endpoint,
  restEndpoint: emulator.rest,
})

async function runOn({ behavior, fault, lies, lateMs }: Mutant, ids: readonly string[]): Promise<readonly Result[]> {
  if (behavior !== undefined) await emulator.behave(behavior)
  if (fault !== undefined) await emulator.fault(fault)
  if (lies !== undefined) liar.lies = lies(rowsNow)
  try {
    const probes = PROBES.filter(({ id }) => ids.includes(id))
    const pace = lateMs === undefined ? PACE : { ...PACE, lateMs }
    return (await runProbes(service(), pace, { probes, signal })).results
  } finally {
    liar.lies = {}
    await emulator.clearFaults()
    await emulator.reset()
  }
}

async function rowsNow(stream: string): Promise<bigint> {
  const answer = await fetch(`${emulator.rest}/emulator/state`)
  const { streams } = (await answer.json()) as { streams: readonly { name: string; rows: string }[] }
  return BigInt(streams.find(({ name }) => name === stream)?.rows ?? 0)
}

describe('a probe turns red when', () => {
  for (const mutant of MUTANTS)
    test(`${mutant.name}: ${mutant.caughtBy.join(', ')}`, async () => {
      for (const result of await runOn(mutant, mutant.caughtBy)) assert.equal(result.verdict, 'false', told(result))
    })

  test('each assumption has such a service', () => {
    const caught = new Set(MUTANTS.flatMap(({ caughtBy }) => caughtBy))
    assert.deepEqual(
      PROBES.filter(({ id }) => !caught.has(id)).map(({ id }) => id),
      ['B1'],
    )
  })
})

describe('no probe turns red when', () => {
  for (const either of TOLERATED)
    test(either.name, async () => {
      for (const result of await runOn(either, either.probes)) assert.equal(result.verdict, 'holds', told(result))
    })
})

describe('npm run test:live', () => {
  const environment = (): Readonly<Record<string, string>> => ({
    GOOGLE_CLOUD_PROJECT: PROJECT,
    MILLRACE_LIVE_DATASET: DATASET,
    MILLRACE_LIVE_ENDPOINT: `http://${emulator.grpc}`,
    MILLRACE_LIVE_REST_ENDPOINT: emulator.rest,
  })

  test('all assumptions hold on the emulator, and the table is dropped', async () => {
    const { code, out, errors } = await command(['--json', '--rounds', '2', '--late-ms', '50'], environment())
    assert.equal(code, 0, errors)
    const run = JSON.parse(out) as Run
    assert.deepEqual(
      run.results.filter(({ id, verdict }) => verdict !== (id === 'B1' ? 'noted' : 'holds')).map(told),
      [],
    )
    assert.deepEqual(
      run.results.map(({ id }) => id),
      PROBES.map(({ id }) => id),
    )
    const tables = await fetch(`${emulator.rest}/bigquery/v2/projects/${PROJECT}/datasets/${DATASET}/tables`)
    assert.equal((await tables.text()).includes(run.table.slice(run.table.lastIndexOf('/') + 1)), false)
  })

  test('a false assumption is printed beside what was seen, and fails the command', async () => {
    await emulator.behave({ finalizeAgain: 'reject' })
    const { code, out } = await command(['--only', 'A1', '--late-ms', '50'], environment())
    await emulator.reset()
    assert.equal(code, 1, out)
    assert.match(out, /assumption +observed +verdict\nA1 +FinalizeWriteStream answers .* FALSE\n/)
    assert.match(out, /0 hold, 1 false, 0 undecided/)
  })

  test('without a project and a data set nothing is opened, and each is named', async () => {
    const { code, out, errors } = await command([], {})
    assert.equal(code, 2)
    assert.equal(out, '')
    assert.match(errors, /GOOGLE_CLOUD_PROJECT is not set.*\nMILLRACE_LIVE_DATASET is not set/)
  })

  test('without credentials it says so', async () => {
    const { GOOGLE_CLOUD_PROJECT, MILLRACE_LIVE_DATASET } = environment()
    const missing = { GOOGLE_APPLICATION_CREDENTIALS: join(root, 'no-such-key.json') }
    const { code, errors } = await command([], { GOOGLE_CLOUD_PROJECT, MILLRACE_LIVE_DATASET, ...missing })
    assert.equal(code, 1)
    assert.match(errors, /BIGQUERY_AUTH_FAILED .*GOOGLE_APPLICATION_CREDENTIALS/)
  })
})

test('docs/exactly-once.md states every assumption that is probed', () => {
  const page = readFileSync(join(root, 'docs/exactly-once.md'), 'utf8')
  for (const { id } of PROBES.filter(({ id }) => id.startsWith('A'))) {
    const number = id.slice(0, 2)
    assert.match(page, new RegExp(`^\\| ${number} \\|`, 'm'), `${number} is missing`)
  }
})

async function command(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly code: number | null; readonly out: string; readonly errors: string }> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...environment }
  const child = spawn(process.execPath, [join(root, 'test/live/main.ts'), ...args], { env })
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  const [code, out, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return { code, out, errors }
}
