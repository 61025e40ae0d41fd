// The demo's command line.
import { parseArgs } from 'node:util'
import { FLIGHTS_MAX } from './layout.ts'

/** Below this the faults could not hit in the middle of anything. */
export const RECORDS_MIN = 10_000

export type DemoOptions = {
  readonly records: number
  /** Leave everything running after the verification, until Ctrl-C. */
  readonly keep: boolean
  /** The result as JSON in the last line. */
  readonly json: boolean
}

export const USAGE: string = `Usage: millrace demo [--records N] [--keep] [--json]

Moves three million real flights from a real Kafka through two workers into the BigQuery emulator, kills one worker and
freezes another on the way, and compares the table with the file.

  --records N  so many flights, ${RECORDS_MIN} to ${FLIGHTS_MAX} (default ${FLIGHTS_MAX})
  --keep       leave it running afterwards, and print the URLs of REST, emulator and Kafka; Ctrl-C ends it
  --json       print the result as JSON in the last line
`

/** The options, or the sentence to answer a wrong command line with. */
export function parseDemoOptions(argv: readonly string[]): DemoOptions | string {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        records: { type: 'string' },
        keep: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    if (values.help) return USAGE
    const records = values.records === undefined ? FLIGHTS_MAX : Number(values.records.replaceAll(/[_,]/g, ''))
    if (!Number.isInteger(records) || records < RECORDS_MIN || records > FLIGHTS_MAX) {
      return `--records must be a whole number from ${RECORDS_MIN} to ${FLIGHTS_MAX}, not ${JSON.stringify(values.records)}.\n`
    }
    return { records, keep: values.keep ?? false, json: values.json ?? false }
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`
  }
}
