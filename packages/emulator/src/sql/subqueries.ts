// Queries inside expressions: scalar, EXISTS, ARRAY.
import { quoteName } from '../storage/duckdb-names.ts'
import { type Expr, expr } from './expr.ts'
import type { Names } from './names.ts'
import { SqlRefused } from './refused.ts'
import type { Query, Translation } from './translation.ts'
import { arrayOf, BOOL, type SqlType, structOf } from './types.ts'

/** A query with one column, or `SELECT AS STRUCT` with its columns made one. */
function single(query: Query, what: string): { sql: string; type: SqlType | undefined } {
  if (query.isStruct) {
    const fields = query.columns.map(({ name }) => `${quoteName(name)} := "_s".${quoteName(name)}`)
    return {
      sql: `SELECT struct_pack(${fields.join(', ')}) FROM (${query.sql}) AS "_s"`,
      type: structOf(query.columns.map(({ name, type }) => ({ name, type }))),
    }
  }
  if (query.columns.length !== 1) throw new SqlRefused(`${what} must have only one output column`)
  return { sql: query.sql, type: query.columns[0]!.type }
}

/** `(SELECT …)` as a value. */
export function scalarSubquery(query: Query): Expr {
  const { sql, type } = single(query, 'Scalar subquery')
  return expr(`(${sql})`, type)
}

/** Behind `EXISTS (`. */
export function parseExists(t: Translation, names: Names): Expr {
  const { sql } = t.query(names)
  t.tokens.expectSymbol(')')
  return expr(`EXISTS (${sql})`, BOOL)
}

/** Behind `ARRAY(`. */
export function parseArraySubquery(t: Translation, names: Names): Expr {
  const query = t.query(names)
  t.tokens.expectSymbol(')')
  const { sql, type } = single(query, 'ARRAY subquery')
  if (type?.name === 'ARRAY')
    throw new SqlRefused('Cannot use array subquery with column of type ARRAY because nested arrays are not supported')
  return expr(`ARRAY(${sql})`, arrayOf(type))
}
