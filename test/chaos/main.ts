// `npm run chaos [-- --only ROW,…] [--full] [--json FILE] [--logs FOLDER] [--list]`
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { machine } from '../bench/support/machine.ts'
import { ROWS } from './rows/index.ts'
import { type Outcome, runRows } from './run-rows.ts'
import { report, summary, table } from './table.ts'

const EXIT = { ok: 0, failed: 1, usage: 2 } as const
const USAGE = `Usage: npm run chaos [-- --only ROW,…] [--full] [--json FILE] [--logs FOLDER] [--list]

Runs the rows of the fault matrix against real processes and compares what arrived with what was produced.

  --only ROW,…  these rows only
  --full        faults last as long as the matrix says, minutes where it says minutes
  --json FILE   what came of each row, for machines; written anew after each
  --logs FOLDER the workers' logs of rows that do not hold
  --list        the rows and how each is injected
`

process.exitCode = await main()

async function main(): Promise<number> {
  let flags: { only?: string[]; full?: boolean; json?: string; logs?: string; list?: boolean; help?: boolean }
  try {
    flags = parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        full: { type: 'boolean' },
        json: { type: 'string' },
        logs: { type: 'string' },
        list: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    return usage(error instanceof Error ? error.message : String(error))
  }
  if (flags.help === true) {
    process.stdout.write(USAGE)
    return EXIT.ok
  }
  const only = flags.only?.flatMap(list => list.split(','))
  const unknown = only?.find(id => !ROWS.some(row => row.id === id))
  if (unknown !== undefined) return usage(`There is no row ${unknown}; --list shows which there are.`)
  const rows = ROWS.filter(row => only?.includes(row.id) ?? true)
  if (flags.list === true) {
    for (const { id, name, how } of rows) process.stdout.write(`${id.padEnd(4)} ${name}: ${how}\n`)
    return EXIT.ok
  }
  const about = machine(['packages', 'test/chaos', 'test/e2e/support'])
  const startedAt = new Date().toISOString()
  const isFull = flags.full === true
  const outcomes: Outcome[] = []
  const save = (): void => {
    if (flags.json === undefined) return
    const text = JSON.stringify({ startedAt, isFull, machine: about, ...report(outcomes) }, null, 2)
    writeFileSync(flags.json, `${text}\n`)
  }
  await runRows(rows, {
    isFull,
    ...(flags.logs === undefined ? {} : { logs: flags.logs }),
    onOutcome: outcome => {
      outcomes.push(outcome)
      save()
      const { id, name, status, seconds, because } = outcome
      const why = because === undefined ? '' : `\n  ${because.replaceAll('\n', '\n  ')}`
      process.stderr.write(`${status.padEnd(7)} ${id} ${name} (${seconds.toFixed(1)} s)${why}\n`)
    },
  })
  process.stdout.write(`\n${table(outcomes)}\n\n${summary(outcomes)}\n`)
  return outcomes.every(({ status }) => status === 'held' || status === 'skipped') ? EXIT.ok : EXIT.failed
}

function usage(why: string): number {
  process.stderr.write(`${why}\n${USAGE}`)
  return EXIT.usage
}
