// `npm run soak [-- --minutes N] [--seed N] [--every SEC] [--rate N] [--json FILE]`
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type SoakReport, soak } from './soak.ts'

const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const
const USAGE = `Usage: npm run soak [-- --minutes N] [--seed N] [--every SEC] [--rows N] [--json FILE]

Three brokers, Redis with a replica, the emulator and three workers under random faults; then table, dead letters and ledger are
compared one by one.

  --minutes N  how long faults come (60)
  --seed N     which faults, and when (random); the timing of processes is their own, so a run repeats only roughly
  --every SEC  between two faults, on average (4)
  --rows N     of each send of the producer, some ten sends a second (20)
  --json FILE  the report, for machines
`
const SEEDS = 2 ** 31

process.exitCode = await main()

async function main(): Promise<number> {
  let flags: { help?: boolean; minutes?: string; seed?: string; every?: string; rows?: string; json?: string }
  try {
    flags = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        every: { type: 'string' },
        rows: { type: 'string' },
        json: { type: 'string' },
      },
    }).values
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`)
    return EXIT.usage
  }
  if (flags.help === true) {
    process.stdout.write(USAGE)
    return EXIT.ok
  }
  const numbers = {
    minutes: Number(flags.minutes ?? 60),
    seed: Number(flags.seed ?? Math.floor(Math.random() * SEEDS)),
    every: Number(flags.every ?? 4),
    rows: Number(flags.rows ?? 20),
  }
  const wrong = Object.entries(numbers).find(([, value]) => !(value > 0))
  if (wrong !== undefined) {
    process.stderr.write(`--${wrong[0]} is a number above 0.\n${USAGE}`)
    return EXIT.usage
  }
  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort())
  const startedMs = performance.now()
  const onLine = (line: string): void => {
    const seconds = Math.round((performance.now() - startedMs) / 1000)
    process.stderr.write(
      `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')} ${line}\n`,
    )
  }
  try {
    const report = await soak({
      minutes: numbers.minutes,
      seed: numbers.seed,
      everyMs: numbers.every * 1_000,
      rowsPerSend: numbers.rows,
      signal: interrupt.signal,
      onLine,
    })
    if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`)
    process.stdout.write(text(report))
    return hasHeld(report) ? EXIT.ok : EXIT.failed
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT.interrupted
    process.stderr.write(
      `The soak failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    return EXIT.failed
  }
}

function hasHeld({ verdict, crashes, faultsHit }: SoakReport): boolean {
  return verdict.differences.length === 0 && crashes === 0 && faultsHit > 0
}

function text(report: SoakReport): string {
  const { verdict, faults, processes } = report
  const width = Math.max(...Object.keys(faults).map(name => name.length))
  const perHour = (value: number | null): string =>
    value === null ? '–' : `${value > 0 ? '+' : ''}${value.toFixed(1)} MiB/h`
  const lines = [
    '',
    ...Object.entries(faults).map(
      ([name, { begun, hit, failed }]) =>
        `${name.padEnd(width)}  ${hit} hit of ${begun}${failed === 0 ? '' : `, ${failed} could not be undone in time`}`,
    ),
    '',
    ...processes.map(
      p =>
        `${p.name.padEnd(10)} lived ${p.livedMinutes.toFixed(1)} min: RSS ${p.rssMegabytesFirst} → ${p.rssMegabytesLast} MiB (max ${p.rssMegabytesMax}, ${perHour(p.rssMegabytesPerHour)}), handles ${p.handlesFirst} → ${p.handlesLast} (max ${p.handlesMax})`,
    ),
    '',
    `${report.recoveries} partitions recovered from dead claims; longest standstill ${report.longestStandstillSeconds.toFixed(1)} s; all deliver ${report.recoverySeconds.toFixed(1)} s after the last fault; ${report.crashes} crashes`,
    ...verdict.differences,
    `soak: ${report.minutes.toFixed(1)} min, seed ${report.seed}, ${report.faultsHit} faults; ${verdict.committed} records, ${verdict.rows} rows, ${verdict.deadLetters} dead letters; ` +
      `${verdict.missing} missing, ${verdict.duplicates} duplicates, ${verdict.doubleOutcomes} double outcomes`,
  ]
  return `${lines.join('\n')}\n`
}
