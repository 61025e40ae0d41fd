// Writer schema × table schema → a decoder from row bytes straight into column builders, compiled once per pair.
// Interpreted as proto2 whatever the source: the last value of a scalar wins, messages that come twice merge, defaults of the
// descriptor stand in for absent fields. Which proto types go into which column: values.ts.
import type { TableSchema } from '../catalog/table-schema.ts'
import type { MissingValues } from '../storage/storage.ts'
import { Cursor, MalformedProto, WIRE } from '../wire/cursor.ts'
import type { ColumnBuilder, ListColumn, StructColumn } from './columns.ts'
import type { MessageDescriptor } from './descriptor.ts'
import { messageOf } from './descriptor-names.ts'
import {
  innerLevel,
  type Level,
  type Match,
  matchFields,
  rootLevel,
  typeMismatch,
  UnusableDescriptor,
} from './field-match.ts'
import { MissingColumns } from './missing-columns.ts'
import type { CheckRow } from './partition.ts'
import { encodeDefault } from './proto-defaults.ts'
import { builderFor } from './row-batch.ts'
import { checkRange, RowFault } from './sinks.ts'
import { type ReadField, scalarReader } from './values.ts'
import { messageReader } from './well-known.ts'
import { kindOf, packedWireType, wireTypeOf } from './wire-types.ts'

/** Decodes rows of one writer schema into the builders it was compiled for. */
type RowDecoder = {
  /** Rows of a request follow: what becomes of columns they leave out, and what CURRENT_TIMESTAMP() is for them. */
  begin(missing: MissingValues, nowMs: number): void
  /** Fills row `row`; answers what is wrong with a bad row. */
  decode(cursor: Cursor, row: number): string | undefined
}

type MessagePlan = {
  readonly readers: ReadonlyMap<number, ReadField> | readonly (ReadField | undefined)[]
  /** Once all of the message was read: fills what absent fields get and complains about what is missing. */
  readonly finish: (row: number) => void
}

/** Field numbers up to here are looked up in an array, larger ones in a map. */
const DENSE_FIELDS_MAX = 1024

/** Checks a writer schema against a table; throws as `compileRowDecoder` does, which is all there is to it. */
export function checkDescriptor(descriptor: MessageDescriptor, schema: TableSchema): void {
  const builders = schema.columns.map(column => builderFor(column))
  compileRowDecoder(descriptor, schema, builders)
}

/** Throws ExtraFields or UnusableDescriptor. */
export function compileRowDecoder(
  descriptor: MessageDescriptor,
  schema: TableSchema,
  builders: readonly ColumnBuilder[],
  check?: CheckRow,
): RowDecoder {
  const level = rootLevel(descriptor, schema.columns)
  const matches = matchFields(level)
  const missing = new MissingColumns(schema.columns, builders, new Set(matches.map(match => match.index)))
  const plan = compileMessage(level, matches, builders, row => missing.fill(row))
  return {
    begin: (rules, nowMs) => missing.begin(rules, nowMs),
    decode: (cursor, row) => {
      try {
        readMessage(cursor, plan, row)
        plan.finish(row)
        check?.(row)
        return undefined
      } catch (fault) {
        if (fault instanceof RowFault) return fault.message
        if (fault instanceof MalformedProto) return `Invalid protobuf row: ${fault.message}.`
        throw fault
      }
    },
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
}

/** What finishing a field takes: nothing for most. */
type CompiledField = { readonly read: ReadField; readonly finish: ((row: number) => void) | undefined }

function compileMessage(
  level: Level,
  matches: readonly Match[],
  builders: readonly ColumnBuilder[],
  fillMissing: ((row: number) => void) | undefined,
): MessagePlan {
  const isDense = matches.every(({ field }) => field.number <= DENSE_FIELDS_MAX)
  const readers: (ReadField | undefined)[] = isDense
    ? new Array(Math.max(0, ...matches.map(m => m.field.number)) + 1).fill(undefined)
    : []
  const sparse = new Map<number, ReadField>()
  const finishes: ((row: number) => void)[] = []
  for (const match of matches) {
    const { read, finish } = compileField(level, match, builders[match.index]!)
    if (isDense) readers[match.field.number] = read
    else sparse.set(match.field.number, read)
    if (finish) finishes.push(finish)
    const stored = defaultOf(match, builders[match.index]!, read)
    if (stored) finishes.push(stored)
  }
  for (const { field, index, name } of matches)
    if (field.label === 'required')
      finishes.push(demand(builders[index]!, `Invalid protobuf row: required field ${name} is missing.`))
  if (fillMissing) finishes.push(fillMissing)
  for (const [index, column] of level.columns.entries())
    if (column.mode === 'REQUIRED')
      finishes.push(demand(builders[index]!, `Required field ${level.path}${column.name} is missing.`))
  const finish = (row: number): void => {
    for (let i = 0; i < finishes.length; i++) finishes[i]!(row)
  }
  return { readers: isDense ? readers : sparse, finish }
}

function demand(builder: ColumnBuilder, message: string): (row: number) => void {
  return row => {
    if (builder.valid[row] === 0) throw new RowFault(message)
  }
}

/** proto2 field defaults stand in for absent fields. */
function defaultOf(match: Match, builder: ColumnBuilder, read: ReadField): ((row: number) => void) | undefined {
  const { field, nested, enumType, name } = match
  if (field.defaultValue === undefined || field.label === 'repeated' || nested) return undefined
  const bytes = encodeDefault(field, field.defaultValue, enumType)
  if (!bytes)
    throw new UnusableDescriptor(`Field ${name}: default value ${field.defaultValue.slice(0, 100)} cannot be read.`)
  const wire = wireTypeOf(field.type)
  return row => {
    if (builder.valid[row] === 0) read(new Cursor(bytes), wire, row)
  }
}

function compileField(level: Level, match: Match, builder: ColumnBuilder): CompiledField {
  const { field, column } = match
  const isInner = column.type === 'STRUCT' || column.type === 'RANGE'
  if (column.mode !== 'REPEATED') {
    if (!isInner) return { read: readerOf(level, match, builder), finish: undefined }
    const inner = compileInner(level, match, builder as StructColumn)
    return {
      read: inner.read,
      // Not where it is read: more of the message may follow.
      finish: row => {
        if (builder.valid[row] === 1) inner.finish(row)
      },
    }
  }
  const list = builder as ListColumn
  if (isInner) {
    const inner = compileInner(level, match, list.child as StructColumn)
    return {
      read: (c, wireType, row) => {
        const element = list.push(row)
        inner.read(c, wireType, element)
        inner.finish(element)
      },
      finish: undefined,
    }
  }
  const readElement = readerOf(level, match, list.child)
  const packedWire = packedWireType(field.type)
  return {
    read: (c, wireType, row) => {
      if (wireType !== WIRE.BYTES || packedWire === undefined) return readElement(c, wireType, list.push(row))
      const length = c.length()
      const outer = c.end
      c.end = c.pos + length
      while (c.pos < c.end) readElement(c, packedWire, list.push(row))
      c.end = outer
    },
    finish: undefined,
  }
}

function readerOf(level: Level, match: Match, builder: ColumnBuilder): ReadField {
  const { field, column, name, nested, enumType } = match
  const target = { field, column, name, nested: nested && messageOf(nested), enumType, builder }
  const read = kindOf(field.type) === 'message' ? messageReader(target) : scalarReader(target)
  if (!read) throw typeMismatch(level, match)
  return read
}

/** A message into a STRUCT, or into the bounds of a RANGE. */
function compileInner(
  level: Level,
  match: Match,
  struct: StructColumn,
): { read: ReadField; finish: (row: number) => void } {
  const { nested, name, column } = match
  if (!nested) throw typeMismatch(level, match)
  const inside = innerLevel(level, match, nested)
  const plan = compileMessage(inside, matchFields(inside), struct.children, undefined)
  const isRange = column.type === 'RANGE'
  return {
    read: (c, wireType, row) => {
      if (wireType !== WIRE.BYTES) throw new MalformedProto(`field ${name} has wire type ${wireType}`)
      struct.valid[row] = 1
      const length = c.length()
      const outer = c.end
      c.end = c.pos + length
      readMessage(c, plan, row)
      c.end = outer
    },
    finish: isRange
      ? row => {
          plan.finish(row)
          checkRange(struct, row, name)
        }
      : plan.finish,
  }
}
