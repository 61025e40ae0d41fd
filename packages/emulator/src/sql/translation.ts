// One statement on its way: its tokens, what it may refer to, and the queries inside its expressions.
import type { DatasetRef, TableRef } from '../catalog/names.ts'
import type { Table } from '../catalog/resources.ts'
import type { Expr } from './expr.ts'
import type { Names, Output } from './names.ts'
import type { TokenStream } from './token-stream.ts'

/** A value of a query parameter in the REST API's shape. https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter */
export type ParameterType = {
  readonly type: string
  readonly arrayType?: ParameterType | undefined
  readonly structTypes?: readonly { readonly name?: string; readonly type: ParameterType }[] | undefined
  readonly rangeElementType?: { readonly type: string } | undefined
}
export type ParameterValue = {
  readonly value?: string | null | undefined
  readonly arrayValues?: readonly ParameterValue[] | undefined
  readonly structValues?: Readonly<Record<string, ParameterValue>> | undefined
  readonly rangeValue?: { readonly start?: ParameterValue; readonly end?: ParameterValue } | undefined
}
export type QueryParameters = {
  readonly mode: 'named' | 'positional'
  readonly values: readonly {
    readonly name?: string | undefined
    readonly parameterType: ParameterType
    readonly parameterValue: ParameterValue
  }[]
}

export type SqlScope = {
  readonly project: string
  /** The default dataset; undefined: tables must be qualified. */
  readonly dataset: string | undefined
  readonly findTable: (ref: TableRef) => Table | undefined
  /** The tables of a dataset, for INFORMATION_SCHEMA; without it that is refused. */
  readonly tablesOf?: ((ref: DatasetRef) => readonly Table[]) | undefined
  readonly parameters?: QueryParameters | undefined
}

/** A query in DuckDB's words. Its column names are those of `columns`. */
export type Query = { readonly sql: string; readonly columns: readonly Output[]; readonly isStruct: boolean }

export type Translation = {
  readonly tokens: TokenStream
  readonly scope: SqlScope
  /** Reads a query, without parentheses around it. */
  readonly query: (outer: Names | undefined) => Query
  /** Reads an expression. */
  readonly expression: (names: Names) => Expr
  /** A DuckDB name no statement has used. */
  readonly freshName: () => string
  /** Positional parameters used so far. */
  readonly nextPosition: () => number
}
