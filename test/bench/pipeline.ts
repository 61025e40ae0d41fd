// Kafka to BigQuery: Millrace against its alternatives and against its own parts, by turns in one run (`npm run bench -- --help`).
// Real Kafka, Redis, the emulator that counts and discards, and every contestant a process of its own. Ratios decide, not times.
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { KAFKA_VERSION } from '@millrace/testkit'
import { CONTESTANTS, type Contestant } from './contestants/index.ts'
import { INPUTS, type Input } from './inputs/index.ts'
import { machine, versionOf } from './support/machine.ts'
import { Measurements } from './support/measurements.ts'
import { Services } from './support/services.ts'

const PARTS = ['throughput', 'latency', 'first-row'] as const
const names = (all: readonly { readonly name: string }[]): string => all.map(({ name }) => name).join(',')
const USAGE = `Usage: npm run bench [-- pipeline] [--quick] [--input …] [--only …] [--parts …] [--records N] [--partitions N] [--runs N]
  [--json FILE] [--profile FOLDER]

  --input a,b      ${names(INPUTS)} (all)
  --only a,b       ${names(CONTESTANTS)} (all)
  --parts a,b      ${PARTS.join(',')} (all)
  --records N      records of the narrow input; the others get their share of it (4000000; 1000000 with --quick)
  --partitions N   of the topic (8)
  --runs N         turns, in each of which everybody runs once (5; 2 with --quick)
  --seconds N      of a steady rate, for latency (20; 5 with --quick)
  --rate N         rows per second, for latency (10000)
  --json FILE      every figure of every run, for machines
  --profile FOLDER a CPU profile of every Node process that is measured
`
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130

const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    input: { type: 'string' },
    only: { type: 'string' },
    parts: { type: 'string' },
    records: { type: 'string' },
    partitions: { type: 'string', default: '8' },
    runs: { type: 'string' },
    seconds: { type: 'string' },
    rate: { type: 'string', default: '10000' },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
})

if (flags.help) process.stdout.write(USAGE)
else await measure()

async function measure(): Promise<void> {
  const inputs: readonly Input[] = chosen('--input', flags.input, INPUTS)
  const contestants: readonly Contestant[] = chosen('--only', flags.only, CONTESTANTS)
  const parts = chosen(
    '--parts',
    flags.parts,
    PARTS.map(name => ({ name })),
  ).map(({ name }) => name)
  if (flags.profile !== undefined) mkdirSync(flags.profile, { recursive: true })
  const about = {
    ...machine(['packages', 'test/bench']),
    kafka: KAFKA_VERSION,
    kafkajs: versionOf('kafkajs'),
    grpcJs: versionOf('@grpc/grpc-js'),
    googleNode: versionOf('@google-cloud/bigquery-storage'),
  }
  process.stdout.write(`${JSON.stringify(about)}\n`)

  await using services = await Services.open()
  const interrupted = new AbortController()
  const interrupt = (): void => {
    interrupted.abort()
    void services[Symbol.asyncDispose]().finally(() => process.exit(EXIT_INTERRUPTED))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
  const measurements = new Measurements(services, {
    contestants,
    records: Number(flags.records ?? (flags.quick ? 1_000_000 : 4_000_000)),
    partitions: Number(flags.partitions),
    runs: Number(flags.runs ?? (flags.quick ? 2 : 5)),
    rate: { rowsPerSecond: Number(flags.rate), seconds: Number(flags.seconds ?? (flags.quick ? 5 : 20)) },
    profileFolder: flags.profile ?? null,
    signal: interrupted.signal,
  })
  try {
    if (parts.includes('throughput')) for (const input of inputs) await measurements.throughput(input)
    if (parts.includes('latency')) await measurements.latency()
    if (parts.includes('first-row')) await measurements.firstRow()
  } catch (error) {
    if (!interrupted.signal.aborted) throw error // else everything is being stopped, and nothing is there any more
  }
  if (interrupted.signal.aborted) return
  const { results, failures } = measurements
  if (flags.json !== undefined)
    writeFileSync(flags.json, `${JSON.stringify({ machine: about, ...results, failures }, null, 2)}\n`)
  for (const failure of failures) process.stdout.write(`FAILED ${failure}\n`)
  if (failures.length > 0) process.exitCode = 1
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, interrupt)
}

/** Those named in the flag, in their own order; all without it. */
function chosen<T extends { readonly name: string }>(
  flag: string,
  value: string | undefined,
  all: readonly T[],
): readonly T[] {
  if (value === undefined) return all
  const wanted = value.split(',')
  const unknown = wanted.filter(name => !all.some(one => one.name === name))
  if (unknown.length > 0) {
    process.stderr.write(`${flag}: there is no ${unknown.join(', ')}; there are ${names(all)}.\n`)
    process.exit(EXIT_USAGE)
  }
  return all.filter(({ name }) => wanted.includes(name))
}
