// What a run says: a line of progress per probe, and in the end one table.
import type { Result, Run } from './run-probes.ts'

const WORDS: Readonly<Record<Result['verdict'], string>> = {
  holds: 'holds',
  false: 'FALSE',
  undecided: 'undecided',
  noted: 'noted',
}
const COLUMNS = { assumption: 52, observed: 70 } as const

/** A false assumption, or one that could not be decided, is a failed run. */
export const hasFailed = ({ results }: Run): boolean =>
  results.some(({ verdict }) => verdict === 'false' || verdict === 'undecided')

export function tableOf({ table, results, streams, queries }: Run): string {
  const rows = results.flatMap(({ id, assumption, observed, verdict }) => {
    const left = wrap(assumption, COLUMNS.assumption)
    const right = wrap(observed, COLUMNS.observed)
    return Array.from({ length: Math.max(left.length, right.length) }, (_, line) =>
      [
        (line === 0 ? id : '').padEnd(4),
        (left[line] ?? '').padEnd(COLUMNS.assumption),
        (right[line] ?? '').padEnd(COLUMNS.observed),
        line === 0 ? WORDS[verdict] : '',
      ]
        .join('  ')
        .trimEnd(),
    )
  })
  const head = ['', 'assumption'.padEnd(COLUMNS.assumption), 'observed'.padEnd(COLUMNS.observed), 'verdict']
  const count = (verdict: Result['verdict']): number => results.filter(result => result.verdict === verdict).length
  const sum = `${count('holds')} hold, ${count('false')} false, ${count('undecided')} undecided`
  return [
    [head[0]?.padEnd(4), ...head.slice(1)].join('  '),
    ...rows,
    '',
    `${sum}. ${streams} write streams, ${queries} queries; ${table} is dropped.`,
    '',
  ].join('\n')
}

/** Lines of at most `width`; a word that is longer is cut. */
function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ').flatMap(word => word.match(new RegExp(`.{1,${width}}`, 'g')) ?? [])) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
