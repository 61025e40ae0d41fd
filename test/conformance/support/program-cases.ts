// Conformance cases in a program of another language: build it, run it against emulators of its own, and make a test of each
// line {name, ok, detail} it prints. A machine without the language's tools says so and skips; anything else that fails, fails.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { type Emulator, startEmulator } from './emulator.ts'

/** A cold build compiles Google's clients, or downloads them; a warm one takes seconds. */
const BUILD_TIMEOUT_MS = 190_000
const RUN_TIMEOUT_MS = 105_000
const OUTPUT_CHARS_MAX = 200_000
/** The second emulator closes calls that are idle for so long: minutes on the service. */
const IDLE_MS = 1_000
/** And takes requests up to the limit that was enforced for years, which is below what Java's client refuses to send. */
const REQUEST_LIMIT_BYTES = 10_485_760

export type Command = { readonly command: string; readonly args: readonly string[]; readonly cwd: string }
export type Addresses = { readonly usual: Emulator; readonly idle: Emulator }

/** Where builds go: outside the source tree. */
export function buildFolder(name: string): string {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'millrace', `conformance-${name}`)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** The reason to skip, when a tool is missing. With CI=true nothing is skipped: what set-up can install must be there. */
export function missing(tools: Readonly<Record<string, string>>): string | false {
  if (process.env.CI === 'true') return false
  const lacking = Object.entries(tools).filter(([tool]) => !isInstalled(tool))
  if (lacking.length === 0) return false
  return lacking.map(([tool, install]) => `${tool} is not installed (${install})`).join('; ')
}

function isInstalled(tool: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, tool), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** One test, with the program's cases as its subtests. */
export function testProgram(
  name: string,
  skip: string | false,
  build: () => Promise<void>,
  start: (addresses: Addresses) => Command,
): void {
  test(name, { skip, timeout: BUILD_TIMEOUT_MS + RUN_TIMEOUT_MS }, async t => {
    await build()
    await using stack = new AsyncDisposableStack()
    const usual = stack.adopt(await startEmulator(), emulator => emulator.stop())
    const idle = stack.adopt(
      await startEmulator(['--behavior', `idleMs=${IDLE_MS}`, '--request-limit', String(REQUEST_LIMIT_BYTES)]),
      emulator => emulator.stop(),
    )
    const output = await run(start({ usual, idle }), RUN_TIMEOUT_MS)
    const results = output
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(readResult)
    assert.ok(results.length > 0, `the program ran no case:\n${output}`)
    for (const { name, ok, detail } of results.sort((a, b) => caseNumber(a.name) - caseNumber(b.name)))
      await t.test(name, () => assert.ok(ok, detail))
  })
}

type Result = { readonly name: string; readonly ok: boolean; readonly detail: string }

function readResult(line: string): Result {
  const { name, ok, detail } = JSON.parse(line) as Partial<Result>
  assert.ok(typeof name === 'string' && typeof ok === 'boolean' && typeof detail === 'string', line)
  return { name, ok, detail }
}

const caseNumber = (name: string): number => Number(/^case (\d+)/.exec(name)?.[1] ?? Number.POSITIVE_INFINITY)

export async function runBuild(command: Command): Promise<string> {
  return run(command, BUILD_TIMEOUT_MS)
}

/** Gives stdout; fails with all it wrote when it does not end well or in time. */
async function run({ command, args, cwd }: Command, timeoutMs: number): Promise<string> {
  const child = spawn(command, [...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const overdue = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
    if (stdout.length > OUTPUT_CHARS_MAX) child.kill('SIGKILL')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk).slice(-OUTPUT_CHARS_MAX)
  })
  const end = await new Promise<string | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code === 0 ? null : (signal ?? `exit code ${code}`)))
  }).finally(() => clearTimeout(overdue))
  if (end !== null) throw new Error(`${command} ${args[0] ?? ''} ended with ${end}\n${stderr}\n${stdout}`)
  return stdout
}
