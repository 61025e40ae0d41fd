// `npm test`: every part in order, each with its time, then the closing summary of all of them.
// `npm test -- tidy "unit tests"` runs some parts only, and says which it left out.
import { randomUUID } from 'node:crypto'
import { globSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { fileURLToPath } from 'node:url'
import { type Kafka, type Redis, startKafka, startRedis } from '@millrace/testkit'
import { watchForHungFiles } from './hung-files.ts'
import { endLeftovers, MARK } from './leftovers.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const BROKER_TESTS = ['packages/*/test/**/*.broker.test.ts', 'packages/*/test/**/*.redis.test.ts']

type Part = {
  readonly name: string
  readonly files: readonly string[]
  /** Test files side by side. */
  readonly concurrency: number
  /** A test, or a file, that takes longer has hung. */
  readonly timeoutMs: number
  readonly needsServices?: true
}
/** The pure parts of the benchmark are here: the benchmark itself is not part of the tests. */
const UNIT_TESTS = ['packages/*/test/**/*.test.ts', 'test/bench/*.test.ts']
const PARTS: readonly Part[] = [
  { name: 'types, lint, tidy', files: glob('test/static/*.test.ts'), concurrency: 2, timeoutMs: 120_000 },
  { name: 'unit tests', files: glob(UNIT_TESTS, BROKER_TESTS), concurrency: 2, timeoutMs: 120_000 },
  { name: 'simulation', files: glob('test/sim/*.test.ts'), concurrency: 1, timeoutMs: 600_000 },
  { name: 'real Kafka and Redis', files: glob(BROKER_TESTS), concurrency: 2, timeoutMs: 240_000, needsServices: true },
  { name: 'chaos, the short form', files: glob('test/chaos/*.test.ts'), concurrency: 1, timeoutMs: 240_000 },
  { name: 'end to end', files: glob('test/e2e/*.test.ts'), concurrency: 1, timeoutMs: 300_000 },
  {
    name: 'differential with Kafka Connect',
    files: glob('test/differential/*.test.ts'),
    concurrency: 1,
    timeoutMs: 300_000,
  },
  {
    name: 'official clients',
    files: glob(['test/conformance/**/*.test.ts', 'test/live/*.test.ts']),
    concurrency: 2,
    timeoutMs: 420_000,
  },
]

const totals = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 }
const times: { readonly name: string; readonly ms: number; readonly note: string }[] = []
const unrun: string[] = []
const failures: string[] = []
const interrupt = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupt.abort(signal))
process.env[MARK] = randomUUID()
// Hundreds of processes load the same modules: compiled once, types stripped once, they start in half the time.
process.env.NODE_COMPILE_CACHE ??= join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'millrace', 'compiled')

const started = performance.now()
const wanted = process.argv.slice(2)
if (wanted.includes('--help')) {
  const names = PARTS.map(part => `  ${part.name}\n`).join('')
  process.stdout.write(
    `Usage: npm test [-- part …]\n\nRuns everything, or the parts whose name contains one of the words:\n${names}`,
  )
  process.exit(0)
}
const unknown = wanted.filter(name => !PARTS.some(part => part.name.includes(name)))
if (unknown.length > 0) {
  process.stderr.write(`No such part: ${unknown.join(', ')}. There are: ${PARTS.map(part => part.name).join('; ')}.\n`)
  process.exit(2)
}
for (const part of PARTS) {
  const isWanted = wanted.length === 0 || wanted.some(name => part.name.includes(name))
  if (isWanted && !interrupt.signal.aborted) await runPart(part)
  else times.push({ name: part.name, ms: 0, note: 'not run' })
}
const leftovers = await endLeftovers()
if (leftovers.length > 0) {
  totals.failed += 1
  totals.tests += 1
  process.stdout.write(
    `✖ tests left processes running (ended now):\n${leftovers.map(line => `    ${line}\n`).join('')}`,
  )
}
printClosing()
process.exit(interrupt.signal.aborted ? 130 : totals.failed + totals.cancelled > 0 || totals.tests === 0 ? 1 : 0)

async function runPart(part: Part): Promise<void> {
  const start = performance.now()
  process.stdout.write(`\n── ${part.name}: ${part.files.length} files\n`)
  let note = `${part.files.length} files`
  if (part.files.length > 0) {
    const services = part.needsServices ? await startServices() : null
    try {
      const counts = await runFiles(part)
      note = `${counts.tests} tests in ${part.files.length} files`
      for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += counts[key]
    } finally {
      await services?.stop()
    }
  }
  times.push({ name: part.name, ms: performance.now() - start, note })
}

async function runFiles(part: Part): Promise<typeof totals> {
  const counts = { ...totals, tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 }
  using _watch = watchForHungFiles(part.timeoutMs, file => {
    process.stdout.write(`✖ ${relative(root, file)} did not end within ${part.timeoutMs / 1000} s; it is killed\n`)
  })
  const events = run({
    files: [...part.files],
    concurrency: part.concurrency,
    timeout: part.timeoutMs,
    signal: interrupt.signal,
    cwd: root,
  })
  events.on('test:summary', summary => {
    // One per file and one for all; the latter has no file.
    if (summary.file === undefined) {
      const { counts: all } = summary
      const failed = all.tests - all.passed - all.cancelled - all.skipped - all.todo
      Object.assign(counts, { tests: all.tests, suites: all.suites, passed: all.passed, failed })
      Object.assign(counts, { cancelled: all.cancelled, skipped: all.skipped, todo: all.todo })
    }
  })
  const note = (test: { name: string; file?: string; skip?: string | boolean; todo?: string | boolean }): void => {
    const why = test.skip ?? test.todo
    if (why !== undefined && why !== false)
      unrun.push(`${test.name} (${test.file ?? ''})${why === true ? '' : `: ${why}`}`)
  }
  events.on('test:pass', note)
  events.on('test:fail', test => {
    note(test)
    if (test.details.type !== 'suite') failures.push(`${test.name} (${relative(root, test.file ?? '')})`)
  })
  // Each part's own totals are left out: only the last lines of all count.
  const shown = events.filter(
    (event: { type: string }) => event.type !== 'test:diagnostic' && event.type !== 'test:summary',
  )
  for await (const text of shown.compose(new spec())) process.stdout.write(text)
  return counts
}

/** One broker and one Redis for all test files of a part, handed over in the environment. */
async function startServices(): Promise<{ stop(): Promise<void> }> {
  const [kafka, redis]: [Kafka, Redis] = await Promise.all([startKafka(), startRedis()])
  process.env.MILLRACE_TEST_KAFKA = kafka.bootstrapServers
  process.env.MILLRACE_TEST_REDIS = redis.url
  return {
    async stop() {
      delete process.env.MILLRACE_TEST_KAFKA
      delete process.env.MILLRACE_TEST_REDIS
      await Promise.all([kafka.stop(), redis.stop()])
    },
  }
}

function glob(patterns: string | readonly string[], exclude: readonly string[] = []): string[] {
  const files = globSync(patterns, { cwd: root, exclude: [...exclude, '**/node_modules/**'] })
  return files.sort().map(file => join(root, file))
}

function printClosing(): void {
  process.stdout.write('\n')
  for (const test of failures) process.stdout.write(`failed: ${test}\n`)
  for (const test of unrun) process.stdout.write(`skipped: ${test}\n`)
  const width = Math.max(...times.map(part => part.name.length))
  for (const { name, ms, note } of times) {
    process.stdout.write(`${name.padEnd(width)}  ${(ms / 1000).toFixed(1).padStart(6)} s  ${note}\n`)
  }
  process.stdout.write('\n')
  const lines: readonly [string, number][] = [
    ['tests', totals.tests],
    ['suites', totals.suites],
    ['pass', totals.passed],
    ['fail', totals.failed],
    ['cancelled', totals.cancelled],
    ['skipped', totals.skipped],
    ['todo', totals.todo],
    ['duration_ms', performance.now() - started],
  ]
  for (const [name, value] of lines) process.stdout.write(`# ${name} ${value}\n`)
}
