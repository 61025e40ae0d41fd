// `millrace demo`: three million flights from Kafka into the emulator, exactly once, with one worker killed at a third and
// another frozen at two thirds; then table and file are compared. Whatever it starts it stops, also on Ctrl-C.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { dataFolder } from '@millrace/testkit'
import { ClusterClient } from './cluster-client.ts'
import { TABLE_SQL } from './emulator-client.ts'
import {
  CONNECTOR,
  CONNECTOR_CONFIG,
  type Environment,
  LEASE_TTL_MS,
  startEnvironment,
  workerProperties,
} from './environment.ts'
import { type Hit, stopInFlight, waitForSurrender, waitForTakeover } from './faults.ts'
import { requestJson } from './http-json.ts'
import { layoutOf, PARTITIONS } from './layout.ts'
import { MemoryWatch } from './memory.ts'
import { type DemoOptions, parseDemoOptions, USAGE } from './options.ts'
import { startProducer } from './producer.ts'
import { type Output, outputTo, Progress } from './progress.ts'
import { Situation } from './situation.ts'
import { type Verdict, verdictLine, verify } from './verify.ts'
import { DemoFailure, waitFor } from './wait.ts'
import { WorkerFleet } from './worker-fleet.ts'

const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const
const SAME_SIGNAL_MS = 500
const REPLACEMENT_DELAY_MS = 3_000
const FREEZE_MS = LEASE_TTL_MS + 5_000
/** After it was woken, a worker gets this long to do any harm it could do. */
const WAKE_MS = 2_000
/** The longest a timer can be: 24 days. */
const FOREVER_MS = 2 ** 31 - 1
/** Longer than any run; what hangs is found by its stalling. */
const RUN_MAX_MS = 1_800_000

/** Runs the demo with its command line and resolves with the exit code. */
export async function runDemo(argv: readonly string[]): Promise<number> {
  const options = parseDemoOptions(argv)
  if (typeof options === 'string') {
    const isHelp = options === USAGE
    ;(isHelp ? process.stdout : process.stderr).write(options)
    return isHelp ? EXIT.ok : EXIT.usage
  }
  const interrupt = new AbortController()
  let interruptedAtMs = 0
  const onSignal = (): void => {
    // A second Ctrl-C does not wait for an orderly stop: the orphan guard ends everything. One Ctrl-C may arrive twice.
    if (interrupt.signal.aborted && performance.now() - interruptedAtMs > SAME_SIGNAL_MS) process.exit(EXIT.interrupted)
    interruptedAtMs = performance.now()
    interrupt.abort(new Interrupted())
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  try {
    return await runUntilDone(options, outputTo(process.stdout), interrupt.signal)
  } catch (error) {
    if (interrupt.signal.aborted) {
      process.stderr.write('Interrupted; everything is stopped and removed.\n')
      return EXIT.interrupted
    }
    process.stderr.write(`The demo failed: ${sentenceOf(error)}\n`)
    return EXIT.failed
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof DemoFailure) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

async function runUntilDone(options: DemoOptions, output: Output, signal: AbortSignal): Promise<number> {
  const started = performance.now()
  await using stack = new AsyncDisposableStack()
  const progress = new Progress(output, options.records)
  const folder = dataFolder('demo')
  stack.defer(() => folder.remove())

  progress.event('Starting Kafka, Redis, the BigQuery emulator and two workers …')
  const environment = await startEnvironment(folder.path, stack, signal)
  const fleet = new WorkerFleet(workerProperties(environment), folder.path)
  stack.defer(() => fleet.stop())
  const cluster = new ClusterClient(() => fleet.running().map(worker => worker.process.rest))
  const producer = startProducer(environment.kafka.bootstrapServers, options.records, join(folder.path, 'producer'))
  stack.defer(() => producer.stop())
  // Producing may begin before anybody reads.
  producer.allow(Math.floor(options.records / 3))
  await settleAll([fleet.add(cluster, { signal }), fleet.add(cluster, { signal })])
  await cluster.createConnector(CONNECTOR, CONNECTOR_CONFIG, { signal })
  progress.event(`Connector ${JSON.stringify(CONNECTOR)} is created; producing ${count(options.records)} flights.`)

  const memory = new MemoryWatch()
  const situation = new Situation({
    connector: CONNECTOR,
    emulator: environment.tables,
    cluster,
    fleet,
    producer,
    memory,
    fixedPids: [
      ['kafka', environment.kafka.pids[0] ?? 0],
      ['redis', environment.redis.pid],
      ['emulator', environment.emulator.child.pid],
      ['demo', process.pid],
    ],
  })
  const watching = new AbortController()
  const watchers = Promise.all([situation.follow(watching.signal), progress.show(situation, watching.signal)])
  stack.defer(async () => {
    watching.abort()
    await watchers
  })

  await play(options, situation, progress, signal)
  const elapsed = (performance.now() - started) / 1000
  watching.abort()
  await watchers
  const verdict = await verify(sql => environment.tables.query(sql, { signal }), TABLE_SQL, options.records)
  const takeovers = cluster.takeovers()
  printMemory(output, memory)
  output.write(
    `${count(options.records)} records in ${elapsed.toFixed(1)} s, starts and faults included; ${takeovers} partitions taken over\n`,
  )
  if (options.keep) printAddresses(environment, fleet, output)
  output.write(`${verdictLine(verdict)}\n`)
  if (options.json) output.write(`${JSON.stringify(report(verdict, elapsed, takeovers, memory))}\n`)
  // Aborting is how this ends; the result stands.
  if (options.keep) await sleep(FOREVER_MS, undefined, { signal }).catch(() => {})
  return verdict.differences.length === 0 ? EXIT.ok : EXIT.failed
}

/** The faults and the rest; resolves when everything was delivered, or nothing moves any more. */
async function play(
  options: DemoOptions,
  situation: Situation,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { producer, fleet, cluster } = situation.sources
  const layout = layoutOf(options.records)
  const third = Math.floor(options.records / 3)
  const sixth = Math.floor(options.records / 6)
  const until = async (what: string, isSo: () => boolean): Promise<void> => {
    const probe = (): true | null => {
      situation.assertAlive()
      return isSo() ? true : null
    }
    await waitFor(what, probe, { signal, timeoutMs: RUN_MAX_MS, everyMs: 20 })
  }
  const landed = (rows: number): Promise<void> => until(`${rows} rows arrive`, () => situation.landed() >= rows)

  await until('all partitions are running', () => situation.areAllRunning())
  progress.event(`All ${PARTITIONS} partitions are running.`)

  await landed(third)
  const kill = await stopInFlight(situation, layout, { from: third, to: third + sixth }, signal)
  kill.victim.process.child.kill('SIGKILL')
  kill.victim.state = 'killed'
  progress.event(`One third: ${kill.victim.name} is killed (SIGKILL) ${describe(kill)}.`)
  producer.allow(2 * third)
  const replace = async (): Promise<void> => {
    await sleep(REPLACEMENT_DELAY_MS, undefined, { signal })
    const fresh = await fleet.add(cluster, { signal })
    progress.event(`${fresh.name} is started in its place.`)
  }
  const [killTakeover] = await settleAll([waitForTakeover(situation, kill, signal), replace()])
  progress.event(`The partitions of ${kill.victim.name} were taken over after ${killTakeover.toFixed(1)} s.`)

  await landed(2 * third)
  const freeze = await stopInFlight(situation, layout, { from: 2 * third, to: 2 * third + sixth }, signal)
  const frozenAt = performance.now()
  progress.event(`Two thirds: ${freeze.victim.name} is frozen (SIGSTOP) ${describe(freeze)}.`)
  producer.allow(options.records)
  const freezeTakeover = await waitForTakeover(situation, freeze, signal)
  progress.event(`The partitions of ${freeze.victim.name} were taken over after ${freezeTakeover.toFixed(1)} s.`)
  await sleep(Math.max(0, FREEZE_MS - (performance.now() - frozenAt)), undefined, { signal })
  freeze.victim.process.child.kill('SIGCONT')
  freeze.victim.state = 'running'
  const frozenFor = seconds(frozenAt)
  await waitForSurrender(freeze, signal)
  progress.event(
    `${freeze.victim.name} is woken after ${frozenFor} s and fenced: it gave up all ${freeze.epochs.size} partitions it was frozen with.`,
  )

  try {
    await settleAll([sleep(WAKE_MS, undefined, { signal }), landed(options.records)])
    await until('everything is produced', () => producer.produced() >= options.records)
    await waitFor('the woken worker answers', () => answers(freeze.victim.process.rest, signal), {
      signal,
      timeoutMs: 30_000,
      everyMs: 100,
    })
    await until('the lag is zero', () => situation.isIdle())
  } catch (error) {
    // The comparison says better than we could what did not arrive.
    if (!(error instanceof DemoFailure)) throw error
    progress.event(error.message)
  }
  if (cluster.takeovers() === 0)
    throw new DemoFailure('The faults hit nothing: no partition was recovered from an unreleased claim.')
}

const describe = (hit: Hit): string =>
  `with ${hit.epochs.size} partitions and ${count(hit.unfinishedRows)} produced rows that had not arrived`
const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(1)
const count = (value: number): string => Math.round(value).toLocaleString('en-US')

async function answers(rest: string, signal: AbortSignal): Promise<true | null> {
  try {
    await requestJson('GET', `${rest}/api/v1/worker`, null, { signal, timeoutMs: 1_000 })
    return true
  } catch {
    signal.throwIfAborted()
    return null
  }
}

/** Waits for all, so that nothing is still being started when the first failure is reported. */
async function settleAll<T extends readonly unknown[]>(
  promises: { readonly [K in keyof T]: Promise<T[K]> },
): Promise<T> {
  const results = await Promise.allSettled(promises)
  for (const result of results) if (result.status === 'rejected') throw result.reason
  return results.map(result => (result as PromiseFulfilledResult<unknown>).value) as unknown as T
}

function printMemory(output: Output, memory: MemoryWatch): void {
  const megabytes = Object.entries(memory.peaks()).map(([name, bytes]) => `${name} ${Math.round(bytes / 1_048_576)}`)
  if (megabytes.length > 0) output.write(`Peak memory in MiB: ${megabytes.join(', ')}\n`)
}

const report = (verdict: Verdict, elapsed: number, takeovers: number, memory: MemoryWatch): object => ({
  records: verdict.records,
  rows: verdict.rows,
  missing: verdict.missing,
  duplicates: verdict.duplicates,
  differences: verdict.differences,
  seconds: Number(elapsed.toFixed(1)),
  takeovers,
  rss: memory.peaks(),
})

function printAddresses(environment: Environment, fleet: WorkerFleet, output: Output): void {
  output.write('Left running until Ctrl-C:\n')
  for (const worker of fleet.running()) output.write(`  ${worker.name.padEnd(9)} ${worker.process.rest}\n`)
  output.write(`  emulator  ${environment.emulator.rest} (REST), ${environment.emulator.grpc} (gRPC)\n`)
  output.write(`  Kafka     ${environment.kafka.bootstrapServers}\n`)
}
