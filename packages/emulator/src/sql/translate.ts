// BigQuery SQL as DuckDB SQL. A statement is read by precedence and clause, with every name resolved and types followed where they
// can be; only the functions, types and statements known here get through, the rest is refused by name.
// Reading order: tokens → token-stream → types → names → expressions (primaries, operators, casts, calls, functions/) → from → select → query.
import { parseExpression } from './expressions.ts'
import type { Names } from './names.ts'
import { parseQuery } from './query.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { TokenStream } from './token-stream.ts'
import { tokenize } from './tokens.ts'
import type { Query, SqlScope, Translation } from './translation.ts'

export function translationOf(sql: string, scope: SqlScope): Translation {
  const tokens = new TokenStream(tokenize(sql), sql)
  let fresh = 0
  let position = 0
  const translation: Translation = {
    tokens,
    scope,
    query: (outer: Names | undefined): Query => parseQuery(translation, outer),
    expression: (names: Names) => parseExpression(translation, names),
    freshName: () => `_t${++fresh}`,
    nextPosition: () => position++,
  }
  return translation
}

/** The statement's end: semicolons and nothing else. */
export function expectEnd({ tokens }: Translation): void {
  const hasSemicolon = tokens.isSymbol(';')
  while (tokens.takeSymbol(';'));
  if (tokens.isEnd) return
  throw hasSemicolon ? notTranslated('More than one statement at a time') : tokens.unexpected('end of input')
}

/** Reads a whole query statement. Throws SqlRefused. */
export function translateQuery(t: Translation): Query {
  const query = parseQuery(t, undefined)
  expectEnd(t)
  const seen = new Set<string>()
  for (const { name } of query.columns) {
    if (seen.has(name.toLowerCase()))
      throw new SqlRefused(`Duplicate column names in the result are not supported. Found duplicate(s): ${name}`)
    seen.add(name.toLowerCase())
  }
  return query
}
