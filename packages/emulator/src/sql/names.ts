// What names mean where an expression stands: relations of FROM with their columns, aliases of the select list, CTEs, outer queries.
// Every name is resolved here and written out in full, so nothing that only DuckDB knows (its own columns, its reuse of aliases) is
// reachable, and what BigQuery would not find is refused in its words.
import { quoteName, quoteText } from '../storage/duckdb-names.ts'
import { type Expr, expr } from './expr.ts'
import { notTranslated, SqlRefused } from './refused.ts'
import { type SqlField, type SqlType, structOf } from './types.ts'

export type Output = { readonly name: string; readonly type: SqlType | undefined; readonly isAnonymous?: boolean }

export type Relation = {
  readonly alias: string
  readonly isAnonymous: boolean
  readonly columns: readonly (Expr & { readonly column: string })[]
  /** Of UNNEST: the alias is a value. */
  readonly value?: Expr
}

/** What DuckDB calls the common table and what columns it has. */
type CommonTable = { readonly sql: string; readonly columns: readonly Output[] }

const PSEUDO_COLUMN = /^_(PARTITIONTIME|PARTITIONDATE|TABLE_SUFFIX|FILE_NAME|CHANGE_TYPE|CHANGE_TIMESTAMP)$/i

export class Names {
  readonly relations: Relation[] = []
  /** Columns that JOIN USING made one, by lower-cased name. */
  readonly merged: Map<string, Expr & { readonly column: string }> = new Map()
  /** Aliases of the select list, by lower-cased name, once they may be used. */
  aliases: ReadonlyMap<string, Expr> = new Map()
  /** The query around this one. */
  readonly outer: Names | undefined
  private readonly commonTables = new Map<string, CommonTable>()

  constructor(parent: Names | undefined) {
    this.outer = parent
  }

  defineCommonTable(name: string, table: CommonTable): void {
    this.commonTables.set(name.toLowerCase(), table)
  }

  commonTable(name: string): CommonTable | undefined {
    return this.commonTables.get(name.toLowerCase()) ?? this.outer?.commonTable(name)
  }

  add(relation: Relation): void {
    if (this.relations.some(other => sameName(other.alias, relation.alias)))
      throw new SqlRefused(`Duplicate table alias ${relation.alias} in the same FROM clause`)
    this.relations.push(relation)
  }

  relation(alias: string): Relation | undefined {
    return this.relations.find(relation => !relation.isAnonymous && sameName(relation.alias, alias))
  }

  /** Also looks in outer queries. */
  visibleRelation(alias: string): Relation | undefined {
    return this.relation(alias) ?? this.outer?.visibleRelation(alias)
  }

  /**
   * What `name` means, or `name.field` where `name` is a relation; `used` tells how many parts were taken. Throws SqlRefused.
   */
  resolve(name: string, field: string | undefined, place: string): { value: Expr; used: 1 | 2 } {
    for (let names: Names | undefined = this; names; names = names.outer) {
      const found = names.resolveHere(name, field, place)
      if (found) return found
    }
    if (PSEUDO_COLUMN.test(name)) throw notTranslated(`The pseudo column ${name}`)
    throw new SqlRefused(`Unrecognized name: ${name}${place}`)
  }

  private resolveHere(
    name: string,
    field: string | undefined,
    place: string,
  ): { value: Expr; used: 1 | 2 } | undefined {
    const relation = this.relation(name)
    if (relation && field !== undefined) {
      const columns = relation.columns.filter(column => sameName(column.column, field))
      if (columns.length > 1) throw new SqlRefused(`Column name ${field} is ambiguous${place}`)
      if (columns[0]) return { value: columns[0], used: 2 }
    }
    const column = this.column(name, place)
    if (column) return { value: column, used: 1 }
    if (relation) {
      if (relation.value) return { value: relation.value, used: 1 }
      if (field === undefined) return { value: rowOf(relation), used: 1 }
      if (PSEUDO_COLUMN.test(field)) throw notTranslated(`The pseudo column ${field}`)
      throw new SqlRefused(`Name ${field} not found inside ${name}${place}`)
    }
    const alias = this.aliases.get(name.toLowerCase())
    return alias && { value: alias, used: 1 }
  }

  column(name: string, place: string): Expr | undefined {
    const merged = this.merged.get(name.toLowerCase())
    if (merged) return merged
    const found = this.relations.flatMap(relation => relation.columns.filter(column => sameName(column.column, name)))
    if (found.length > 1) throw new SqlRefused(`Column name ${name} is ambiguous${place}`)
    return found[0]
  }

  /** The columns `*` stands for. */
  star(): readonly (Expr & { readonly column: string })[] {
    const rest = this.relations.flatMap(relation =>
      relation.columns.filter(column => !this.merged.has(column.column.toLowerCase())),
    )
    return [...this.merged.values(), ...rest]
  }
}

/** A relation's row as a value. */
function rowOf(relation: Relation): Expr {
  const fields = relation.columns.map(column => `${quoteName(column.column)} := ${column.sql}`)
  if (fields.length === 0) throw notTranslated('The row of a table without columns as a value')
  const type = structOf(relation.columns.map((column): SqlField => ({ name: column.column, type: column.type })))
  return expr(`struct_pack(${fields.join(', ')})`, type, { name: relation.alias })
}

/** The field of a struct. */
export function fieldOf(value: Expr, name: string, place: string): Expr {
  const { type } = value
  if (type?.name === 'JSON')
    return expr(`json_extract(${value.sql}, ${quoteText(`$."${name.replaceAll('"', '\\"')}"`)})`, type, { name })
  if (type && (type.name !== 'STRUCT' || type.fields)) {
    const field = type.fields?.find(candidate => sameName(candidate.name, name))
    if (!field) {
      if (type.name === 'STRUCT') throw new SqlRefused(`Field name ${name} does not exist in struct${place}`)
      throw new SqlRefused(`Cannot access field ${name} on a value with type ${type.name}${place}`)
    }
    return expr(`struct_extract(${value.sql}, ${quoteText(field.name)})`, field.type, { name: field.name })
  }
  return expr(`struct_extract(${value.sql}, ${quoteText(name)})`, undefined, { name })
}

export const sameName = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** A column of a relation, by its full name. */
export const columnOf = (alias: string, column: Output): Expr & { readonly column: string } => ({
  ...expr(`${quoteName(alias)}.${quoteName(column.name)}`, column.type, { name: column.name }),
  column: column.name,
})
