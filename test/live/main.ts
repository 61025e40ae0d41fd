// `npm run test:live`: the assumptions of docs/exactly-once.md, asked of a real project. Opt-in: it costs a few cents.
import { parseArgs } from 'node:util'
import { reasonOf } from './probe.ts'
import { hasFailed, tableOf } from './report.ts'
import { PROBES, runProbes } from './run-probes.ts'
import { ENVIRONMENT, serviceFrom } from './settings.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130
/** `staleMs` is what a lane waits for a stale end. */
const PACE = { rounds: 6, lateMs: 10_000, staleMs: 30_000 } as const
const ROUNDS_MAX = 100
const LATE_MS_MAX = 600_000

const USAGE = `Usage: npm run test:live [-- --only A2a,A3] [--rounds N] [--late-ms MS] [--json]

Asks a real project what docs/exactly-once.md assumes of BigQuery. One table of its own, about 25 write streams, 40 queries of
10 MB and some thousand small rows; it takes three to five minutes.

  --only IDS   only these probes: ${PROBES.map(({ id }) => id).join(', ')}
  --rounds N   races of Finalize with appends in A2a (${PACE.rounds}, at most ${ROUNDS_MAX})
  --late-ms MS what is late gets so long before all is counted again (${PACE.lateMs})
  --json       the result as JSON on stdout

Environment:
${Object.entries(ENVIRONMENT)
  .map(([name, what]) => `  ${name.padEnd(30)}  ${what}\n`)
  .join('')}`

process.exitCode = await main()

async function main(): Promise<number> {
  let values: ReturnType<typeof parse>
  try {
    values = parse()
  } catch (error) {
    return refuse([reasonOf(error)])
  }
  if (values.help === true) {
    process.stdout.write(USAGE)
    return 0
  }
  const wanted = values.only?.split(',')
  const unknown = wanted?.filter(id => !PROBES.some(probe => probe.id === id)) ?? []
  const rounds = Number(values.rounds ?? PACE.rounds)
  const lateMs = Number(values['late-ms'] ?? PACE.lateMs)
  const service = serviceFrom(process.env)
  const problems = [
    ...unknown.map(id => `There is no probe called ${id}.`),
    ...(Number.isInteger(rounds) && rounds > 0 && rounds <= ROUNDS_MAX ? [] : [`--rounds is 1 to ${ROUNDS_MAX}.`]),
    ...(Number.isInteger(lateMs) && lateMs >= 0 && lateMs <= LATE_MS_MAX ? [] : [`--late-ms is 0 to ${LATE_MS_MAX}.`]),
    ...(Array.isArray(service) ? (service as readonly string[]) : []),
  ]
  if (!('project' in service) || problems.length > 0) return refuse(problems)

  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort(new Error(signal)))
  try {
    const run = await runProbes(
      service,
      { ...PACE, rounds, lateMs },
      {
        ...(wanted !== undefined && { probes: PROBES.filter(({ id }) => wanted.includes(id)) }),
        signal: interrupt.signal,
        onResult: ({ id, verdict, seconds }) => process.stderr.write(`${id} ${verdict} (${seconds} s)\n`),
      },
    )
    process.stdout.write(values.json === true ? `${JSON.stringify(run, null, 2)}\n` : `\n${tableOf(run)}`)
    return hasFailed(run) ? EXIT_FAILED : 0
  } catch (error) {
    process.stderr.write(`The live test did not get through: ${reasonOf(error)}\n`)
    return interrupt.signal.aborted ? EXIT_INTERRUPTED : EXIT_FAILED
  }
}

function parse(): {
  readonly only?: string
  readonly rounds?: string
  readonly 'late-ms'?: string
  readonly json?: boolean
  readonly help?: boolean
} {
  return parseArgs({
    options: {
      only: { type: 'string' },
      rounds: { type: 'string' },
      'late-ms': { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  }).values
}

function refuse(problems: readonly string[]): number {
  process.stderr.write(`${problems.join('\n')}\n\`npm run test:live -- --help\` tells what it needs.\n`)
  return EXIT_USAGE
}
