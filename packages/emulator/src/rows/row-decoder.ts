// Writer schema × table schema → a decoder from row bytes straight into column builders, compiled once per pair.
// Which proto types go into which column: https://cloud.google.com/bigquery/docs/supported-data-types
import type { Column, TableSchema } from '../catalog/table-schema.ts'
import { Cursor, MalformedProto, WIRE } from '../wire/cursor.ts'
import type { ColumnBuilder, FixedColumn, ListColumn, StructColumn, TextColumn } from './columns.ts'
import { type EnumDescriptor, type FieldDescriptor, type MessageDescriptor, PROTO_TYPE as T } from './descriptor.ts'
import {
  encodeDefault,
  packedWireType,
  protoTypeName,
  type ReadField,
  RowFault,
  valueReader,
  wireTypeOf,
} from './values.ts'

/** The writer schema has a field the table lacks. */
export class ExtraFields extends Error {}
/** The writer schema cannot be used for another reason. */
export class UnusableDescriptor extends Error {}

type MessagePlan = {
  readonly readers: ReadonlyMap<number, ReadField> | readonly (ReadField | undefined)[]
  /** Fills what absent fields get and complains about what is missing. */
  readonly finish: (row: number) => void
}

/** Field numbers up to here are looked up in an array, larger ones in a map. */
const DENSE_FIELDS_MAX = 1024

/** Decodes one row into row `row` of the builders it was compiled for; the message names what is wrong with a bad row. */
export type RowDecoder = (cursor: Cursor, row: number) => string | undefined

/** Checks a writer schema against a table without building a decoder; throws as `compileRowDecoder` does. */
export function checkDescriptor(descriptor: MessageDescriptor, schema: TableSchema): void {
  matchFields(descriptor, descriptor, schema.columns, '')
}

/** Throws ExtraFields or UnusableDescriptor. */
export function compileRowDecoder(
  descriptor: MessageDescriptor,
  schema: TableSchema,
  builders: readonly ColumnBuilder[],
): RowDecoder {
  const plan = compileMessage(descriptor, descriptor, schema.columns, builders, '')
  return (cursor, row) => {
    try {
      readMessage(cursor, plan, row)
      return undefined
    } catch (fault) {
      if (fault instanceof RowFault) return fault.message
      if (fault instanceof MalformedProto) return `Invalid protobuf row: ${fault.message}.`
      throw fault
    }
  }
}

function readMessage(c: Cursor, plan: MessagePlan, row: number): void {
  const { readers } = plan
  const isDense = Array.isArray(readers)
  while (c.pos < c.end) {
    const tag = c.tag()
    const number = tag >>> 3
    const read = isDense
      ? (readers as readonly (ReadField | undefined)[])[number]
      : (readers as Map<number, ReadField>).get(number)
    if (read) read(c, tag & 7, row)
    else c.skip(tag & 7)
  }
  plan.finish(row)
}

type Match = {
  readonly field: FieldDescriptor
  readonly column: Column
  readonly index: number
  readonly nested: MessageDescriptor | undefined
}

function matchFields(
  root: MessageDescriptor,
  message: MessageDescriptor,
  columns: readonly Column[],
  path: string,
): Match[] {
  const byName = new Map(columns.map((column, index) => [column.name.toLowerCase(), { column, index }]))
  const taken = new Set<number>()
  const numbers = new Set<number>()
  return message.fields.map(field => {
    const wanted = field.columnName ?? field.name
    const found = byName.get(wanted.toLowerCase())
    if (!found) throw new ExtraFields(path + wanted)
    if (taken.has(found.index))
      throw new UnusableDescriptor(`Column ${path}${wanted} is written by more than one field of the proto descriptor.`)
    if (field.number < 1 || field.number > 536870911 || numbers.has(field.number))
      throw new UnusableDescriptor(`Field ${path}${field.name} has an invalid or repeated number ${field.number}.`)
    if (field.type === T.GROUP) throw new UnusableDescriptor(`Field ${path}${field.name}: groups are not supported.`)
    taken.add(found.index)
    numbers.add(field.number)
    const isRepeated = field.label === 'repeated'
    if (isRepeated !== (found.column.mode === 'REPEATED'))
      throw new UnusableDescriptor(
        `Field ${path}${field.name}: proto label ${field.label} does not fit the ${found.column.mode} column ${found.column.name}.`,
      )
    const nested = field.type === T.MESSAGE ? findNested(root, message, field.typeName) : undefined
    if (field.type === T.MESSAGE && !nested)
      throw new UnusableDescriptor(
        `Field ${path}${field.name}: message type ${field.typeName} is not nested in the descriptor.`,
      )
    if (found.column.type === 'STRUCT' && nested)
      matchFields(root, nested, found.column.fields, `${path}${found.column.name}.`)
    return { field, nested, ...found }
  })
}

/** Types are referenced relatively; the last name is looked up from the inside out. */
function findNested(
  root: MessageDescriptor,
  message: MessageDescriptor,
  typeName: string,
): MessageDescriptor | undefined {
  const names = typeName.split('.').filter(name => name !== '')
  const below = (start: MessageDescriptor): MessageDescriptor | undefined => {
    for (let from = 0; from < names.length; from++) {
      let at: MessageDescriptor | undefined = start
      for (const name of names.slice(from)) at = at?.nested.find(candidate => candidate.name === name)
      if (at && at !== start) return at
    }
    return undefined
  }
  return below(message) ?? below(root)
}

function compileMessage(
  root: MessageDescriptor,
  message: MessageDescriptor,
  columns: readonly Column[],
  builders: readonly ColumnBuilder[],
  path: string,
): MessagePlan {
  const matches = matchFields(root, message, columns, path)
  const isDense = matches.every(({ field }) => field.number <= DENSE_FIELDS_MAX)
  const readers: (ReadField | undefined)[] = isDense
    ? new Array(Math.max(0, ...matches.map(m => m.field.number)) + 1).fill(undefined)
    : []
  const sparse = new Map<number, ReadField>()
  for (const match of matches) {
    const read = compileField(root, message, match, builders[match.index]!, path)
    if (isDense) readers[match.field.number] = read
    else sparse.set(match.field.number, read)
  }
  const required = columns
    .map((column, index) => ({ name: path + column.name, builder: builders[index]!, mode: column.mode }))
    .filter(({ mode }) => mode === 'REQUIRED')
  const defaults = matches.flatMap(match =>
    defaultOf(match, builders[match.index]!, readers[match.field.number] ?? sparse.get(match.field.number)!),
  )
  const obliged = matches
    .filter(({ field }) => field.label === 'required')
    .map(match => ({ name: path + match.column.name, builder: builders[match.index]! }))
  const finish = (row: number): void => {
    for (let i = 0; i < defaults.length; i++) if (defaults[i]!.builder.valid[row] === 0) defaults[i]!.apply(row)
    for (let i = 0; i < obliged.length; i++)
      if (obliged[i]!.builder.valid[row] === 0)
        throw new RowFault(`Invalid protobuf row: required field ${obliged[i]!.name} is missing.`)
    for (let i = 0; i < required.length; i++) {
      const { builder, name } = required[i]!
      if (builder.valid[row] === 0) throw new RowFault(`Required field ${name} is missing.`)
    }
  }
  return { readers: isDense ? readers : sparse, finish }
}

/** proto2 field defaults stand in for absent fields. */
function defaultOf(
  match: Match,
  builder: ColumnBuilder,
  read: ReadField,
): { builder: ColumnBuilder; apply: (row: number) => void }[] {
  const { field, nested } = match
  if (field.defaultValue === undefined || field.label === 'repeated' || nested) return []
  const bytes = encodeDefault(field, field.defaultValue)
  if (!bytes) throw new UnusableDescriptor(`Field ${field.name}: default value ${field.defaultValue} cannot be read.`)
  return [{ builder, apply: row => read(new Cursor(bytes), wireTypeOf(field.type), row) }]
}

function compileField(
  root: MessageDescriptor,
  message: MessageDescriptor,
  match: Match,
  builder: ColumnBuilder,
  path: string,
): ReadField {
  const { field, column } = match
  if (column.mode !== 'REPEATED') return compileElement(root, message, match, builder, path)
  const list = builder as ListColumn
  const readElement = compileElement(root, message, match, list.child, path)
  const packedWire = packedWireType(field.type)
  return (c, wireType, row) => {
    if (wireType !== WIRE.BYTES || packedWire === undefined) return readElement(c, wireType, list.push(row))
    const length = c.length()
    const outer = c.end
    c.end = c.pos + length
    while (c.pos < c.end) readElement(c, packedWire, list.push(row))
    c.end = outer
  }
}

function compileElement(
  root: MessageDescriptor,
  message: MessageDescriptor,
  match: Match,
  builder: ColumnBuilder,
  path: string,
): ReadField {
  const { field, column, nested } = match
  const name = path + column.name
  if (column.type !== 'STRUCT') {
    const enumType = field.type === T.ENUM ? findEnum(root, message, field.typeName) : undefined
    const read = valueReader({ field, column, name, nested, enumType, builder: builder as FixedColumn | TextColumn })
    if (!read)
      throw new UnusableDescriptor(
        `The proto field mismatched with BigQuery field at ${name}, the proto field type ${protoTypeName(field)}, BigQuery field type ${column.type}.`,
      )
    return read
  }
  if (!nested)
    throw new UnusableDescriptor(
      `The proto field mismatched with BigQuery field at ${name}, the proto field type ${protoTypeName(field)}, BigQuery field type STRUCT.`,
    )
  const struct = builder as StructColumn
  const plan = compileMessage(root, nested, column.fields, struct.children, `${name}.`)
  return (c, wireType, row) => {
    if (wireType !== WIRE.BYTES) throw new MalformedProto(`field ${name} has wire type ${wireType}`)
    struct.valid[row] = 1
    const length = c.length()
    const outer = c.end
    c.end = c.pos + length
    readMessage(c, plan, row)
    c.end = outer
  }
}

function findEnum(root: MessageDescriptor, message: MessageDescriptor, typeName: string): EnumDescriptor | undefined {
  const last = typeName.split('.').at(-1)
  const holders = [message, root, ...message.nested, ...root.nested]
  for (const holder of holders) {
    const found = holder.enums.find(candidate => candidate.name === last)
    if (found) return found
  }
  return undefined
}
