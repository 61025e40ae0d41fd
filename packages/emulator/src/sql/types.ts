// BigQuery's types as the translator knows them, and how DuckDB keeps them.
// BIGNUMERIC, GEOGRAPHY, TIMESTAMP(12) and RANGE are not DuckDB's own (storage/duckdb-types.ts): which expressions are of these types
// is known here only, so it is the translator that tells the types of result columns.
import { type Column, hasPicoseconds } from '../catalog/table-schema.ts'
import { quoteName } from '../storage/duckdb-names.ts'
import { DUCKDB_TYPES } from '../storage/duckdb-types.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import type { TokenStream } from './token-stream.ts'

export type TypeName =
  | 'STRING'
  | 'BYTES'
  | 'INT64'
  | 'FLOAT64'
  | 'BOOL'
  | 'TIMESTAMP'
  | 'TIMESTAMP(12)'
  | 'DATE'
  | 'TIME'
  | 'DATETIME'
  | 'NUMERIC'
  | 'BIGNUMERIC'
  | 'JSON'
  | 'GEOGRAPHY'
  | 'INTERVAL'
  | 'RANGE'
  | 'ARRAY'
  | 'STRUCT'

export type SqlField = { readonly name: string; readonly type: SqlType | undefined }
/** `element` of ARRAY and RANGE, `fields` of STRUCT; undefined where the translator does not know. */
export type SqlType = {
  readonly name: TypeName
  readonly element?: SqlType | undefined
  readonly fields?: readonly SqlField[]
}

export const STRING: SqlType = { name: 'STRING' }
export const BYTES: SqlType = { name: 'BYTES' }
export const INT64: SqlType = { name: 'INT64' }
export const FLOAT64: SqlType = { name: 'FLOAT64' }
export const BOOL: SqlType = { name: 'BOOL' }
export const TIMESTAMP: SqlType = { name: 'TIMESTAMP' }
export const DATE: SqlType = { name: 'DATE' }
export const TIME: SqlType = { name: 'TIME' }
export const DATETIME: SqlType = { name: 'DATETIME' }
export const NUMERIC: SqlType = { name: 'NUMERIC' }
export const BIGNUMERIC: SqlType = { name: 'BIGNUMERIC' }
export const JSON_TYPE: SqlType = { name: 'JSON' }
export const GEOGRAPHY: SqlType = { name: 'GEOGRAPHY' }
export const INTERVAL: SqlType = { name: 'INTERVAL' }
export const arrayOf = (element: SqlType | undefined): SqlType => ({ name: 'ARRAY', element })
export const rangeOf = (element: SqlType | undefined): SqlType => ({ name: 'RANGE', element })
export const structOf = (fields: readonly SqlField[]): SqlType => ({ name: 'STRUCT', fields })

/** Every spelling of a type without parts. https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types */
const NAMES: Readonly<Record<string, TypeName>> = {
  STRING: 'STRING',
  BYTES: 'BYTES',
  INT64: 'INT64',
  INT: 'INT64',
  SMALLINT: 'INT64',
  INTEGER: 'INT64',
  BIGINT: 'INT64',
  TINYINT: 'INT64',
  BYTEINT: 'INT64',
  FLOAT64: 'FLOAT64',
  BOOL: 'BOOL',
  BOOLEAN: 'BOOL',
  NUMERIC: 'NUMERIC',
  DECIMAL: 'NUMERIC',
  BIGNUMERIC: 'BIGNUMERIC',
  BIGDECIMAL: 'BIGNUMERIC',
  TIMESTAMP: 'TIMESTAMP',
  DATE: 'DATE',
  TIME: 'TIME',
  DATETIME: 'DATETIME',
  JSON: 'JSON',
  GEOGRAPHY: 'GEOGRAPHY',
  INTERVAL: 'INTERVAL',
}

export const scalarType = (word: string): SqlType | undefined => {
  const name = NAMES[word.toUpperCase()]
  return name === undefined ? undefined : { name }
}

const DUCKDB: Readonly<Record<Exclude<TypeName, 'ARRAY' | 'STRUCT' | 'RANGE'>, string>> = {
  ...DUCKDB_TYPES,
  'TIMESTAMP(12)': 'VARCHAR',
}

/** The type in DuckDB's words; undefined when a part of it is not known. */
export function duckdbTypeOf(type: SqlType | undefined): string | undefined {
  if (!type) return undefined
  if (type.name === 'ARRAY') {
    const element = duckdbTypeOf(type.element)
    return element && `${element}[]`
  }
  if (type.name === 'RANGE') {
    const element = duckdbTypeOf(type.element)
    return element && `STRUCT("start" ${element}, "end" ${element})`
  }
  if (type.name !== 'STRUCT') return DUCKDB[type.name]
  const fields = type.fields?.map(field => [field.name, duckdbTypeOf(field.type)] as const)
  if (!fields?.every(([, text]) => text !== undefined)) return undefined
  return `STRUCT(${fields.map(([name, text]) => `${quoteName(name)} ${text}`).join(', ')})`
}

/** The type in BigQuery's words, for messages. */
export function typeText(type: SqlType | undefined): string {
  if (!type) return 'an unknown type'
  if (type.name === 'ARRAY' || type.name === 'RANGE')
    return `${type.name}<${type.element ? typeText(type.element) : '?'}>`
  return type.name === 'STRUCT'
    ? `STRUCT<${(type.fields ?? []).map(field => `${field.name} ${typeText(field.type)}`.trim()).join(', ')}>`
    : type.name
}

/** Whether the type, or a part of it, is one of those. */
export function hasType(type: SqlType | undefined, ...names: readonly TypeName[]): boolean {
  if (!type) return false
  if (names.includes(type.name)) return true
  return hasType(type.element, ...names) || (type.fields ?? []).some(field => hasType(field.type, ...names))
}

/** The type of a table's column. */
export function columnType(column: Column): SqlType {
  const base = baseType(column)
  return column.mode === 'REPEATED' ? arrayOf(base) : base
}

function baseType(column: Column): SqlType {
  if (column.type === 'STRUCT')
    return structOf(column.fields.map(field => ({ name: field.name, type: columnType(field) })))
  if (column.type === 'RANGE') return rangeOf(scalarType(column.rangeElementType ?? ''))
  return { name: hasPicoseconds(column) ? 'TIMESTAMP(12)' : column.type }
}

const NUMBERS: readonly TypeName[] = ['INT64', 'NUMERIC', 'BIGNUMERIC', 'FLOAT64']

/** The type several values have together (in CASE, COALESCE, arrays, UNION); undefined when not all are known. */
export function commonType(types: readonly (SqlType | undefined)[]): SqlType | undefined {
  const [first, ...rest] = types
  return rest.reduce((common, type) => {
    if (!common || !type) return undefined
    if (NUMBERS.includes(common.name) && NUMBERS.includes(type.name))
      return NUMBERS.indexOf(common.name) < NUMBERS.indexOf(type.name) ? type : common
    // Literals of other types may be written as strings.
    if (common.name === 'STRING') return type
    if (type.name === 'STRING') return common
    return common.name === type.name ? common : undefined
  }, first)
}

/** Reads `STRING`, `NUMERIC(10, 2)`, `ARRAY<STRUCT<a INT64, b STRING>>`, … */
export function parseType(tokens: TokenStream): SqlType {
  return parseParameterized(tokens).type
}

/** As parseType, with the numbers of `STRING(10)` or `NUMERIC(10, 2)`. */
export function parseParameterized(tokens: TokenStream): { type: SqlType; numbers: readonly number[] } {
  return tokens.deeper(() => {
    const word = tokens.word()
    if (word === undefined) throw tokens.unexpected('a type')
    const place = tokens.place()
    tokens.at++
    if (word === 'ARRAY' || word === 'RANGE') {
      tokens.expectSymbol('<')
      const element = parseType(tokens)
      closeAngle(tokens)
      if (word === 'ARRAY' && element.name === 'ARRAY')
        throw new SqlRefused(`Array of array types are not supported${place}`)
      return { type: { name: word, element }, numbers: [] }
    }
    if (word === 'STRUCT') return { type: structOf(parseFields(tokens)), numbers: [] }
    const type = scalarType(word)
    if (!type) throw new SqlRefused(`Type not found: ${word}${place}`)
    return { type, numbers: parseNumbers(tokens) }
  })
}

function parseNumbers(tokens: TokenStream): number[] {
  if (!tokens.takeSymbol('(')) return []
  const numbers: number[] = []
  do {
    const token = tokens.next()
    if (token.kind !== 'number') throw notTranslated(`The type parameter ${token.text}`)
    numbers.push(Number(token.text))
  } while (tokens.takeSymbol(','))
  tokens.expectSymbol(')')
  return numbers
}

function parseFields(tokens: TokenStream): SqlField[] {
  tokens.expectSymbol('<')
  const fields: SqlField[] = []
  if (tokens.isSymbol('>')) throw notTranslated('A STRUCT without fields')
  do {
    const following = tokens.peek(1)
    const isNamed = tokens.peek()?.kind === 'quoted' || (following?.kind === 'word' && tokens.peek()?.kind === 'word')
    const name = isNamed ? tokens.next().text : anonymousField(fields.length)
    fields.push({ name, type: parseType(tokens) })
  } while (tokens.takeSymbol(','))
  closeAngle(tokens)
  return fields
}

/** `>>` is one token, and closes two. */
function closeAngle(tokens: TokenStream): void {
  if (tokens.isSymbol('>>')) tokens.splitAngle()
  else tokens.expectSymbol('>')
}

/** What BigQuery calls fields without a name in results. */
export const anonymousField = (index: number): string => `_field_${index + 1}`
