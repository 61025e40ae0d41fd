// The rows of the probes: every probe marks its own, so that one table serves them all.
import { APPEND_HEADROOM_BYTES, type FrozenRows, PROTO_TYPE, type TableSchema, type WriterSchema } from '@millrace/core'

/** `short` is there to be too long. */
export const SCHEMA: TableSchema = {
  columns: [
    { name: 'id', type: 'INT64', mode: 'REQUIRED' },
    { name: 'mark', type: 'STRING', mode: 'NULLABLE' },
    { name: 'short', type: 'STRING', mode: 'NULLABLE', maxLength: 10 },
  ],
}
export const WRITER_SCHEMA: WriterSchema = {
  fields: [
    { name: 'id', number: 1, type: PROTO_TYPE.INT64, label: 'optional' },
    { name: 'mark', number: 2, type: PROTO_TYPE.STRING, label: 'optional' },
    { name: 'short', number: 3, type: PROTO_TYPE.STRING, label: 'optional' },
  ],
}

/** `count` rows with ids from `firstId`; those at the positions of `bad` are refused by the service. */
export const rowsOf = (mark: string, firstId: number, count: number, bad: readonly number[] = []): FrozenRows =>
  freeze(
    Array.from({ length: count }, (_, index) =>
      row(firstId + index, mark, bad.includes(index) ? 'longer than ten' : 'fits'),
    ),
  )

function freeze(rows: readonly Buffer[]): FrozenRows {
  const fields = rows.flatMap(bytes => [Buffer.from([0x0a, ...varint(bytes.length)]), bytes])
  const bytes = Buffer.concat([Buffer.alloc(APPEND_HEADROOM_BYTES), ...fields])
  return { bytes, start: APPEND_HEADROOM_BYTES, end: bytes.length, rowCount: rows.length }
}

const row = (id: number, mark: string, short: string): Buffer =>
  Buffer.concat([Buffer.from([0x08, ...varint(id)]), text(0x12, mark), text(0x1a, short)])

function text(tag: number, value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([tag, ...varint(bytes.length)]), bytes])
}

function varint(value: number): readonly number[] {
  const out: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) out.push((rest & 0x7f) | 0x80)
  return [...out, rest]
}
