// What an expression translates to: DuckDB text and, where known, the type it has in BigQuery.
import { quoteText } from '../storage/duckdb-names.ts'
import { SqlRefused } from './refused.ts'
import type { SqlType } from './types.ts'

export type Expr = {
  readonly sql: string
  /** undefined: not known; DuckDB's own type is taken. */
  readonly type: SqlType | undefined
  /** The name of the column when it has no alias. */
  readonly name?: string | undefined
  /** The text of a string or number literal. */
  readonly literal?: string
  readonly isNull?: true
  /** Of INTERVAL expressions with one unit. */
  readonly unit?: string
}

/** Translated text is at most this long: functions that need a value twice could otherwise double it at every level. */
const SQL_TEXT_MAX = 4 * 1024 * 1024

export function expr(sql: string, type?: SqlType, more: Omit<Expr, 'sql' | 'type'> = {}): Expr {
  if (sql.length > SQL_TEXT_MAX) throw new SqlRefused('The query is too complex for this emulator')
  return { sql, type, ...more }
}

export const isString = (value: Expr): boolean => value.type?.name === 'STRING'
export const isBytes = (value: Expr): boolean => value.type?.name === 'BYTES'

/** Values this short and without calls are written again instead of bound. */
const PLAIN = /^(?:"[^"]{1,80}"(?:\."[^"]{1,80}")?|-?[\w.]{1,40}|\(-?\d{1,20}::BIGINT\)|'[^']{0,80}'|NULL)$/

/** Uses each value any number of times in `body` while it is computed once. `body` may hold no subquery and no aggregate. */
export function once(values: readonly Expr[], body: (...names: readonly string[]) => string): string {
  if (values.every(value => PLAIN.test(value.sql))) return body(...values.map(value => value.sql))
  const fields = values.map((value, index) => `v${index} := ${value.sql}`).join(', ')
  const names = values.map((_value, index) => `o.v${index}`)
  return `list_transform([struct_pack(${fields})], lambda o: ${body(...names)})[1]`
}

/** A literal of string type. */
export const textExpr = (text: string): Expr => expr(quoteText(text), { name: 'STRING' }, { literal: text })
