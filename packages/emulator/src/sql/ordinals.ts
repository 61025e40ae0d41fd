// Items of GROUP BY and ORDER BY that mean a column of the result.
import type { Output } from './names.ts'
import { SqlRefused } from './refused.ts'
import type { Translation } from './translation.ts'

/** An ordinal or the bare name of a result column, as an ordinal. */
export function parseOutput(
  t: Translation,
  columns: readonly Output[],
): { sql: string; type: Output['type'] } | undefined {
  const { tokens } = t
  const token = tokens.peek()
  const following = tokens.peek(1)
  const isWhole =
    following === undefined ||
    (following.kind === 'symbol' && (following.text === ',' || following.text === ')')) ||
    (following.kind === 'word' && ENDS_ITEM.has(following.text.toUpperCase()))
  if (!token || !isWhole) return undefined
  if (token.kind === 'number' && /^\d+$/.test(token.text)) {
    const column = columns[Number(token.text) - 1]
    if (!column)
      throw new SqlRefused(`ORDER BY or GROUP BY column number item is out of range: ${token.text}${tokens.place()}`)
    tokens.at++
    return { sql: String(Number(token.text)), type: column.type }
  }
  if (token.kind !== 'word' && token.kind !== 'quoted') return undefined
  const index = columns.findIndex(
    column => !column.isAnonymous && column.name.toLowerCase() === token.text.toLowerCase(),
  )
  if (index < 0) return undefined
  tokens.at++
  return { sql: String(index + 1), type: columns[index]!.type }
}

const ENDS_ITEM: ReadonlySet<string> = new Set(
  'ASC DESC NULLS LIMIT ORDER HAVING QUALIFY WINDOW UNION INTERSECT EXCEPT COLLATE'.split(' '),
)
