// The whole of Millrace from the outside: `millrace demo` on a smaller input, with its kill and its freeze, compared by
// content with the file it came from; and that it cleans up after itself however it ends.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { markedProcesses } from '../leftovers.ts'

const main = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'packages/cli/src/main.ts')
const RECORDS = 20_000
const MARK = 'MILLRACE_E2E'
const CLEAN_UP_MS = 20_000

type Demo = {
  readonly process: ChildProcess
  readonly mark: string
  output(): string
  readonly exited: Promise<number | null>
}

function startDemo(args: readonly string[]): Demo {
  const mark = randomUUID()
  const child = spawn(process.execPath, [main, 'demo', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, [MARK]: mark },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  return { process: child, mark, output: () => output, exited: new Promise(resolve => child.once('close', resolve)) }
}

async function until(
  what: string,
  condition: () => boolean,
  timeoutMs: number,
  demo: Demo,
  options: { whileRuns: boolean } = { whileRuns: false },
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!condition()) {
    assert.ok(performance.now() < deadline, `in ${timeoutMs} ms: ${what}\n${demo.output()}`)
    if (options.whileRuns) assert.equal(demo.process.exitCode, null, demo.output())
    await sleep(50)
  }
}

/** The demo's data folder, from the arguments of what it started. */
const folderOf = (demo: Demo): string | undefined =>
  markedProcesses(MARK, demo.mark)
    .map(({ command }) => /\/[^\s=:]*millrace-demo-\w+/.exec(command)?.[0])
    .find(folder => folder !== undefined)

async function isCleanedUp(demo: Demo, folder: string): Promise<void> {
  await until(
    'nothing is left',
    () => markedProcesses(MARK, demo.mark).length === 0 && !existsSync(folder),
    CLEAN_UP_MS,
    demo,
  )
}

test('every record arrives exactly once although a worker is killed and another frozen', async () => {
  const demo = startDemo(['--records', String(RECORDS), '--json'])
  const code = await demo.exited
  const lines = demo.output().trimEnd().split('\n')
  assert.equal(code, 0, demo.output())
  const result = JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
  const { records, rows, missing, duplicates, takeovers } = result
  assert.deepEqual(
    { records, rows, missing, duplicates },
    { records: RECORDS, rows: RECORDS, missing: 0, duplicates: 0 },
  )
  assert.ok(Number(takeovers) >= 2, `each fault leaves partitions to take over; ${takeovers} were`)
  assert.equal(lines.at(-2), `verified: ${RECORDS} records = ${RECORDS} rows, 0 missing, 0 duplicates`)
  assert.equal(markedProcesses(MARK, demo.mark).length, 0)
})

for (const { signal, code, when, isWhen } of [
  { signal: 'SIGINT', code: 130, when: 'at work', isWhen: demo => /is created/.test(demo.output()) },
  { signal: 'SIGKILL', code: null, when: 'starting', isWhen: demo => folderOf(demo) !== undefined },
] as const satisfies readonly {
  signal: NodeJS.Signals
  code: number | null
  when: string
  isWhen: (demo: Demo) => boolean
}[]) {
  test(`a demo ended by ${signal} while ${when} leaves neither processes nor files`, async () => {
    const demo = startDemo(['--records', '10000'])
    await until(`it is ${when}`, () => isWhen(demo), 120_000, demo, { whileRuns: true })
    const folder = folderOf(demo)
    assert.ok(folder !== undefined && existsSync(folder), demo.output())
    demo.process.kill(signal)
    assert.equal(await demo.exited, code, demo.output())
    await isCleanedUp(demo, folder)
  })
}

test('a wrong command line is refused with exit code 2 before anything is started', async () => {
  const demo = startDemo(['--records', '17'])
  assert.equal(await demo.exited, 2)
  assert.match(demo.output(), /--records must be a whole number from 10000 to 3000000, not "17"/)
})
