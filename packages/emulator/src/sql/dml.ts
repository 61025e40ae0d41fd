// INSERT, UPDATE, DELETE, TRUNCATE TABLE and MERGE. https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax
import type { Table } from '../catalog/resources.ts'
import type { Column } from '../catalog/table-schema.ts'
import { physicalName, quoteName, quoteText } from '../storage/duckdb-names.ts'
import { castExpr } from './casts.ts'
import { type Expr, expr } from './expr.ts'
import { parseExpression } from './expressions.ts'
import { findTable, parseAlias, parseFrom, parsePath, parseSource } from './from.ts'
import { columnOf, Names, sameName } from './names.ts'
import { toBignumeric } from './operators.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { expectEnd, translationOf } from './translate.ts'
import type { Query, Translation } from './translation.ts'
import { columnType, duckdbTypeOf, typeText } from './types.ts'

type DmlKind = 'INSERT' | 'UPDATE' | 'DELETE' | 'TRUNCATE_TABLE' | 'MERGE'
export type Dml = {
  readonly statement: DmlKind
  readonly sql: string
  readonly table: Table
  /** An error when the statement left a REQUIRED column NULL. */
  readonly check?: string
}

export function parseDml(t: Translation): Dml | undefined {
  const { tokens } = t
  if (tokens.takeWord('INSERT')) return parseInsert(t)
  if (tokens.takeWord('UPDATE')) return parseUpdate(t)
  if (tokens.takeWord('DELETE')) return parseDelete(t)
  if (tokens.takeWord('TRUNCATE', 'TABLE')) {
    const table = parseTarget(t)
    return { statement: 'TRUNCATE_TABLE', sql: `DELETE FROM ${physicalName(table)}`, table }
  }
  if (tokens.takeWord('MERGE')) return parseMerge(t)
  return undefined
}

function parseTarget(t: Translation): Table {
  const place = t.tokens.place()
  return findTable(t.scope, parsePath(t), place)
}

/** The target as the relation its expressions refer to. */
function targetNames(t: Translation, table: Table): { names: Names; alias: string } {
  const alias = parseAlias(t) ?? table.table
  const names = new Names(undefined)
  const columns = table.schema.columns.map(column => columnOf(alias, { name: column.name, type: columnType(column) }))
  names.add({ alias, isAnonymous: false, columns })
  return { names, alias }
}

function findColumn(table: Table, name: string, place: string): Column {
  const column = table.schema.columns.find(candidate => sameName(candidate.name, name))
  if (!column) throw new SqlRefused(`Column ${name} is not present in table ${table.dataset}.${table.table}${place}`)
  return column
}

/** The value as the column keeps it; an error where a REQUIRED column would be NULL. */
function stored(value: Expr, column: Column): string {
  const sql = kept(value, column)
  if (column.mode !== 'REQUIRED') return sql
  return `CAST(coalesce(${sql}, error(${quoteText(requiredText(column))})) AS ${duckdbTypeOf(columnType(column))})`
}

const requiredText = ({ name }: Column): string => `Required field ${name} cannot be null`

/** As `stored`, for MERGE: DuckDB computes the values of one clause also for rows of others, so the check comes after. */
function kept(value: Expr, column: Column): string {
  if (column.mode === 'REQUIRED' && value.isNull) throw new SqlRefused(requiredText(column))
  const { sql } = coerced(value, column)
  return column.mode === 'REPEATED' ? `coalesce(${sql}, [])` : sql
}

type Store = (value: Expr, column: Column) => string

function coerced(value: Expr, column: Column): Expr {
  const type = columnType(column)
  const mismatch = new SqlRefused(
    `Value has type ${typeText(value.type)} which cannot be inserted into column ${column.name}, which has type ${typeText(type)}`,
  )
  if (value.isNull) return castExpr(value, type, { isSafe: false })
  if (type.name === 'BIGNUMERIC') return toBignumeric(value)
  if (value.type && value.type.name !== type.name) {
    const isText = value.type.name === 'STRING' && value.literal !== undefined
    const isCoerced = isText
      ? ['DATE', 'DATETIME', 'TIMESTAMP', 'TIME', 'BYTES'].includes(type.name)
      : (COERCIONS[value.type.name] ?? []).includes(type.name)
    if (!isCoerced) throw mismatch
  }
  return castExpr(value, type, { isSafe: false })
}

/** https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_rules#coercion */
const COERCIONS: Readonly<Record<string, readonly string[]>> = {
  INT64: ['NUMERIC', 'BIGNUMERIC', 'FLOAT64'],
  NUMERIC: ['BIGNUMERIC', 'FLOAT64'],
  BIGNUMERIC: ['FLOAT64'],
  // Literals of FLOAT64 go into NUMERIC; columns of it would need a cast there.
  FLOAT64: ['NUMERIC'],
  DATE: ['DATETIME'],
}

/** What a column gets that is not given. */
function defaultOf(t: Translation, column: Column): Expr {
  if (column.defaultExpression === undefined) return expr('NULL', undefined, { isNull: true })
  const inner = translationOf(column.defaultExpression, t.scope)
  const value = parseExpression(inner, new Names(undefined))
  expectEnd(inner)
  return value
}

const isDefault = (t: Translation): boolean => t.tokens.takeWord('DEFAULT')

function parseColumns(t: Translation, table: Table): Column[] {
  const { tokens } = t
  if (!tokens.isSymbol('(') || tokens.word(1) === 'SELECT' || tokens.word(1) === 'WITH')
    return [...table.schema.columns]
  tokens.at++
  const columns: Column[] = []
  do {
    const token = tokens.next()
    const column = findColumn(table, token.text, tokens.place(token))
    if (columns.includes(column)) throw new SqlRefused(`Column ${column.name} is given more than once`)
    columns.push(column)
  } while (tokens.takeSymbol(','))
  tokens.expectSymbol(')')
  return columns
}

/** The columns not given, with what they get. */
function omitted(
  t: Translation,
  table: Table,
  given: readonly Column[],
  store: Store,
): { column: Column; sql: string }[] {
  return table.schema.columns
    .filter(column => !given.includes(column))
    .map(column => {
      if (column.mode === 'REQUIRED' && column.defaultExpression === undefined)
        throw new SqlRefused(requiredText(column))
      return { column, sql: store(defaultOf(t, column), column) }
    })
}

const columnList = (columns: readonly Column[]): string => columns.map(column => quoteName(column.name)).join(', ')

function parseInsert(t: Translation): Dml {
  const { tokens } = t
  tokens.takeWord('INTO')
  const table = parseTarget(t)
  const given = parseColumns(t, table)
  const rest = omitted(t, table, given, stored)
  const into = `INSERT INTO ${physicalName(table)} (${columnList([...given, ...rest.map(({ column }) => column)])})`
  if (tokens.takeWord('VALUES')) {
    const rows: string[] = []
    do rows.push(`(${[...parseRow(t, given, new Names(undefined), stored), ...rest.map(({ sql }) => sql)].join(', ')})`)
    while (tokens.takeSymbol(','))
    return { statement: 'INSERT', sql: `${into} VALUES ${rows.join(', ')}`, table }
  }
  return { statement: 'INSERT', sql: insertSelect(into, t.query(undefined), given, rest), table }
}

/** `INSERT INTO … (…)` of a query's rows. */
function insertSelect(
  into: string,
  query: Query,
  given: readonly Column[],
  rest: readonly { readonly sql: string }[],
): string {
  if (query.columns.length !== given.length)
    throw new SqlRefused(`Inserted row has wrong column count; Has ${query.columns.length}, expected ${given.length}`)
  const inner = query.columns.map((_column, index) => quoteName(`c${index}`))
  const values = query.columns.map(({ type }, index) => stored(expr(`"_s".${inner[index]}`, type), given[index]!))
  const list = [...values, ...rest.map(({ sql }) => sql)].join(', ')
  return `${into} SELECT ${list} FROM (${query.sql}) AS "_s"(${inner.join(', ')})`
}

/** What CREATE TABLE AS puts into its table. */
export function insertInto(table: Table, query: Query): string {
  const { columns } = table.schema
  return insertSelect(`INSERT INTO ${physicalName(table)} (${columnList(columns)})`, query, columns, [])
}

function parseRow(t: Translation, given: readonly Column[], names: Names, store: Store): string[] {
  const { tokens } = t
  tokens.expectSymbol('(')
  const values: string[] = []
  do {
    const column = given[values.length]
    const value = column && isDefault(t) ? defaultOf(t, column) : parseExpression(t, names)
    values.push(column ? store(value, column) : '')
  } while (tokens.takeSymbol(','))
  tokens.expectSymbol(')')
  if (values.length !== given.length)
    throw new SqlRefused(`Inserted row has wrong column count; Has ${values.length}, expected ${given.length}`)
  return values
}

function parseAssignments(t: Translation, table: Table, names: Names, store: Store): string {
  const { tokens } = t
  const list: string[] = []
  const seen = new Set<Column>()
  do {
    const token = tokens.next()
    const column = findColumn(table, token.text, tokens.place(token))
    if (tokens.isSymbol('.')) throw notTranslated('UPDATE of a nested field')
    if (seen.has(column)) throw new SqlRefused(`Update item ${column.name} assigned more than once`)
    seen.add(column)
    tokens.expectSymbol('=')
    const value = isDefault(t) ? defaultOf(t, column) : parseExpression(t, names)
    list.push(`${quoteName(column.name)} = ${store(value, column)}`)
  } while (tokens.takeSymbol(','))
  return list.join(', ')
}

function parseUpdate(t: Translation): Dml {
  const { tokens } = t
  const table = parseTarget(t)
  const { names, alias } = targetNames(t, table)
  tokens.expectWord('SET')
  // FROM is read first: the assignments may use its columns.
  const setAt = tokens.at
  const fromAt = tokens.findWord('FROM', ['WHERE'])
  let from = ''
  let afterFrom = setAt
  if (fromAt !== undefined) {
    tokens.at = fromAt + 1
    from = ` FROM ${parseFrom(t, names)}`
    afterFrom = tokens.at
    tokens.at = setAt
  }
  const assignments = parseAssignments(t, table, names, stored)
  if (fromAt !== undefined) {
    if (tokens.at !== fromAt) throw tokens.unexpected()
    tokens.at = afterFrom
  }
  const where = parseWhere(t, names, 'UPDATE')
  const sql = `UPDATE ${physicalName(table)} AS ${quoteName(alias)} SET ${assignments}${from}${where}`
  return { statement: 'UPDATE', sql, table }
}

function parseWhere(t: Translation, names: Names, statement: string): string {
  if (!t.tokens.takeWord('WHERE')) throw new SqlRefused(`${statement} must have a WHERE clause${t.tokens.place()}`)
  return ` WHERE ${parseExpression(t, names).sql}`
}

function parseDelete(t: Translation): Dml {
  t.tokens.takeWord('FROM')
  const table = parseTarget(t)
  const { names, alias } = targetNames(t, table)
  const where = parseWhere(t, names, 'DELETE')
  return { statement: 'DELETE', sql: `DELETE FROM ${physicalName(table)} AS ${quoteName(alias)}${where}`, table }
}

function parseMerge(t: Translation): Dml {
  const { tokens } = t
  tokens.takeWord('INTO')
  const table = parseTarget(t)
  const { names, alias } = targetNames(t, table)
  tokens.expectWord('USING')
  const source = parseSource(t, names)
  tokens.expectWord('ON')
  const condition = parseExpression(t, names).sql
  const clauses: string[] = []
  while (tokens.takeWord('WHEN')) clauses.push(parseMergeClause(t, table, names))
  if (clauses.length === 0) throw tokens.unexpected('keyword WHEN')
  const sql = `MERGE INTO ${physicalName(table)} AS ${quoteName(alias)} USING ${source} ON ${condition} ${clauses.join(' ')} RETURNING merge_action`
  return { statement: 'MERGE', sql, table, ...requiredCheck(table) }
}

function requiredCheck(table: Table): { check?: string } {
  const columns = table.schema.columns.filter(({ mode }) => mode === 'REQUIRED')
  if (columns.length === 0) return {}
  const failures = columns.map(
    column => `WHEN ${quoteName(column.name)} IS NULL THEN error(${quoteText(requiredText(column))})`,
  )
  const nulls = columns.map(column => `${quoteName(column.name)} IS NULL`).join(' OR ')
  return { check: `SELECT CASE ${failures.join(' ')} END FROM ${physicalName(table)} WHERE ${nulls} LIMIT 1` }
}

function parseMergeClause(t: Translation, table: Table, names: Names): string {
  const { tokens } = t
  const isNot = tokens.takeWord('NOT')
  tokens.expectWord('MATCHED')
  let clause = isNot ? 'WHEN NOT MATCHED' : 'WHEN MATCHED'
  if (isNot && tokens.takeWord('BY', 'SOURCE')) clause += ' BY SOURCE'
  else if (isNot && tokens.takeWord('BY', 'TARGET')) clause += ' BY TARGET'
  if (tokens.takeWord('AND')) clause += ` AND ${parseExpression(t, names).sql}`
  tokens.expectWord('THEN')
  if (tokens.takeWord('DELETE')) return `${clause} THEN DELETE`
  if (tokens.takeWord('UPDATE')) {
    tokens.expectWord('SET')
    return `${clause} THEN UPDATE SET ${parseAssignments(t, table, names, kept)}`
  }
  tokens.expectWord('INSERT')
  if (tokens.takeWord('ROW')) throw notTranslated('INSERT ROW in MERGE')
  const given = parseColumns(t, table)
  const rest = omitted(t, table, given, kept)
  tokens.expectWord('VALUES')
  const values = [...parseRow(t, given, names, kept), ...rest.map(({ sql }) => sql)]
  return `${clause} THEN INSERT (${columnList([...given, ...rest.map(({ column }) => column)])}) VALUES (${values.join(', ')})`
}
