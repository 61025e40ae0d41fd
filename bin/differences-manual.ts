// Writes docs/reference/differences-from-connect.md from the table of the differential test: `npm run docs`. The tidy test
// compares the two.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DIFFERENCES } from '../test/differential/support/differences.ts'
import { BODY_MASKS, HEADER_MASKS } from '../test/differential/support/masks.ts'

export const DIFFERENCES_MANUAL: string = fileURLToPath(
  new URL('../docs/reference/differences-from-connect.md', import.meta.url),
)

/** The manual's text: what differs, each difference once, then what is not compared. */
export function differencesManual(): string {
  const rows = new Set(
    DIFFERENCES.map(({ request, connect, millrace, reason }) => row(request, connect, millrace, reason)),
  )
  const unseen = Object.entries(HEADER_MASKS).map(([name, reason]) => row(`\`${name}\``, reason))
  const masked = BODY_MASKS.map(({ path, reason }) => row(`\`${path.source}\``, reason))
  return [
    '# Differences from Kafka Connect',
    '',
    'The REST API answers as Apache Kafka Connect does, code, headers, body and message, but for what is listed here. ' +
      'The differential test (`test/differential/`) sends the same requests to both, fails on any other difference, and ' +
      'fails when one of these is gone. Generated from its table by `npm run docs`.',
    '',
    row('Request', 'Kafka Connect', 'Millrace', 'Why'),
    row('---', '---', '---', '---'),
    ...rows,
    '',
    '## What is compared by its kind only',
    '',
    row('Place in the body', 'Because'),
    row('---', '---'),
    ...masked,
    '',
    '## Headers that are not compared',
    '',
    row('Header', 'Because'),
    row('---', '---'),
    ...unseen,
    '',
  ].join('\n')
}

const row = (...cells: readonly string[]): string => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`

if (import.meta.main) writeFileSync(DIFFERENCES_MANUAL, differencesManual())
