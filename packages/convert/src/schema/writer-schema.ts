// The proto message rows are encoded as, derived from a table. A column of a type that cannot be written yet is left out:
// the table stays usable, and a record that carries a value for it is refused by name. A column name that is no proto
// identifier gets a placeholder and travels in `columnName`, which BigQuery trusts over the field name.
// https://cloud.google.com/bigquery/docs/supported-data-types
import {
  type Column,
  type ColumnType,
  MillraceError,
  PROTO_TYPE,
  type ProtoType,
  type TableSchema,
  type WriterField,
  type WriterSchema,
} from '@millrace/core'

/** How each column type travels; `undefined` = not writable yet. NUMERIC and BIGNUMERIC are bytes: see README. */
export const WIRE_TYPE: Readonly<Partial<Record<ColumnType, ProtoType>>> = {
  BOOL: PROTO_TYPE.BOOL,
  INT64: PROTO_TYPE.INT64,
  FLOAT64: PROTO_TYPE.DOUBLE,
  NUMERIC: PROTO_TYPE.BYTES,
  BIGNUMERIC: PROTO_TYPE.BYTES,
  STRING: PROTO_TYPE.STRING,
  BYTES: PROTO_TYPE.BYTES,
  DATE: PROTO_TYPE.INT32,
  TIME: PROTO_TYPE.INT64,
  DATETIME: PROTO_TYPE.INT64,
  TIMESTAMP: PROTO_TYPE.INT64,
  JSON: PROTO_TYPE.STRING,
  STRUCT: PROTO_TYPE.MESSAGE,
}

/** BigQuery's own bound; also what keeps every recursion over a schema shallow. */
export const MAX_STRUCT_DEPTH = 15

/** First and last field number protobuf keeps for itself. */
const RESERVED = { first: 19_000, count: 1_000 } as const

/**
 * Throws TABLE_SCHEMA_UNSUPPORTED when a REQUIRED column without default has a type that cannot be written:
 * no row could ever be valid.
 */
export function writerSchemaFor(table: TableSchema): WriterSchema {
  return { fields: fieldsFor(table.columns, '', 1) }
}

function fieldsFor(columns: readonly Column[], parentPath: string, depth: number): WriterField[] {
  if (depth > MAX_STRUCT_DEPTH) throw unsupported(parentPath, `nests deeper than ${MAX_STRUCT_DEPTH} levels`)
  const taken = new Set(columns.map(column => column.name.toLowerCase()))
  const fields: WriterField[] = []
  for (const [index, column] of columns.entries()) {
    const path = parentPath === '' ? column.name : `${parentPath}.${column.name}`
    const type = WIRE_TYPE[column.type]
    const nested = column.type === 'STRUCT' ? fieldsFor(column.fields ?? [], path, depth + 1) : undefined
    if (type === undefined || nested?.length === 0) {
      if (isMandatory(column)) throw unsupported(path, `has type ${column.type}`)
      continue
    }
    const number = fieldNumber(index)
    const name = isProtoIdentifier(column.name) ? column.name : placeholder(number, taken)
    fields.push({
      name,
      number,
      type,
      label: column.mode === 'REPEATED' ? 'repeated' : 'optional',
      ...(nested && { fields: nested }),
      ...(name !== column.name && { columnName: column.name }),
    })
  }
  return fields
}

/** REQUIRED and not filled by BigQuery itself: a row without it is invalid. */
export const isMandatory = (column: Column): boolean =>
  column.mode === 'REQUIRED' && column.defaultExpression === undefined

const fieldNumber = (index: number): number => (index + 1 < RESERVED.first ? index + 1 : index + 1 + RESERVED.count)

const isProtoIdentifier = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)

function placeholder(number: number, taken: Set<string>): string {
  let name = `col_${number}`
  while (taken.has(name)) name += '_'
  taken.add(name)
  return name
}

const unsupported = (path: string, what: string): MillraceError =>
  new MillraceError(
    'TABLE_SCHEMA_UNSUPPORTED',
    'failPartition',
    `REQUIRED column ${path} ${what}, which this version cannot write.`,
    { details: { column: path } },
  )
