// `kafkaDataFieldName`: a column that says which record a row came from. It is added behind the row the encoder wrote, so that no
// encoder knows of it; a field of that name in the record itself has no column. Same struct as Connect's sink writes.
import { type Column, MillraceError, type TableSchema, type WriterSchema } from '@millrace/core'
import { columnKey } from './field-names.ts'
import type { RowBuffer } from './row-buffer.ts'

/** As it is created; all NULLABLE, as Connect's sink has them. */
export const originColumn = (name: string): Column => ({
  name,
  type: 'STRUCT',
  mode: 'NULLABLE',
  fields: [
    { name: 'topic', type: 'STRING', mode: 'NULLABLE' },
    { name: 'partition', type: 'INT64', mode: 'NULLABLE' },
    { name: 'offset', type: 'INT64', mode: 'NULLABLE' },
    { name: 'insertTime', type: 'TIMESTAMP', mode: 'NULLABLE' },
  ],
})

const FIELDS = { topic: 'STRING', partition: 'INT64', offset: 'INT64', insertTime: 'TIMESTAMP' } as const
/** Tag and value of partition, offset and insertTime; tag and length of the topic. */
const NUMBERS_BYTES_MAX = 3 * (5 + 10) + 5 + 5
const MAX_EXACT = 2n ** 53n

/** The table without the column, for the encoder: what the record holds under that name is not for it. */
export const withoutOrigin = (table: TableSchema, name: string): TableSchema => ({
  columns: table.columns.filter(column => columnKey(column.name) !== columnKey(name)),
})

export class OriginColumn {
  readonly #tag: number
  /** Tag, length and text of the topic: the same in every row. */
  readonly #topic: Buffer
  readonly #partitionTag: number
  readonly #offsetTag: number
  readonly #insertTimeTag: number | null
  readonly #scratch: Buffer

  /** Throws TABLE_SCHEMA_UNSUPPORTED when the table has no such column, or one of another type. */
  constructor(name: string, topic: string, table: TableSchema, writer: WriterSchema) {
    const column = table.columns.find(each => columnKey(each.name) === columnKey(name))
    const field = writer.fields.find(each => columnKey(each.columnName ?? each.name) === columnKey(name))
    if (column?.type !== 'STRUCT' || column.mode === 'REPEATED' || field === undefined) throw unsuitable(name, column)
    const tagOf = (part: keyof typeof FIELDS): number | null => {
      const found = column.fields?.find(each => columnKey(each.name) === columnKey(part))
      const wire = field.fields?.find(each => columnKey(each.columnName ?? each.name) === columnKey(part))
      if (found === undefined && part === 'insertTime') return null
      if (found?.type !== FIELDS[part] || found.mode === 'REPEATED' || wire === undefined)
        throw unsuitable(name, column)
      return wire.number * 8 + (part === 'topic' ? 2 : 0)
    }
    const mandatory = column.fields?.find(each => each.mode === 'REQUIRED' && !isOurs(each.name))
    if (mandatory !== undefined) throw unsuitable(name, column)
    const text = Buffer.from(topic)
    this.#scratch = Buffer.alloc(NUMBERS_BYTES_MAX + text.length)
    const head = writeNumber(this.#scratch, writeNumber(this.#scratch, 0, tagOf('topic') ?? 0), text.length)
    text.copy(this.#scratch, head)
    this.#topic = Buffer.from(this.#scratch.subarray(0, head + text.length))
    this.#tag = field.number * 8 + 2
    this.#partitionTag = tagOf('partition') ?? 0
    this.#offsetTag = tagOf('offset') ?? 0
    this.#insertTimeTag = tagOf('insertTime')
  }

  /**
   * Adds it to the row that was written last, whose length is `length`; answers the length the row has then.
   * @param insertTimeMs since the epoch
   */
  append(rows: RowBuffer, length: number, partition: number, offset: bigint, insertTimeMs: number): number {
    const scratch = this.#scratch
    const body = this.#topic.length
    this.#topic.copy(scratch, 0)
    let at = writeNumber(scratch, writeNumber(scratch, body, this.#partitionTag), partition)
    at = writeNumber(scratch, at, this.#offsetTag)
    at = offset < MAX_EXACT ? writeNumber(scratch, at, Number(offset)) : writeBig(scratch, at, offset)
    if (this.#insertTimeTag !== null)
      at = writeNumber(scratch, writeNumber(scratch, at, this.#insertTimeTag), Math.trunc(insertTimeMs) * 1_000)
    return rows.extendRow(length, this.#tag, scratch, at)
  }
}

const isOurs = (name: string): boolean => Object.keys(FIELDS).some(part => columnKey(part) === columnKey(name))

/** Varint of a whole number below 2^53; answers the position behind it. */
function writeNumber(bytes: Buffer, at: number, value: number): number {
  let rest = value
  let position = at
  while (rest > 0x7f) {
    bytes[position++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  bytes[position++] = rest
  return position
}

function writeBig(bytes: Buffer, at: number, value: bigint): number {
  let rest = value
  let position = at
  while (rest > 0x7fn) {
    bytes[position++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  bytes[position++] = Number(rest)
  return position
}

function unsuitable(name: string, column: Column | undefined): MillraceError {
  const is = column === undefined ? 'The table has no such column' : `Column ${column.name} is another one`
  return new MillraceError(
    'TABLE_SCHEMA_UNSUPPORTED',
    'failPartition',
    `kafkaDataFieldName ${name}: ${is}; it must be a STRUCT<topic STRING, partition INT64, offset INT64, insertTime TIMESTAMP>.`,
    { details: { column: name } },
  )
}
