// Writer schema × table: which field of the descriptor goes into which column, at one level. Everything that makes a descriptor
// unusable whatever its rows hold is found here or by the readers' makers.
import { type Column, rangeBounds } from '../catalog/table-schema.ts'
import { type EnumDescriptor, type FieldDescriptor, type MessageDescriptor, PROTO_TYPE as T } from './descriptor.ts'
import { findEnum, findMessage, messageOf, type Scope } from './descriptor-names.ts'
import { protoTypeName } from './wire-types.ts'

/** The writer schema has a field the table lacks. */
export class ExtraFields extends Error {}
/** The writer schema cannot be used for another reason. */
export class UnusableDescriptor extends Error {}
/** The same, said in the service's own words: nothing is to be put before them. */
export class UnusableInItsWords extends UnusableDescriptor {}

/** A level of the writer schema beside the same level of the table. */
export type Level = {
  readonly scope: Scope
  /** The messages this level lies in: none of them may come again below. */
  readonly enclosing: readonly MessageDescriptor[]
  readonly columns: readonly Column[]
  /** Path of the columns, for messages: empty, or ending in a dot. */
  readonly path: string
}

export type Match = {
  readonly field: FieldDescriptor
  readonly column: Column
  /** Of the column among its siblings. */
  readonly index: number
  /** The column's path. */
  readonly name: string
  /** Of MESSAGE fields. */
  readonly nested: Scope | undefined
  /** Of ENUM fields. */
  readonly enumType: EnumDescriptor | undefined
}

/** The columns inside a column of fields: those of a STRUCT, the bounds of a RANGE. */
export const innerColumns = (column: Column): readonly Column[] =>
  column.type === 'RANGE' ? rangeBounds(column) : column.fields

export const rootLevel = (descriptor: MessageDescriptor, columns: readonly Column[]): Level => ({
  scope: [descriptor],
  enclosing: [descriptor],
  columns,
  path: '',
})

export function innerLevel(level: Level, match: Match, nested: Scope): Level {
  return {
    scope: nested,
    enclosing: [...level.enclosing, messageOf(nested)],
    columns: innerColumns(match.column),
    path: `${match.name}.`,
  }
}

/** Throws ExtraFields or UnusableDescriptor. */
export function matchFields(level: Level): Match[] {
  const { columns, path } = level
  const byName = new Map(columns.map((column, index) => [column.name.toLowerCase(), { column, index }]))
  const taken = new Set<number>()
  const numbers = new Set<number>()
  return messageOf(level.scope).fields.map(field => {
    const wanted = field.columnName ?? field.name
    const found = byName.get(wanted.toLowerCase())
    if (!found) throw new ExtraFields(path + wanted)
    const { column, index } = found
    if (taken.has(index))
      throw new UnusableDescriptor(`Column ${path}${wanted} is written by more than one field of the proto descriptor.`)
    if (field.number < 1 || field.number > 536870911 || numbers.has(field.number))
      throw new UnusableDescriptor(`Field ${path}${field.name} has an invalid or repeated number ${field.number}.`)
    taken.add(index)
    numbers.add(field.number)
    if ((field.label === 'repeated') !== (column.mode === 'REPEATED'))
      throw new UnusableDescriptor(
        `Field ${path}${field.name}: proto label ${field.label} does not fit the ${column.mode} column ${column.name}.`,
      )
    return { ...resolveType(level, field), column, index, name: path + column.name }
  })
}

function resolveType(level: Level, stated: FieldDescriptor): Pick<Match, 'field' | 'nested' | 'enumType'> {
  const { scope, path } = level
  // type may be left out where type_name is there: the name decides.
  const isUnstated = stated.type === 0 && stated.typeName !== ''
  const nested = stated.type === T.MESSAGE || isUnstated ? findMessage(scope, stated.typeName) : undefined
  const enumType = stated.type === T.ENUM || (isUnstated && !nested) ? findEnum(scope, stated.typeName) : undefined
  const field = isUnstated ? { ...stated, type: nested ? T.MESSAGE : T.ENUM } : stated
  if (field.type === T.GROUP) throw new UnusableDescriptor(`Field ${path}${field.name}: groups are not supported.`)
  if ((field.type === T.MESSAGE && !nested) || (field.type === T.ENUM && !enumType))
    throw new UnusableDescriptor(
      `Field ${path}${field.name}: ${protoTypeName(field)} type ${field.typeName.slice(0, 200)} is not nested in the descriptor.`,
    )
  if (nested && level.enclosing.includes(messageOf(nested)))
    throw new UnusableDescriptor(
      `Field ${path}${field.name}: message type ${messageOf(nested).name} contains itself, which is not supported.`,
    )
  return { field, nested, enumType }
}

/** The service's own words: `… at <row message>.<path>, the proto field type string, BigQuery field type DATE`. */
export const typeMismatch = (level: Level, { field, column, name }: Match): UnusableDescriptor =>
  new UnusableInItsWords(
    `The proto field mismatched with BigQuery field at ${level.enclosing[0]!.name}.${name}, the proto field type ${protoTypeName(field)}, BigQuery field type ${column.type}`,
  )
