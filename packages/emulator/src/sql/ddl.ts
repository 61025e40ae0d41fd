// CREATE TABLE and DROP TABLE. https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
import type { TableRef } from '../catalog/names.ts'
import { parseExpression } from './expressions.ts'
import { parsePath, tableRef } from './from.ts'
import { Names } from './names.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { knownColumn } from './result-columns.ts'
import type { Query, Translation } from './translation.ts'
import { parseParameterized } from './types.ts'

/** A column in the REST API's words. */
type RestField = Readonly<Record<string, unknown>>
export type Ddl =
  | {
      readonly kind: 'createTable'
      readonly table: TableRef
      readonly isReplacing: boolean
      readonly isIfNotExists: boolean
      readonly fields: readonly RestField[]
      /** REST members of the table: timePartitioning, clustering. */
      readonly rest: Readonly<Record<string, unknown>>
      /** Of CREATE TABLE AS: what is inserted then. */
      readonly query?: Query
    }
  | { readonly kind: 'dropTable'; readonly table: TableRef; readonly isIfExists: boolean }

export function parseDdl(t: Translation): Ddl | undefined {
  const { tokens } = t
  if (tokens.takeWord('DROP', 'TABLE')) {
    const isIfExists = tokens.takeWord('IF', 'EXISTS')
    return { kind: 'dropTable', table: tableRef(t.scope, parsePath(t)), isIfExists }
  }
  if (tokens.takeWord('CREATE', 'TABLE')) return parseCreate(t, false)
  if (tokens.takeWord('CREATE', 'OR', 'REPLACE', 'TABLE')) return parseCreate(t, true)
  return undefined
}

function parseCreate(t: Translation, isReplacing: boolean): Ddl {
  const { tokens } = t
  const isIfNotExists = tokens.takeWord('IF', 'NOT', 'EXISTS')
  const table = tableRef(t.scope, parsePath(t))
  const given = tokens.takeSymbol('(') ? parseColumns(t) : { fields: [] as RestField[], rest: {} }
  const rest: Record<string, unknown> = { ...given.rest }
  if (tokens.takeWord('PARTITION', 'BY')) rest.timePartitioning = parsePartition(t)
  if (tokens.takeWord('CLUSTER', 'BY')) rest.clustering = { fields: parseNames(t) }
  if (tokens.isWord('OPTIONS')) throw notTranslated('OPTIONS of CREATE TABLE')
  const create = { kind: 'createTable' as const, table, isReplacing, isIfNotExists, rest }
  if (!tokens.takeWord('AS')) {
    if (given.fields.length === 0) throw tokens.unexpected('columns or keyword AS')
    return { ...create, fields: given.fields }
  }
  const query = t.query(undefined)
  const fields = given.fields.length > 0 ? given.fields : query.columns.map(queryField)
  return { ...create, fields, query }
}

function queryField(column: Query['columns'][number]): RestField {
  if (column.isAnonymous) throw new SqlRefused('CREATE TABLE columns must be named, but a column has no name')
  const known = knownColumn(column.name, column.type)
  if (!known) throw notTranslated(`CREATE TABLE AS with column ${column.name}, whose type is not known (cast it)`)
  return known
}

function parseNames(t: Translation): string[] {
  const names: string[] = []
  do names.push(t.tokens.next().text)
  while (t.tokens.takeSymbol(','))
  return names
}

function parseColumns(t: Translation): { fields: RestField[]; rest: Record<string, unknown> } {
  const { tokens } = t
  const fields: RestField[] = []
  const rest: Record<string, unknown> = {}
  do {
    if (tokens.isSymbol(')')) break
    if (tokens.takeWord('PRIMARY', 'KEY')) {
      tokens.expectSymbol('(')
      rest.tableConstraints = { primaryKey: { columns: parseNames(t) } }
      tokens.expectSymbol(')')
      tokens.expectWord('NOT', 'ENFORCED')
      continue
    }
    if (tokens.isWord('CONSTRAINT') || tokens.isWord('FOREIGN')) throw notTranslated('A constraint of CREATE TABLE')
    fields.push(parseColumn(t))
  } while (tokens.takeSymbol(','))
  tokens.expectSymbol(')')
  return { fields, rest }
}

function parseColumn(t: Translation): RestField {
  const { tokens } = t
  const name = tokens.next()
  if (name.kind !== 'word' && name.kind !== 'quoted') throw tokens.unexpected('a column name')
  const { type, numbers } = parseParameterized(tokens)
  const known = knownColumn(name.text, type)!
  const sizes =
    numbers.length === 0
      ? {}
      : type.name === 'STRING' || type.name === 'BYTES'
        ? { maxLength: String(numbers[0]) }
        : { precision: String(numbers[0]), ...(numbers.length > 1 && { scale: String(numbers[1]) }) }
  const start = tokens.at
  const isDefault = tokens.takeWord('DEFAULT')
  if (isDefault) parseExpression(t, new Names(undefined))
  const defaultValueExpression = isDefault ? tokens.textSince(start + 1) : undefined
  const isRequired = tokens.takeWord('NOT', 'NULL')
  if (tokens.isWord('PRIMARY') || tokens.isWord('REFERENCES') || tokens.isWord('OPTIONS') || tokens.isWord('COLLATE'))
    throw notTranslated(`${tokens.word()} of a column`)
  return {
    ...known,
    ...sizes,
    ...(isRequired && { mode: 'REQUIRED' }),
    ...(defaultValueExpression !== undefined && { defaultValueExpression }),
  }
}

/** `DATE(ts)`, `TIMESTAMP_TRUNC(ts, HOUR)`, `day`, `_PARTITIONDATE`. */
function parsePartition(t: Translation): Record<string, unknown> {
  const { tokens } = t
  const first = tokens.next()
  const word = first.kind === 'word' ? first.text.toUpperCase() : ''
  if (word === '_PARTITIONDATE') return { type: 'DAY' }
  if (!tokens.takeSymbol('(')) return { type: 'DAY', field: first.text }
  if (!['DATE', 'DATE_TRUNC', 'DATETIME_TRUNC', 'TIMESTAMP_TRUNC'].includes(word))
    throw notTranslated(`PARTITION BY ${first.text}`)
  const field = tokens.next().text
  const type = tokens.takeSymbol(',') ? tokens.next().text.toUpperCase() : 'DAY'
  tokens.expectSymbol(')')
  return { type, ...(field.toUpperCase() !== '_PARTITIONTIME' && { field }) }
}
