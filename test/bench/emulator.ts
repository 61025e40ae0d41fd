// How fast the emulator takes rows (`npm run bench -- emulator --help`).
// Emulator and writer are processes of their own; the CPU of each is reported apart. Medians of the runs, with their spread.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { median, rssSlope, spread } from './support/figures.ts'
import { machine, versionOf } from './support/machine.ts'
import { ROW_BYTES, ROWS_PER_REQUEST } from './support/rows.ts'
import { endProcesses, type Run, runOnce, type StorageKind } from './support/run.ts'

const USAGE = `Usage: npm run bench -- emulator [--quick] [--storage null,duckdb,duckdb-file] [--rows N] [--runs N] [--connections N]
  [--in-flight N] [--flat ROWS] [--json FILE] [--cpu-prof FOLDER]
`
const { values: flags } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    storage: { type: 'string', default: 'null,duckdb,duckdb-file' },
    rows: { type: 'string' },
    runs: { type: 'string' },
    connections: { type: 'string', default: '4' },
    'in-flight': { type: 'string', default: '4' },
    /** Besides the runs: one run of so many rows into null storage, for its memory. */
    flat: { type: 'string' },
    json: { type: 'string' },
    'cpu-prof': { type: 'string' },
  },
})
if (flags.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
const ROWS: Readonly<Record<StorageKind, number>> = { null: 6_000_000, duckdb: 2_000_000, 'duckdb-file': 2_000_000 }
const QUICK_SHARE = 0.25
const runs = Number(flags.runs ?? (flags.quick ? 2 : 5))
const load = { connections: Number(flags.connections), inFlight: Number(flags['in-flight']) }
const profiling = flags['cpu-prof'] === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${flags['cpu-prof']}`]

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    endProcesses()
    process.exit(130)
  })

type Figures = {
  readonly storage: StorageKind
  readonly rows: number
  readonly rowsPerSecond: number
  readonly spread: number
  readonly rowsPerEmulatorCpuSecond: number
  readonly rowsPerWriterCpuSecond: number
  /** What two cores give when nothing else runs on them: the busier process, or both together, is the limit. */
  readonly rowsPerSecondByCpu: number
  readonly ackP50Ms: number
  readonly ackP99Ms: number
  readonly rssMegabytes: number
  readonly rssSlopeMegabytesPerSecond: number
}

function figures(storage: StorageKind, rows: number, measured: readonly Run[]): Figures {
  const of = (value: (run: Run) => number): number => median(measured.map(value))
  const perSecond = measured.map(run => run.writer.rows / run.writer.seconds)
  return {
    storage,
    rows,
    rowsPerSecond: median(perSecond),
    spread: spread(perSecond),
    rowsPerEmulatorCpuSecond: of(run => run.writer.rows / run.emulatorCpuSeconds),
    rowsPerWriterCpuSecond: of(run => run.writer.rows / run.writer.cpuSeconds),
    rowsPerSecondByCpu: of(run => {
      const { rows: written, cpuSeconds } = run.writer
      const both = (run.emulatorCpuSeconds + cpuSeconds) / 2
      // DuckDB works on threads of its own: the emulator alone is no limit there.
      const emulatorAlone = storage === 'null' ? run.emulatorCpuSeconds : 0
      return written / Math.max(emulatorAlone, cpuSeconds, both)
    }),
    ackP50Ms: of(run => run.writer.ackP50Ms),
    ackP99Ms: of(run => run.writer.ackP99Ms),
    rssMegabytes: of(run => Math.max(...run.rss.map(sample => sample.bytes)) / 1e6),
    rssSlopeMegabytesPerSecond: of(run => rssSlope(run.rss) / 1e6),
  }
}

const thousands = (value: number): string => `${Math.round(value / 1000)} k`
function line(f: Figures): string {
  return [
    f.storage.padEnd(11),
    `${thousands(f.rowsPerSecond)} rows/s ±${Math.round(f.spread * 50)} %`,
    `by CPU ${thousands(f.rowsPerSecondByCpu)}`,
    `emulator ${thousands(f.rowsPerEmulatorCpuSecond)} rows per CPU-s`,
    `writer ${thousands(f.rowsPerWriterCpuSecond)} rows per CPU-s`,
    `ack p50 ${f.ackP50Ms.toFixed(1)} ms p99 ${f.ackP99Ms.toFixed(1)} ms`,
    `RSS ${Math.round(f.rssMegabytes)} MB ${f.rssSlopeMegabytesPerSecond.toFixed(2)} MB/s`,
  ].join(' | ')
}

const about = {
  ...machine(['packages/emulator/src']),
  grpcJs: versionOf('@grpc/grpc-js'),
  duckdb: versionOf('@duckdb/node-api'),
}
process.stdout.write(`${JSON.stringify(about)}\n`)
process.stdout.write(
  `rows of ${ROW_BYTES} bytes, ${ROWS_PER_REQUEST} a request; ${load.connections} connections, ${load.inFlight} requests in flight on each; ${runs} runs\n`,
)
const results: Figures[] = []
for (const storage of flags.storage.split(',') as StorageKind[]) {
  const rowCount = Number(flags.rows ?? ROWS[storage] * (flags.quick ? QUICK_SHARE : 1))
  const measured: Run[] = []
  for (let i = 0; i < runs; i++) measured.push(await runOnce(storage, { ...load, rowCount }, profiling))
  results.push(figures(storage, rowCount, measured))
  process.stdout.write(`${line(results.at(-1)!)}\n`)
}
if (flags.flat !== undefined) {
  const rowCount = Number(flags.flat)
  const run = await runOnce('null', { ...load, rowCount })
  results.push(figures('null', rowCount, [run]))
  process.stdout.write(`${line(results.at(-1)!)}\n`)
  const megabytes = run.rss.map(sample => Math.round(sample.bytes / 1e6))
  const every = Math.max(1, Math.floor(megabytes.length / 20))
  process.stdout.write(`RSS over ${rowCount} rows, MB: ${megabytes.filter((_, i) => i % every === 0).join(' ')}\n`)
}
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ machine: about, results }, null, 2)}\n`)
