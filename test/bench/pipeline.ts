// What the journal costs: the whole pipeline with it and without it, by turns in one run (`npm run bench -- pipeline --help`).
// Real Kafka, Redis, the emulator that counts and discards, and one worker, each a process. Ratios decide, not absolute times.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { KAFKA_VERSION } from '@millrace/testkit'
import { median, spread } from './support/figures.ts'
import { machine, versionOf } from './support/machine.ts'
import { fillTopic } from './support/narrow-json.ts'
import { CONTESTANTS, type Contestant, type PipelineRun, runPipeline } from './support/pipeline-run.ts'
import { Services } from './support/services.ts'

const USAGE = `Usage: npm run bench -- pipeline [--quick] [--records N] [--partitions N] [--runs N] [--json FILE] [--cpu-prof FOLDER]

  --records N        records in the topic (4000000; 500000 with --quick)
  --partitions N     of the topic (8)
  --runs N           runs of each contestant (5; 2 with --quick)
  --json FILE        the figures, for machines
  --cpu-prof FOLDER  a CPU profile of every worker
`
const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    records: { type: 'string' },
    partitions: { type: 'string', default: '8' },
    runs: { type: 'string' },
    json: { type: 'string' },
    'cpu-prof': { type: 'string' },
  },
})
const records = Number(flags.records ?? (flags.quick ? 500_000 : 4_000_000))
const partitions = Number(flags.partitions)
const runs = Number(flags.runs ?? (flags.quick ? 2 : 5))
const profiling = flags['cpu-prof'] === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${flags['cpu-prof']}`]
const TOPIC = 'narrow'
/** What the journal may cost: a share of the rows per CPU-second. */
const COST_MAX = 0.05

type Figures = {
  readonly contestant: Contestant
  readonly runs: number
  readonly rowsPerCpuSecond: number
  readonly rowsPerCpuSecondSpread: number
  readonly rowsPerSecond: number
  readonly rowsPerSecondSpread: number
  readonly rowsPerBrokerCpuSecond: number
  readonly rowsPerEmulatorCpuSecond: number
  readonly rssPeakMegabytes: number
  readonly firstRowMs: number
  readonly journalRecordsPerSecond: number
  readonly journalBytesPerSecond: number
}

function figures(contestant: Contestant, measured: readonly PipelineRun[]): Figures {
  const of = (value: (run: PipelineRun) => number): number => median(measured.map(value))
  const perCpuSecond = measured.map(run => run.rows / run.cpuSeconds)
  const perSecond = measured.map(run => run.rows / run.seconds)
  return {
    contestant,
    runs: measured.length,
    rowsPerCpuSecond: median(perCpuSecond),
    rowsPerCpuSecondSpread: spread(perCpuSecond),
    rowsPerSecond: median(perSecond),
    rowsPerSecondSpread: spread(perSecond),
    rowsPerBrokerCpuSecond: of(run => run.rows / run.brokerCpuSeconds),
    rowsPerEmulatorCpuSecond: of(run => run.rows / run.emulatorCpuSeconds),
    rssPeakMegabytes: of(run => run.rssPeakBytes / 1e6),
    firstRowMs: of(run => run.firstRowMs),
    journalRecordsPerSecond: of(run => run.journalRecords / run.wholeSeconds),
    journalBytesPerSecond: of(run => run.journalBytes / run.wholeSeconds),
  }
}

const thousands = (value: number): string => `${Math.round(value / 1000)} k`
const half = (value: number): string => `±${Math.round(value * 50)} %`
function line(f: Figures): string {
  return [
    f.contestant.padEnd(16),
    `${thousands(f.rowsPerCpuSecond)} rows per CPU-s ${half(f.rowsPerCpuSecondSpread)}`,
    `${thousands(f.rowsPerSecond)} rows/s ${half(f.rowsPerSecondSpread)}`,
    `broker ${thousands(f.rowsPerBrokerCpuSecond)}, emulator ${thousands(f.rowsPerEmulatorCpuSecond)} rows per CPU-s`,
    `RSS ${Math.round(f.rssPeakMegabytes)} MB`,
    `first row after ${Math.round(f.firstRowMs)} ms`,
    `journal ${Math.round(f.journalRecordsPerSecond)} records/s, ${(f.journalBytesPerSecond / 1000).toFixed(1)} kB/s`,
  ].join(' | ')
}

async function measure(): Promise<void> {
  await using services = await Services.open()
  const interrupt = (): void => {
    void services[Symbol.asyncDispose]().finally(() => process.exit(130))
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt)
  const about = {
    ...machine(['packages', 'test/bench']),
    kafka: KAFKA_VERSION,
    kafkajs: versionOf('kafkajs'),
    grpcJs: versionOf('@grpc/grpc-js'),
  }
  process.stdout.write(`${JSON.stringify(about)}\n`)
  await services.createTopic(TOPIC, partitions)
  const bytes = await fillTopic(services.kafka.bootstrapServers, TOPIC, partitions, records)
  process.stdout.write(
    `${records} records of ${Math.round(bytes / records)} bytes in ${partitions} partitions; ${runs} runs of each, by turns\n`,
  )
  const measured = new Map<Contestant, PipelineRun[]>(CONTESTANTS.map(contestant => [contestant, []]))
  for (let run = 0; run < runs; run++) {
    // Whoever comes second finds a warmer machine: they take turns at that, too.
    const turn = run % 2 === 0 ? CONTESTANTS : CONTESTANTS.toReversed()
    for (const contestant of turn) {
      const one = await runPipeline(services, contestant, TOPIC, records, profiling)
      measured.get(contestant)?.push(one)
      process.stdout.write(`${line(figures(contestant, [one]))}\n`)
    }
  }
  const results = CONTESTANTS.map(contestant => figures(contestant, measured.get(contestant) ?? []))
  process.stdout.write(`medians of ${runs}:\n${results.map(line).join('\n')}\n`)
  const [journalled, bare] = CONTESTANTS.map(contestant => measured.get(contestant) ?? [])
  const ratios = pairs(journalled ?? [], bare ?? [], run => run.rows / run.cpuSeconds)
  const wallRatios = pairs(journalled ?? [], bare ?? [], run => run.rows / run.seconds)
  const cost = 1 - median(ratios)
  process.stdout.write(
    `with / without, medians of the pairs: rows per CPU-s ${median(ratios).toFixed(3)} ${half(spread(ratios))}, rows/s ${median(wallRatios).toFixed(3)} ${half(spread(wallRatios))}\n` +
      `the journal costs ${(cost * 100).toFixed(1)} % of the rows per CPU-s (${cost <= COST_MAX ? 'within' : 'OVER'} ${COST_MAX * 100} %)\n`,
  )
  if (flags.json !== undefined)
    writeFileSync(
      flags.json,
      `${JSON.stringify({ machine: about, records, partitions, results, ratios, wallRatios, measured: Object.fromEntries(measured) }, null, 2)}\n`,
    )
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.removeListener(signal, interrupt)
}

/** A disturbance that lasts hits both of a pair. */
function pairs(
  ours: readonly PipelineRun[],
  theirs: readonly PipelineRun[],
  value: (run: PipelineRun) => number,
): readonly number[] {
  return ours.flatMap((run, i) => {
    const other = theirs[i]
    return other === undefined ? [] : [value(run) / value(other)]
  })
}

if (flags.help) process.stdout.write(USAGE)
else await measure()
