// Change data capture: what a row says of itself in two fields that are no columns, _CHANGE_TYPE and _CHANGE_SEQUENCE_NUMBER.
// https://cloud.google.com/bigquery/docs/change-data-capture
import type { Table } from '../catalog/resources.ts'
import { PROTO_TYPE, readDescriptor } from '../rows/descriptor.ts'
import { UnusableDescriptor } from '../rows/field-match.ts'
import { Cursor, MalformedProto, WIRE } from '../wire/cursor.ts'
import type { WriterSchema } from './storage.ts'

const TYPE = '_CHANGE_TYPE'
const SEQUENCE = '_CHANGE_SEQUENCE_NUMBER'
const ANYWHERE = /_change_type/i
/** `field` of DescriptorProto, as tag. */
const FIELD_TAG = (2 << 3) | WIRE.BYTES

/** The writer schema without the two fields, and where they are in a row. */
export type ChangeFields = {
  readonly schema: WriterSchema
  readonly typeField: number
  readonly sequenceField: number | undefined
}

/** Undefined when rows of this writer schema are no changes. Throws UnusableDescriptor or MalformedProto. */
export function changeFieldsOf(schema: WriterSchema): ChangeFields | undefined {
  // Searched first: parsing a descriptor takes longer, and next to none has it. In any case: Java lower-cases every field.
  if (schema.kind !== 'proto' || !ANYWHERE.test(schema.bytes.toString('latin1'))) return undefined
  const { fields } = readDescriptor(schema.bytes)
  const find = (name: string): number | undefined => {
    const field = fields.find(candidate => isNamed(candidate.columnName ?? candidate.name, name))
    if (!field) return undefined
    if (field.type !== PROTO_TYPE.STRING || field.label === 'repeated')
      throw new UnusableDescriptor(`Field ${name} must be a single string.`)
    return field.number
  }
  const typeField = find(TYPE)
  if (typeField === undefined) return undefined
  const bytes = withoutFields(schema.bytes)
  return { schema: { kind: 'proto', bytes }, typeField, sequenceField: find(SEQUENCE) }
}

/** What is to be found among the table's columns. Throws as changeFieldsOf does. */
export const columnsOnly = (schema: WriterSchema): WriterSchema => changeFieldsOf(schema)?.schema ?? schema

/** Whether rows of this writer schema are changes. One that cannot be read is for its decoder to refuse. */
export function hasChangeType(schema: WriterSchema): boolean {
  try {
    return changeFieldsOf(schema) !== undefined
  } catch {
    return false
  }
}

const isNamed = (name: string, wanted: string): boolean => name.toUpperCase() === wanted

/** The descriptor but for the two fields: a row's values for them are then unknown fields, which are skipped. */
function withoutFields(descriptor: Buffer): Buffer {
  const parts: Buffer[] = []
  const cursor = new Cursor(descriptor)
  while (cursor.pos < cursor.end) {
    const from = cursor.pos
    const tag = cursor.tag()
    cursor.skip(tag & 7)
    const entry = descriptor.subarray(from, cursor.pos)
    // An entry by itself is a descriptor of one field.
    const field = tag === FIELD_TAG ? readDescriptor(entry).fields[0] : undefined
    if (![TYPE, SEQUENCE].some(wanted => field && isNamed(field.columnName ?? field.name, wanted))) parts.push(entry)
  }
  return Buffer.concat(parts)
}

/** What one row says. */
export type ChangeText = { readonly type: string; readonly sequence: string | undefined }

/** Reads the two fields of a row; the last value wins. Undefined when the row cannot be read, which its decoder says better. */
export function readChange(cursor: Cursor, { typeField, sequenceField }: ChangeFields): ChangeText | undefined {
  const typeTag = ((typeField << 3) | WIRE.BYTES) >>> 0
  const sequenceTag = sequenceField && ((sequenceField << 3) | WIRE.BYTES) >>> 0
  let type = ''
  let sequence: string | undefined
  try {
    while (cursor.pos < cursor.end) {
      const tag = cursor.tag()
      if (tag === typeTag) type = cursor.text()
      else if (tag === sequenceTag) sequence = cursor.text()
      else cursor.skip(tag & 7)
    }
  } catch (error) {
    if (error instanceof MalformedProto) return undefined
    throw error
  }
  return { type, sequence }
}

const SECTIONS_MAX = 4
const SECTION = /^[0-9a-f]{1,16}$/i

/**
 * A sequence number as text that sorts as the numbers do: one to four hexadecimal sections, compared one by one. Undefined when it is
 * none. Nothing is said of a number that is the beginning of another: here it is the smaller.
 */
export function sortableSequence(text: string): string | undefined {
  const sections = text.split('/')
  if (sections.length > SECTIONS_MAX || !sections.every(section => SECTION.test(section))) return undefined
  return sections.map(section => section.toLowerCase().padStart(16, '0')).join('/')
}

/** The primary key's columns as the table spells them; empty without one. */
export function keyColumns(table: Table): readonly string[] {
  const { primaryKey } = (table.rest.tableConstraints ?? {}) as { primaryKey?: { columns?: readonly unknown[] } | null }
  const wanted = new Set((primaryKey?.columns ?? []).map(name => String(name).toLowerCase()))
  return table.schema.columns.map(({ name }) => name).filter(name => wanted.has(name.toLowerCase()))
}
