// What to do with each field of a record, worked out once per (source schema, table): the general encoder and the transcoder
// both walk these plans, so they cannot disagree about names, modes or defaults.
import {
  assert,
  type Column,
  type ColumnType,
  type TableSchema,
  type WriterField,
  type WriterSchema,
} from '@millrace/core'
import { type ConnectSchema, logicalTypeOf } from './connect/connect-schema.ts'
import { columnKey, sanitizeFieldName } from './field-names.ts'
import { Refusal } from './refusal.ts'
import { isMandatory } from './schema/writer-schema.ts'
import { type ValueWriter, valueWriter } from './values/column-values.ts'

export type RowOptions = {
  /** Fields without a column are dropped instead of refusing the record. */
  readonly ignoreUnknownFields: boolean
  readonly sanitizeFieldNames: boolean
}

export type MessagePlan = {
  /** Path of the struct; empty for the row. */
  readonly path: string
  /** Every column that a record may or must fill, whether or not the source has it. */
  readonly fields: readonly FieldPlan[]
  /** Number of fields with `mandatory`. */
  readonly mandatoryCount: number
  /** Fields whose source schema has a default: written when absent or null. */
  readonly withDefault: readonly FieldPlan[]
  /** What a field of this name in the record means. */
  target(key: string): FieldTarget
}

/** A column; `unknown` = there is none, which refuses a value; `ignored` = there is none, and that is fine. */
export type FieldTarget = FieldPlan | 'unknown' | 'ignored'

export type FieldPlan = {
  /** Position in `MessagePlan.fields`. */
  readonly index: number
  readonly path: string
  readonly type: ColumnType
  /** Field number on the wire; 0 for a column that is not in the writer schema. */
  readonly number: number
  readonly repeated: boolean
  /** Null or absent refuses the record. */
  readonly mandatory: boolean
  /** The record's own schema says so (and not only the table). */
  readonly mandatoryInSource: boolean
  /** Of one value (an element, when repeated); a message instead for STRUCT. */
  readonly write: ValueWriter
  readonly message: MessagePlan | null
  /** The source is a map: each entry becomes one `{key, value}` message. */
  readonly map: MapPlan | null
  readonly source: ConnectSchema | null
  /** `write` always throws: there is no way into the column. */
  readonly refuses: boolean
  /** The default of the source schema; set when compiled, before the first record. */
  defaultBytes: Uint8Array | null
}

/** `key` and `value` of the entry struct; string keys are members of a JSON object, other maps are arrays of pairs. */
export type MapPlan = {
  readonly entry: MessagePlan
  readonly key: FieldPlan
  readonly value: FieldPlan
  readonly stringKeys: boolean
}

/** @param source schema of the payload (a struct), or null for schemaless records. */
export function compileRowPlan(
  table: TableSchema,
  writer: WriterSchema,
  source: ConnectSchema | null,
  options: RowOptions,
): MessagePlan {
  return compileMessage('', table.columns, writer.fields, source, options)
}

function compileMessage(
  path: string,
  columns: readonly Column[],
  writerFields: readonly WriterField[],
  source: ConnectSchema | null,
  options: RowOptions,
): MessagePlan {
  const wire = new Map(writerFields.map(field => [columnKey(field.columnName ?? field.name), field]))
  const nameInTable = (name: string): string => columnKey(options.sanitizeFieldNames ? sanitizeFieldName(name) : name)
  const sourceFields = new Map(source?.fields.map(field => [nameInTable(field.name), field]))
  const fields: FieldPlan[] = []
  const byColumn = new Map<string, FieldPlan>()
  for (const column of inSourceOrder(columns, sourceFields)) {
    const key = columnKey(column.name)
    const plan = compileField(
      fields.length,
      path,
      column,
      wire.get(key),
      sourceFields.get(key)?.schema ?? null,
      source,
      options,
    )
    fields.push(plan)
    byColumn.set(key, plan)
  }
  const missing = options.ignoreUnknownFields ? 'ignored' : 'unknown'
  const inSource = source && new Set(source.fields.map(field => field.name))
  return {
    path,
    fields,
    mandatoryCount: fields.filter(field => field.mandatory).length,
    withDefault: fields.filter(field => field.source?.defaultValue != null),
    // JsonConverter reads the payload by its schema: what the schema does not name does not exist.
    target: key => (inSource !== null && !inSource.has(key) ? 'ignored' : (byColumn.get(nameInTable(key)) ?? missing)),
  }
}

/** Defaults of absent fields are written in the order of the source schema. */
function inSourceOrder(columns: readonly Column[], sourceFields: ReadonlyMap<string, unknown>): readonly Column[] {
  const order = new Map([...sourceFields.keys()].map((key, index) => [key, index]))
  const rank = (column: Column): number => order.get(columnKey(column.name)) ?? order.size
  return [...columns].sort((a, b) => rank(a) - rank(b))
}

function compileField(
  index: number,
  parentPath: string,
  column: Column,
  wire: WriterField | undefined,
  source: ConnectSchema | null,
  parentSource: ConnectSchema | null,
  options: RowOptions,
): FieldPlan {
  const path = parentPath === '' ? column.name : `${parentPath}.${column.name}`
  const repeated = column.mode === 'REPEATED'
  const hasDefault = source?.defaultValue != null
  const mandatoryInSource = source !== null && !source.optional && !hasDefault
  const base = {
    index,
    path,
    type: column.type,
    number: wire?.number ?? 0,
    repeated,
    mandatory: mandatoryInSource || (isMandatory(column) && !hasDefault),
    mandatoryInSource,
    source,
    message: null,
    map: null,
    refuses: false,
    defaultBytes: null,
  }
  const refuse = (what: string): FieldPlan => ({
    ...base,
    refuses: true,
    write: refusing(path, column.type, what),
  })
  if (wire === undefined) return refuse('this version cannot write columns of this type')
  if (parentSource === null || source === null) {
    if (column.type !== 'STRUCT') return { ...base, write: valueWriter(column.type, null)! }
    return {
      ...base,
      write: notAMessage,
      message: compileMessage(path, column.fields ?? [], wire.fields ?? [], null, options),
    }
  }
  if (repeated && source.type === 'map') return compileMap(base, column, wire, source, options) ?? refuse(noWay(source))
  if (repeated !== (source.type === 'array') && !(column.type === 'JSON' && !repeated)) return refuse(noWay(source))
  const element = repeated ? source.items! : source
  if (column.type === 'STRUCT') {
    if (element.type !== 'struct') return refuse(noWay(source))
    return {
      ...base,
      write: notAMessage,
      message: compileMessage(path, column.fields ?? [], wire.fields ?? [], element, options),
    }
  }
  const write = valueWriter(column.type, element)
  return write === null ? refuse(noWay(source)) : { ...base, write }
}

type FieldBase = Omit<FieldPlan, 'write'>

function compileMap(
  base: FieldBase,
  column: Column,
  wire: WriterField,
  source: ConnectSchema,
  options: RowOptions,
): FieldPlan | null {
  if (column.type !== 'STRUCT') return null
  const entrySource: ConnectSchema = {
    ...source,
    type: 'struct',
    name: null,
    fields: [
      { name: 'key', schema: source.keys! },
      { name: 'value', schema: source.values! },
    ],
  }
  const entry = compileMessage(base.path, column.fields ?? [], wire.fields ?? [], entrySource, options)
  const [key, value] = [entry.target('key'), entry.target('value')]
  if (typeof key === 'string' || typeof value === 'string') return null
  return {
    ...base,
    write: notAMessage,
    message: entry,
    map: { entry, key, value, stringKeys: source.keys!.type === 'string' },
  }
}

const noWay = (source: ConnectSchema): string => {
  const logical = logicalTypeOf(source)
  return `a ${logical === null ? source.type : source.name} cannot go there`
}

const refusing =
  (path: string, type: ColumnType, what: string): ValueWriter =>
  () => {
    throw new Refusal('TASK_PUT', path, `Column ${path} (${type}): ${what}.`)
  }

const notAMessage: ValueWriter = (_writer, target) => assert(false, `${target.path} is written as a message.`)
