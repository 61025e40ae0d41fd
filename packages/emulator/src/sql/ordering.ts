// ORDER BY items. BigQuery sorts NULLs first, and last when descending; DuckDB is told so each time.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#order_by_clause
import type { Expr } from './expr.ts'
import { refuseBignumeric } from './operators.ts'
import { notTranslated } from './refused.ts'
import type { TokenStream } from './token-stream.ts'

/** Direction and place of NULLs behind an expression. */
export function parseOrder(tokens: TokenStream, value: Expr): string {
  refuseBignumeric('ORDER BY', value)
  if (tokens.isWord('COLLATE')) throw notTranslated('COLLATE')
  const isDescending = tokens.takeWord('DESC')
  if (!isDescending) tokens.takeWord('ASC')
  let nulls = isDescending ? 'LAST' : 'FIRST'
  if (tokens.takeWord('NULLS')) {
    const word = tokens.word()
    if (word !== 'FIRST' && word !== 'LAST') throw tokens.unexpected('FIRST or LAST')
    tokens.at++
    nulls = word
  }
  return `${isDescending ? ' DESC' : ''} NULLS ${nulls}`
}
