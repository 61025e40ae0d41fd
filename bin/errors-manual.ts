// Writes docs/reference/errors.md from the error codes: `npm run docs`. The tidy test compares the two.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ERROR_CODES } from '@millrace/core'

export const ERRORS_MANUAL: string = fileURLToPath(new URL('../docs/reference/errors.md', import.meta.url))

/** The manual's text: one section per code, in alphabetical order. */
export function errorsManual(): string {
  const sections = Object.entries(ERROR_CODES)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, { cause, fix }]) => `## ${code}\n\n${cause}\n\n**What to do:** ${fix}\n`)
  const head =
    '# Error codes\n\nThe code stands in logs, in the `trace` of a failed partition and in REST answers. ' +
    'Generated from `packages/core/src/errors/codes.ts` by `npm run docs`.\n'
  return [head, ...sections].join('\n')
}

if (import.meta.main) writeFileSync(ERRORS_MANUAL, errorsManual())
