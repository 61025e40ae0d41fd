// What a statement is, by its first words. https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax
import type { ResultColumn } from '../storage/storage.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { knownColumn } from './result-columns.ts'
import { translateQuery, translationOf } from './translate.ts'
import type { SqlScope } from './translation.ts'

export type Statement = {
  readonly kind: 'query'
  /** In DuckDB's words. */
  readonly sql: string
  /** Columns whose types are known better here than in DuckDB. */
  readonly columns: readonly (ResultColumn | undefined)[]
}

/** Throws SqlRefused. */
export function parseStatement(sql: string, scope: SqlScope): Statement {
  const t = translationOf(sql, scope)
  const { tokens } = t
  while (tokens.takeSymbol(';'));
  if (tokens.isEnd) throw new SqlRefused('Syntax error: Unexpected end of statement: an empty statement')
  if (!tokens.isWord('SELECT') && !tokens.isWord('WITH') && !tokens.isSymbol('('))
    throw notTranslated(`The statement ${tokens.word() ?? tokens.peek()!.text}`)
  const query = translateQuery(t)
  return { kind: 'query', sql: query.sql, columns: query.columns.map(({ name, type }) => knownColumn(name, type)) }
}
