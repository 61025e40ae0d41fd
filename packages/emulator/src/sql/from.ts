// The FROM clause: tables, subqueries, UNNEST and how they are joined.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/query-syntax#from_clause
import type { TableRef } from '../catalog/names.ts'
import { physicalName, quoteName } from '../storage/duckdb-names.ts'
import { type Expr, expr } from './expr.ts'
import { informationSchema } from './information-schema.ts'
import { columnOf, fieldOf, type Names, type Output, type Relation, sameName } from './names.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { RESERVED } from './reserved.ts'
import type { SqlScope, Translation } from './translation.ts'
import { columnType } from './types.ts'

/** Reads what follows FROM; relations are added to `names`. */
export function parseFrom(t: Translation, names: Names): string {
  const { tokens } = t
  let sql = parseItem(t, names)
  while (tokens.takeSymbol(',')) sql += ` CROSS JOIN ${parseItem(t, names)}`
  refuseOperators(t)
  return sql
}

function refuseOperators(t: Translation): void {
  const word = t.tokens.word()
  if (word === 'PIVOT' || word === 'UNPIVOT' || word === 'TABLESAMPLE' || word === 'MATCH_RECOGNIZE')
    throw notTranslated(word)
  if (t.tokens.isWord('FOR', 'SYSTEM_TIME') || t.tokens.isWord('FOR', 'SYSTEM'))
    throw notTranslated('FOR SYSTEM_TIME AS OF')
  if (t.tokens.isSymbol('|>')) throw notTranslated('Pipe syntax')
}

/** One table, subquery or UNNEST, as behind the USING of MERGE. */
export const parseSource = (t: Translation, names: Names): string => parsePrimary(t, names).sql

/** One item of the list with the joins behind it. */
function parseItem(t: Translation, names: Names): string {
  return t.tokens.deeper(() => {
    let sql = parsePrimary(t, names).sql
    for (;;) {
      const join = parseJoinWord(t)
      if (join === undefined) return sql
      sql = parseJoin(t, names, sql, join)
    }
  })
}

function parseJoinWord(t: Translation): string | undefined {
  const { tokens } = t
  if (tokens.takeWord('CROSS', 'JOIN')) return 'CROSS'
  for (const side of ['LEFT', 'RIGHT', 'FULL'])
    if (tokens.takeWord(side, 'OUTER', 'JOIN') || tokens.takeWord(side, 'JOIN')) return side
  if (tokens.takeWord('INNER', 'JOIN') || tokens.takeWord('JOIN')) return 'INNER'
  if (tokens.isWord('NATURAL')) throw tokens.unexpected()
  return undefined
}

function parseJoin(t: Translation, names: Names, left: string, join: string): string {
  const { tokens } = t
  const before = names.relations.length
  const right = parsePrimary(t, names)
  const isLateral = right.isUnnest && join !== 'CROSS'
  if (isLateral && join !== 'LEFT' && join !== 'INNER') throw notTranslated(`${join} JOIN with UNNEST`)
  const joined = `${left} ${join} JOIN ${isLateral ? right.lateral! : right.sql}`
  if (join === 'CROSS') return joined
  if (tokens.takeWord('ON')) return `${joined} ON ${t.expression(names).sql}`
  if (tokens.takeWord('USING')) return `${joined} USING (${parseUsing(t, names, before)})`
  // UNNEST of an array of this very row needs no condition.
  if (right.isUnnest) return `${joined} ON TRUE`
  throw tokens.unexpected('keyword ON or keyword USING')
}

function parseUsing(t: Translation, names: Names, before: number): string {
  const { tokens } = t
  tokens.expectSymbol('(')
  const list: string[] = []
  do {
    const token = tokens.next()
    const left = names.merged.get(token.text.toLowerCase()) ?? columnIn(names.relations.slice(0, before), token.text)
    const right = columnIn(names.relations.slice(before), token.text)
    if (!left || !right)
      throw new SqlRefused(`Column ${token.text} in USING clause not found on both sides of join${tokens.place(token)}`)
    const name = quoteName(right.column)
    names.merged.set(token.text.toLowerCase(), { ...expr(name, left.type, { name: left.column }), column: left.column })
    list.push(name)
  } while (tokens.takeSymbol(','))
  tokens.expectSymbol(')')
  return list.join(', ')
}

const columnIn = (relations: readonly Relation[], name: string): Relation['columns'][number] | undefined =>
  relations.flatMap(relation => relation.columns).find(column => sameName(column.column, name))

type Primary = { readonly sql: string; readonly isUnnest: boolean; readonly lateral?: string }

function parsePrimary(t: Translation, names: Names): Primary {
  const { tokens } = t
  if (tokens.takeWord('UNNEST')) {
    tokens.expectSymbol('(')
    const array = t.expression(names)
    tokens.expectSymbol(')')
    return unnest(t, names, array, undefined)
  }
  if (tokens.isWord('LATERAL')) throw notTranslated('LATERAL')
  if (tokens.isSymbol('(')) return parseParenthesis(t, names)
  const start = tokens.peek()
  if (
    !start ||
    (start.kind !== 'word' && start.kind !== 'quoted') ||
    (start.kind === 'word' && RESERVED.has(tokens.word()!))
  )
    throw tokens.unexpected()
  const path = parsePath(t)
  if (tokens.isSymbol('(')) throw notTranslated(`Table function ${path.join('.')}`)
  const correlated = correlatedArray(names, path, tokens.place(start))
  if (correlated) return unnest(t, names, correlated, path.at(-1))
  return { sql: table(t, names, path, tokens.place(start)), isUnnest: false }
}

function parseParenthesis(t: Translation, names: Names): Primary {
  const { tokens } = t
  tokens.at++
  if (!tokens.isQuery) {
    const sql = parseItem(t, names)
    tokens.expectSymbol(')')
    return { sql: `(${sql})`, isUnnest: false }
  }
  // A subquery in FROM sees the queries around this one, not its neighbours.
  const query = t.query(names.outer)
  tokens.expectSymbol(')')
  const alias = parseAlias(t)
  return { sql: `(${query.sql})${add(t, names, alias, query.columns)}`, isUnnest: false }
}

function add(t: Translation, names: Names, alias: string | undefined, columns: readonly Output[]): string {
  refuseOperators(t)
  const name = alias ?? t.freshName()
  names.add({
    alias: name,
    isAnonymous: alias === undefined,
    columns: columns.filter(column => !column.isAnonymous).map(column => columnOf(name, column)),
  })
  return ` AS ${quoteName(name)}`
}

/** `AS name`, `name` or nothing. */
export function parseAlias(t: Translation): string | undefined {
  const { tokens } = t
  if (tokens.takeWord('AS')) {
    const token = tokens.next()
    if (token.kind !== 'quoted' && !(token.kind === 'word' && !RESERVED.has(token.text.toUpperCase()))) {
      tokens.at--
      throw tokens.unexpected('an alias')
    }
    return token.text
  }
  const token = tokens.peek()
  const isName = token?.kind === 'quoted' || (token?.kind === 'word' && !RESERVED.has(token.text.toUpperCase()))
  if (!isName || NO_ALIASES.has(tokens.word() ?? '')) return undefined
  return tokens.next().text
}

/** Words that begin a clause though they are not reserved. */
const NO_ALIASES: ReadonlySet<string> = new Set(['PIVOT', 'UNPIVOT', 'MATCH_RECOGNIZE', 'VALUES'])

/** A dotted name; its first part may hold dashes. */
export function parsePath(t: Translation): string[] {
  const { tokens } = t
  const parts: string[] = []
  do {
    const token = tokens.next()
    if (token.kind !== 'word' && token.kind !== 'quoted') {
      tokens.at--
      throw tokens.unexpected('a name')
    }
    let name = token.text
    const isProject = token.kind === 'word' && parts.length === 0
    while (isProject && tokens.isSymbol('-') && tokens.isAdjacent(-1) && tokens.isAdjacent(0)) {
      tokens.at++
      name += `-${tokens.next().text}`
    }
    parts.push(...(token.kind === 'quoted' ? name.split('.') : [name]))
  } while (tokens.takeSymbol('.'))
  return parts
}

/** `t.items` where t is a relation of this FROM or a query around it: its array. */
function correlatedArray(names: Names, path: readonly string[], place: string): Expr | undefined {
  if (path.length < 2 || !names.visibleRelation(path[0]!)) return undefined
  const { value, used } = names.resolve(path[0]!, path[1]!, place)
  return path.slice(used).reduce((found, part) => fieldOf(found, part, place), value)
}

/** The array's elements as a relation, whose alias is a value; fields of STRUCT elements are its columns. */
function unnest(t: Translation, names: Names, array: Expr, implicit: string | undefined): Primary {
  const { tokens } = t
  if (array.type && array.type.name !== 'ARRAY')
    throw new SqlRefused(
      `Values referenced in UNNEST must be arrays. UNNEST contains expression of type ${array.type.name}`,
    )
  const alias = parseAlias(t) ?? implicit
  const hasOffset = tokens.takeWord('WITH', 'OFFSET')
  const offset = hasOffset ? (parseAlias(t) ?? 'offset') : undefined
  const name = alias ?? t.freshName()
  const element = array.type?.element
  const value = expr(`${quoteName(name)}."_v"`, element, { name: alias })
  const fields = element?.name === 'STRUCT' ? (element.fields ?? []) : undefined
  const columns = fields
    ? fields.map(field => ({ ...fieldOf(value, field.name, ''), column: field.name }))
    : [{ ...value, column: alias ?? '' }]
  names.add({ alias: name, isAnonymous: alias === undefined, columns, value })
  if (offset !== undefined)
    names.add({
      alias: offset,
      isAnonymous: false,
      columns: [{ ...expr(`(${quoteName(name)}."_o" - 1)`, { name: 'INT64' }, { name: offset }), column: offset }],
      value: expr(`(${quoteName(name)}."_o" - 1)`, { name: 'INT64' }, { name: offset }),
    })
  const ordinality = hasOffset ? ' WITH ORDINALITY' : ''
  const list = `${quoteName(name)}("_v"${hasOffset ? ', "_o"' : ''})`
  const lateral = hasOffset
    ? `LATERAL (SELECT unnest(_a), generate_subscripts(_a, 1) FROM (SELECT ${array.sql} AS _a)) AS ${list}`
    : `LATERAL (SELECT unnest(${array.sql})) AS ${list}`
  return { sql: `UNNEST(${array.sql})${ordinality} AS ${list}`, isUnnest: true, lateral }
}

function table(t: Translation, names: Names, path: readonly string[], place: string): string {
  const common = path.length === 1 ? names.commonTable(path[0]!) : undefined
  if (common) {
    const alias = parseAlias(t) ?? path[0]!
    return `${common.sql}${add(t, names, alias, common.columns)}`
  }
  const view = informationSchema(t.scope, path)
  if (view) {
    const alias = parseAlias(t) ?? path.at(-1)!
    return `${view.sql}${add(t, names, alias, view.columns)}`
  }
  const found = findTable(t.scope, path, place)
  const alias = parseAlias(t) ?? path.at(-1)!
  const columns = found.schema.columns.map(column => ({ name: column.name, type: columnType(column) }))
  return `${physicalName(found)}${add(t, names, alias, columns)}`
}

/** The project, dataset and table a path means. Throws SqlRefused. */
export function tableRef(scope: SqlScope, path: readonly string[], place = ''): TableRef {
  const [table, dataset, ...project] = [...path].reverse()
  if (dataset === undefined && scope.dataset === undefined)
    throw new SqlRefused(`Table "${table}" must be qualified with a dataset (e.g. dataset.table).${place}`)
  return {
    project: project.length > 0 ? project.reverse().join('.') : scope.project,
    dataset: dataset ?? scope.dataset!,
    table: table!,
  }
}

export function findTable(
  scope: SqlScope,
  path: readonly string[],
  place: string,
): NonNullable<ReturnType<SqlScope['findTable']>> {
  const ref = tableRef(scope, path, place)
  if (ref.table.endsWith('*')) throw notTranslated(`The wildcard table ${ref.table}`)
  const found = scope.findTable(ref)
  if (!found)
    throw new SqlRefused(`Not found: Table ${ref.project}:${ref.dataset}.${ref.table} was not found`, 'notFound')
  return found
}
