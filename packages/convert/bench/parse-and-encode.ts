// JSON.parse and an encoder that walks objects: how most writers do it. Its values are not exact; it is here for its speed.
import { type Column, type ColumnType, PROTO_TYPE, type TableSchema, type WriterField } from '@millrace/core'
import { type RowEncoder, writerSchemaFor } from '../src/index.ts'
import { ProtoWriter } from '../src/proto-writer.ts'

export function parseAndEncode(table: TableSchema, isEnvelope: boolean): RowEncoder {
  const writer = new ProtoWriter()
  const schema = writerSchemaFor(table)
  const types = new Map<WriterField, ColumnType>()
  const note = (columns: readonly Column[], fields: readonly WriterField[]): void => {
    for (const [i, field] of fields.entries()) {
      types.set(field, columns[i]!.type)
      if (field.fields !== undefined) note(columns[i]!.fields ?? [], field.fields)
    }
  }
  note(table.columns, schema.fields)
  const one = (field: WriterField, value: unknown): void => {
    const type = types.get(field)
    if (field.type === PROTO_TYPE.MESSAGE)
      writer.message(field.number, () => all(field.fields ?? [], value as Record<string, unknown>))
    else if (field.type === PROTO_TYPE.STRING) writer.string(field.number, value as string)
    else if (field.type === PROTO_TYPE.DOUBLE) writer.double(field.number, value as number)
    else if (field.type === PROTO_TYPE.BOOL) writer.bool(field.number, value as boolean)
    else if (field.type === PROTO_TYPE.BYTES) writer.string(field.number, String(value))
    else if (type === 'DATETIME' || type === 'TIMESTAMP')
      writer.int64(field.number, BigInt(Date.parse(value as string)) * 1000n)
    else writer.int64(field.number, BigInt(value as number))
  }
  const all = (fields: readonly WriterField[], record: Record<string, unknown>): void => {
    for (const field of fields) {
      const value = record[field.name]
      if (value == null) continue
      if (field.label === 'repeated') for (const item of value as unknown[]) one(field, item)
      else one(field, value)
    }
  }
  return {
    lastError: null as never,
    encode(bytes, start, end, out) {
      writer.reset()
      const parsed = JSON.parse(bytes.toString('utf8', start, end)) as Record<string, unknown>
      all(schema.fields, isEnvelope ? (parsed.payload as Record<string, unknown>) : parsed)
      out.appendRow(writer.view())
      return writer.length
    },
  }
}
