// How long the partitions of a killed worker stand still, against what is promised: lease TTL + 2 s + (streams to create beyond the
// burst ÷ permits per second). `npm run bench -- takeover --help`. Real Kafka, Redis, workers; the emulator counts and discards.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { KAFKA_VERSION } from '@millrace/testkit'
import { percentile } from './support/figures.ts'
import { machine } from './support/machine.ts'
import { profileFlags } from './support/profile.ts'
import { Services } from './support/services.ts'
import { type Kill, TakeoverRun } from './support/takeover-run.ts'

const USAGE = `Usage: npm run bench -- takeover [--quick] [--partitions N,…] [--kills N] [--json FILE] [--profile FOLDER]

  --partitions N,…  of the topic (8,200,500; 8 with --quick)
  --kills N         for each number of partitions (5 for up to 50 partitions, else 3; 2 with --quick)
  --json FILE       the figures, for machines
  --profile FOLDER  a CPU profile of every worker that is not killed
`
const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    partitions: { type: 'string' },
    kills: { type: 'string' },
    json: { type: 'string' },
    profile: { type: 'string' },
  },
})
const counts = (flags.partitions ?? (flags.quick ? '8' : '8,200,500')).split(',').map(Number)
const profiling = profileFlags(flags.profile ?? null)
const FEW = 50
const killsFor = (partitions: number): number => Number(flags.kills ?? (flags.quick ? 2 : partitions <= FEW ? 5 : 3))

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`
const line = (kill: Kill): string =>
  [
    `${kill.partitions} partitions, ${kill.lost} lost${kill.wasLeader ? ' with the leader' : ''}`,
    `claimed p50 ${seconds(percentile(kill.claimMs, 50))} max ${seconds(percentile(kill.claimMs, 100))}`,
    `first row p50 ${seconds(percentile(kill.firstRowMs, 50))} p99 ${seconds(percentile(kill.firstRowMs, 99))}`,
    `${kill.permitsPerSec} permits/s: bound ${seconds(kill.boundMs)}`,
    percentile(kill.firstRowMs, 99) <= kill.boundMs ? 'within' : 'OVER',
    `survivor ${kill.survivorCpuSeconds.toFixed(1)} CPU-s, RSS ${Math.round(kill.survivorRssBytes / 1e6)} MB`,
  ].join(' | ')

async function measure(): Promise<void> {
  await using services = await Services.open()
  const interrupt = (): void => {
    void services[Symbol.asyncDispose]().finally(() => process.exit(130))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
  const about = { ...machine(['packages', 'test/bench']), kafka: KAFKA_VERSION }
  process.stdout.write(`${JSON.stringify(about)}\n`)
  const all: Kill[] = []
  for (const partitions of counts) {
    await using run = await TakeoverRun.open(services, partitions, profiling)
    process.stdout.write(
      `${partitions} partitions run; RSS of the workers ${run.rssBytes.map(bytes => Math.round(bytes / 1e6)).join(', ')} MB\n`,
    )
    const kills: Kill[] = []
    for (let i = 0; i < killsFor(partitions); i++) {
      kills.push(await run.kill(i % 2 === 1))
      process.stdout.write(`${line(kills.at(-1)!)}\n`)
    }
    all.push(...kills)
    const times = kills.flatMap(kill => kill.firstRowMs)
    process.stdout.write(
      `${partitions} partitions, ${kills.length} kills: first row p50 ${seconds(percentile(times, 50))}, p99 ${seconds(percentile(times, 99))}; ` +
        `the largest p99 ÷ bound ${Math.max(...kills.map(kill => percentile(kill.firstRowMs, 99) / kill.boundMs)).toFixed(2)}\n`,
    )
  }
  if (flags.json !== undefined)
    writeFileSync(flags.json, `${JSON.stringify({ machine: about, kills: all }, null, 2)}\n`)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, interrupt)
}

if (flags.help) process.stdout.write(USAGE)
else await measure()
