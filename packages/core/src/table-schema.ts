// Tables and writer schemas in domain words, shared by convert (which encodes) and bigquery (which speaks the wire).

export type ColumnType =
  | 'BOOL'
  | 'INT64'
  | 'FLOAT64'
  | 'NUMERIC'
  | 'BIGNUMERIC'
  | 'STRING'
  | 'BYTES'
  | 'DATE'
  | 'TIME'
  | 'DATETIME'
  | 'TIMESTAMP'
  | 'JSON'
  | 'STRUCT'
  | 'GEOGRAPHY'
  | 'INTERVAL'
  | 'RANGE'
export type ColumnMode = 'NULLABLE' | 'REQUIRED' | 'REPEATED'

export type Column = {
  readonly name: string
  readonly type: ColumnType
  readonly mode: ColumnMode
  readonly description?: string
  readonly fields?: readonly Column[]
  readonly maxLength?: number
  readonly precision?: number
  readonly scale?: number
  /** SQL default expression, when the table declares one. */
  readonly defaultExpression?: string
}
export type TableSchema = { readonly columns: readonly Column[] }

export type TableSpec = {
  readonly schema: TableSchema
  readonly description?: string
  readonly timePartitioning?: {
    readonly type: 'HOUR' | 'DAY' | 'MONTH' | 'YEAR'
    readonly field?: string
    readonly expirationMs?: number
  }
  readonly clustering?: readonly string[]
}
export type TableInfo = {
  readonly schema: TableSchema
  /** Identifies the incarnation of the table: ms since the epoch, as BigQuery states it. */
  readonly creationTime: string
  readonly location: string
}

/** Proto scalar types the encoder writes; numbers as in google.protobuf.FieldDescriptorProto.Type. */
export const PROTO_TYPE = { DOUBLE: 1, INT64: 3, INT32: 5, BOOL: 8, STRING: 9, MESSAGE: 11, BYTES: 12 } as const
export type ProtoType = (typeof PROTO_TYPE)[keyof typeof PROTO_TYPE]

/** The proto message rows are encoded as: what convert writes and what bigquery describes to the service. */
export type WriterField = {
  /** A valid proto identifier. */
  readonly name: string
  readonly number: number
  readonly type: ProtoType
  readonly label: 'optional' | 'repeated'
  readonly fields?: readonly WriterField[]
  /** Destination column when `name` had to differ from it (`column_name` option). */
  readonly columnName?: string
}
export type WriterSchema = { readonly fields: readonly WriterField[] }
