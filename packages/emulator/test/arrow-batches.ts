// Arrow's own library as the writer: tables become the two IPC messages a client sends apart.
import * as arrow from 'apache-arrow'

export type Messages = { readonly schema: Buffer; readonly batch: Buffer }

/** The schema message and the record batch message of a table of one batch. */
export function messagesOf(table: arrow.Table): Messages {
  const bytes = Buffer.from(arrow.tableToIPC(table, 'stream'))
  const schemaEnd = 8 + bytes.readInt32LE(4)
  // Eight bytes end the stream.
  return { schema: bytes.subarray(0, schemaEnd), batch: bytes.subarray(schemaEnd, bytes.length - 8) }
}

/** A table of columns, each a type and its values. */
export function tableOf(columns: Record<string, [type: arrow.DataType, values: readonly unknown[]]>): arrow.Table {
  const fields = Object.entries(columns).map(([name, [type]]) => new arrow.Field(name, type, true))
  const vectors = Object.values(columns).map(([type, values]) => arrow.vectorFromArray(values as unknown[], type))
  const length = vectors[0]?.length ?? 0
  const struct = arrow.makeData({
    type: new arrow.Struct(fields),
    length,
    nullCount: 0,
    children: vectors.map(vector => vector.data[0]!),
  })
  const schema = new arrow.Schema(fields)
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, struct)])
}
