// Function calls: the name, arguments with what aggregates allow among them, and OVER.
// Only functions of the tables here get through; whatever else DuckDB has (readers of files, settings) cannot be named.
import { quoteName } from '../storage/duckdb-names.ts'
import { castExpr } from './casts.ts'
import { type Expr, expr } from './expr.ts'
import { AGGREGATES, type Aggregate, type Modifiers, WINDOW_FUNCTIONS } from './functions/aggregates.ts'
import { ARRAY_JSON_FUNCTIONS } from './functions/arrays-json.ts'
import { extracted } from './functions/date-parts.ts'
import { checkCount, type FunctionTable } from './functions/function-table.ts'
import { NUMBER_FUNCTIONS } from './functions/numbers.ts'
import { TEXT_FUNCTIONS } from './functions/text.ts'
import { PART_ARGUMENTS, TIME_FUNCTIONS } from './functions/times.ts'
import type { Names } from './names.ts'
import { parseOrder } from './ordering.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import type { Translation } from './translation.ts'
import { DATE, DATETIME, INT64, parseParameterized, TIME } from './types.ts'

const FUNCTIONS: FunctionTable = { ...NUMBER_FUNCTIONS, ...TEXT_FUNCTIONS, ...ARRAY_JSON_FUNCTIONS, ...TIME_FUNCTIONS }
const own = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined

export function functionCall(t: Translation, names: Names): Expr {
  const { tokens } = t
  const path = [tokens.next().text]
  while (tokens.takeSymbol('.')) path.push(tokens.next().text)
  const isSafe = path.length === 2 && path[0]!.toUpperCase() === 'SAFE'
  const name = (isSafe ? path[1]! : path.join('.')).toUpperCase()
  if (path.length > 1 && !isSafe) throw notTranslated(`Function ${path.join('.')}`)
  const call = parseCall(t, names, name)
  if (!isSafe) return call
  if (call.sql.includes('error(')) throw notTranslated(`SAFE.${name}`)
  return expr(`TRY(${call.sql})`, call.type)
}

function parseCall(t: Translation, names: Names, name: string): Expr {
  const { tokens } = t
  if (!tokens.isSymbol('(')) return own(FUNCTIONS, name)!.translate([])
  tokens.at++
  if (name === 'CAST' || name === 'SAFE_CAST') return parseCast(t, names, name === 'SAFE_CAST')
  if (name === 'EXTRACT') return parseExtract(t, names)
  const aggregate = own(AGGREGATES, name) ?? own(WINDOW_FUNCTIONS, name)
  if (aggregate) return parseAggregate(t, names, name, aggregate)
  const known = own(FUNCTIONS, name)
  if (!known) throw notTranslated(`Function ${name}`)
  const args: Expr[] = []
  if (!tokens.isSymbol(')'))
    do args.push(args.length === own(PART_ARGUMENTS, name) ? parsePart(t) : parseArgument(t, names, name))
    while (tokens.takeSymbol(','))
  tokens.expectSymbol(')')
  if (tokens.isWord('OVER')) throw new SqlRefused(`Function ${name} does not support an OVER clause`)
  checkCount(name, args.length, known)
  return known.translate(args)
}

function parseArgument(t: Translation, names: Names, name: string): Expr {
  const { tokens } = t
  if (tokens.peek()?.kind === 'word' && tokens.isSymbol('=>', 1))
    throw notTranslated(`The named argument ${tokens.peek()!.text} of ${name}`)
  // The forms of NORMALIZE are words.
  if (name === 'NORMALIZE' && /^NFK?[CD]$/.test(tokens.word() ?? ''))
    return expr('', undefined, { name: tokens.next().text })
  return t.expression(names)
}

/** `DAY`, `WEEK(MONDAY)`. */
function parsePart(t: Translation): Expr {
  const { tokens } = t
  const word = tokens.word()
  if (word === undefined) throw tokens.unexpected('a date part')
  tokens.at++
  if (!tokens.takeSymbol('(')) return expr('', undefined, { unit: word })
  const argument = tokens.next().text.toUpperCase()
  tokens.expectSymbol(')')
  return expr('', undefined, { unit: `${word}(${argument})` })
}

function parseCast(t: Translation, names: Names, isSafe: boolean): Expr {
  const { tokens } = t
  const value = t.expression(names)
  tokens.expectWord('AS')
  const { type, numbers } = parseParameterized(tokens)
  if (tokens.isWord('FORMAT')) throw notTranslated('CAST with FORMAT')
  tokens.expectSymbol(')')
  if (numbers.length > 0) throw notTranslated('CAST to a type with parameters')
  return castExpr(value, type, { isSafe })
}

function parseExtract(t: Translation, names: Names): Expr {
  const { tokens } = t
  const part = parsePart(t).unit!
  tokens.expectWord('FROM')
  const value = t.expression(names)
  let time = value.sql
  const isTimestamp = value.type?.name === 'TIMESTAMP'
  if (tokens.takeWord('AT', 'TIME', 'ZONE')) time = `(${time} AT TIME ZONE ${t.expression(names).sql})`
  else if (isTimestamp) time = `(${time} AT TIME ZONE 'UTC')`
  tokens.expectSymbol(')')
  if (part === 'DATE') return expr(`CAST(${time} AS DATE)`, DATE)
  if (part === 'TIME') return expr(`CAST(${time} AS TIME)`, TIME)
  if (part === 'DATETIME') return expr(`CAST(${time} AS TIMESTAMP)`, DATETIME)
  return expr(extracted(time, part), INT64)
}

function parseAggregate(t: Translation, names: Names, name: string, aggregate: Aggregate): Expr {
  const { tokens } = t
  if (name === 'COUNT' && tokens.takeSymbol('*')) {
    tokens.expectSymbol(')')
    return expr(`count(*)${parseOver(t, names)}`, INT64)
  }
  const isDistinct = tokens.takeWord('DISTINCT')
  const args: Expr[] = []
  if (!tokens.isSymbol(')'))
    do args.push(t.expression(names))
    while (tokens.takeSymbol(','))
  const modifiers = { isDistinct, ...parseModifiers(t, names) }
  tokens.expectSymbol(')')
  checkCount(name, args.length, aggregate)
  // IGNORE NULLS may also stand behind the parenthesis of window functions.
  const isIgnoringNulls = tokens.takeWord('IGNORE', 'NULLS')
  const { call, filter, type, wrap } = aggregate.translate(
    args,
    isIgnoringNulls ? { ...modifiers, isIgnoringNulls } : modifiers,
  )
  const isWindowOnly = own(WINDOW_FUNCTIONS, name) !== undefined
  const over = parseOver(t, names)
  if (isWindowOnly && over === '')
    throw new SqlRefused(`Analytic function ${name} cannot be called without an OVER clause`)
  const sql = `${call}${filter === undefined ? '' : ` FILTER (WHERE ${filter})`}${over}`
  return expr(wrap ? wrap(sql) : sql, type)
}

function parseModifiers(t: Translation, names: Names): Omit<Modifiers, 'isDistinct'> {
  const { tokens } = t
  const isIgnoringNulls = tokens.takeWord('IGNORE', 'NULLS')
  if (!isIgnoringNulls) tokens.takeWord('RESPECT', 'NULLS')
  let having: Modifiers['having']
  if (tokens.takeWord('HAVING')) {
    const isMax = tokens.takeWord('MAX')
    if (!isMax) tokens.expectWord('MIN')
    having = { isMax, value: t.expression(names) }
  }
  const orderBy = tokens.takeWord('ORDER', 'BY') ? ` ORDER BY ${parseOrderList(t, names)}` : ''
  let limit: string | undefined
  if (tokens.takeWord('LIMIT')) {
    const token = tokens.next()
    if (token.kind !== 'number') throw notTranslated('LIMIT in an aggregate that is not a literal')
    limit = String(BigInt(token.text))
  }
  return { isIgnoringNulls, having, orderBy, limit }
}

function parseOrderList(t: Translation, names: Names): string {
  const items: string[] = []
  do {
    const value = t.expression(names)
    // A literal is no ordinal here; DuckDB leaves constants out.
    items.push(`${value.sql}${parseOrder(t.tokens, value)}`)
  } while (t.tokens.takeSymbol(','))
  return items.join(', ')
}

function parseOver(t: Translation, names: Names): string {
  const { tokens } = t
  if (!tokens.takeWord('OVER')) return ''
  if (tokens.isSymbol('(')) return ` OVER (${parseWindow(t, names)})`
  return ` OVER ${quoteName(tokens.next().text)}`
}

const FRAME_WORDS: ReadonlySet<string> = new Set(['UNBOUNDED', 'PRECEDING', 'FOLLOWING', 'CURRENT', 'ROW'])

/** The window in parentheses, which are taken. */
export function parseWindow(t: Translation, names: Names): string {
  const { tokens } = t
  tokens.expectSymbol('(')
  const parts: string[] = []
  const isNamed = tokens.peek()?.kind === 'quoted' || !/^(?:PARTITION|ORDER|ROWS|RANGE)$/.test(tokens.word() ?? 'ORDER')
  if (isNamed && !tokens.isSymbol(')')) parts.push(quoteName(tokens.next().text))
  if (tokens.takeWord('PARTITION', 'BY')) {
    const list: string[] = []
    do list.push(t.expression(names).sql)
    while (tokens.takeSymbol(','))
    parts.push(`PARTITION BY ${list.join(', ')}`)
  }
  if (tokens.takeWord('ORDER', 'BY')) parts.push(`ORDER BY ${parseOrderList(t, names)}`)
  if (tokens.isWord('ROWS') || tokens.isWord('RANGE')) {
    const unit = tokens.next().text.toUpperCase()
    if (tokens.takeWord('BETWEEN')) {
      const start = parseBound(t, names)
      tokens.expectWord('AND')
      parts.push(`${unit} BETWEEN ${start} AND ${parseBound(t, names)}`)
    } else parts.push(`${unit} ${parseBound(t, names)}`)
  }
  tokens.expectSymbol(')')
  return parts.join(' ')
}

function parseBound(t: Translation, names: Names): string {
  const { tokens } = t
  const words: string[] = []
  if (!FRAME_WORDS.has(tokens.word() ?? '')) words.push(t.expression(names).sql)
  while (FRAME_WORDS.has(tokens.word() ?? '')) words.push(tokens.next().text.toUpperCase())
  return words.join(' ')
}
