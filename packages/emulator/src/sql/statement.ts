// What a statement is, by its first words. https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax
import type { ResultColumn } from '../storage/storage.ts'
import { type Ddl, parseDdl } from './ddl.ts'
import { type Dml, parseDml } from './dml.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { knownColumn } from './result-columns.ts'
import { expectEnd, translateQuery, translationOf } from './translate.ts'
import type { SqlScope } from './translation.ts'

export type Statement =
  | {
      readonly kind: 'query'
      /** In DuckDB's words. */
      readonly sql: string
      /** Columns whose types are known better here than in DuckDB. */
      readonly columns: readonly (ResultColumn | undefined)[]
    }
  | ({ readonly kind: 'dml' } & Dml)
  | Ddl

/** Throws SqlRefused. */
export function parseStatement(sql: string, scope: SqlScope): Statement {
  const t = translationOf(sql, scope)
  const { tokens } = t
  while (tokens.takeSymbol(';'));
  if (tokens.isEnd) throw new SqlRefused('Syntax error: Unexpected end of statement: an empty statement')
  if (tokens.isWord('SELECT') || tokens.isWord('WITH') || tokens.isSymbol('(')) {
    const query = translateQuery(t)
    return { kind: 'query', sql: query.sql, columns: query.columns.map(({ name, type }) => knownColumn(name, type)) }
  }
  const first = tokens.peek()!.text.toUpperCase()
  const dml = parseDml(t)
  const statement: Statement | undefined = dml ? { kind: 'dml', ...dml } : parseDdl(t)
  if (!statement) throw notTranslated(`The statement ${first}`)
  expectEnd(t)
  return statement
}
