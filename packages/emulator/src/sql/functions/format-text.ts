// FORMAT: a printf of BigQuery's. https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements#format_string
import { quoteText } from '../../storage/duckdb-names.ts'
import { toText } from '../casts.ts'
import { type Expr, expr } from '../expr.ts'
import { notTranslated, SqlRefused } from '../refused.ts'
import { STRING } from '../types.ts'

const SPECIFIER = /%([-+0 #']*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g

export function formatText(format: Expr, values: readonly Expr[]): Expr {
  if (format.literal === undefined) throw notTranslated('FORMAT with a format that is not a literal')
  const rest = [...values]
  const parts: string[] = []
  let at = 0
  for (const found of format.literal.matchAll(SPECIFIER)) {
    if (found.index > at) parts.push(quoteText(format.literal.slice(at, found.index)))
    at = found.index + found[0].length
    if (found[4] === '%') {
      parts.push("'%'")
      continue
    }
    const value = rest.shift()
    if (!value) throw new SqlRefused('Too few arguments to FORMAT for pattern')
    parts.push(formatted(found, value))
  }
  const tail = format.literal.slice(at)
  if (tail.includes('%')) throw notTranslated(`FORMAT with ${tail.slice(tail.indexOf('%'), 10)}`)
  if (rest.length > 0) throw new SqlRefused('Too many arguments to FORMAT for pattern')
  if (tail !== '' || parts.length === 0) parts.push(quoteText(tail))
  return expr(`(${parts.join(' || ')})`, STRING)
}

function formatted([whole, flags, width, precision, letter]: RegExpMatchArray, value: Expr): string {
  const specifier = `%${flags}${width ?? ''}${precision === undefined ? '' : `.${precision}`}`
  if (flags!.includes("'")) throw notTranslated(`FORMAT with ${whole}`)
  switch (letter) {
    case 'd':
    case 'i':
    case 'x':
    case 'X':
    case 'o':
      return `printf('${specifier}${letter === 'i' ? 'd' : letter}', CAST(${value.sql} AS BIGINT))`
    case 'f':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
      return `printf('${precision === undefined ? `${specifier}.6` : specifier}${letter}', CAST(${value.sql} AS DOUBLE))`
    case 's':
      if (value.type && value.type.name !== 'STRING')
        throw new SqlRefused(`Invalid type for argument to FORMAT; expected STRING; got ${value.type.name}`)
      return padded(value.sql, specifier)
    case 't': {
      if (!value.type) throw notTranslated('FORMAT with %t of this value')
      // Whole numbers keep their `.0` here, unlike in CAST.
      if (value.type.name === 'FLOAT64') return padded(`CAST(${value.sql} AS VARCHAR)`, specifier)
      return padded(toText(value.sql, value.type.name), specifier)
    }
    default:
      throw notTranslated(`FORMAT with ${whole}`)
  }
}

const padded = (sql: string, specifier: string): string => (specifier === '%' ? sql : `printf('${specifier}s', ${sql})`)
