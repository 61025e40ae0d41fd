// Arrow fields × table columns: which field goes into which column, its nulls, lists and structs. LargeList is taken for a List.
import type { Column } from '../catalog/table-schema.ts'
import { checkBounds, takeNulls, takeOffsets } from './arrow-arrays.ts'
import { type ArrowBatch, type ArrowField, type ArrowType, arrowTypeName } from './arrow-ipc.ts'
import { type SetElement, valuesOf } from './arrow-values.ts'
import type { ListColumn, StructColumn } from './columns.ts'
import { ExtraFields, innerColumns, UnusableDescriptor } from './field-match.ts'
import { checkRange, type Place, RowFault } from './sinks.ts'

/** Takes the field's array, of at least `length` elements, from a batch. Throws UnusableDescriptor. */
type BindArray = (batch: ArrowBatch, length: number) => SetElement

type ArrowMatch = { readonly index: number; readonly bind: BindArray }

/** Throws ExtraFields or UnusableDescriptor. */
export function matchArrowFields(
  fields: readonly ArrowField[],
  columns: readonly Column[],
  builders: readonly Place['builder'][],
  path = '',
): ArrowMatch[] {
  const byName = new Map(columns.map((column, index) => [column.name.toLowerCase(), { column, index }]))
  const taken = new Set<number>()
  return fields.map(field => {
    const found = byName.get(field.name.toLowerCase())
    if (!found) throw new ExtraFields((path + field.name).slice(0, 1000))
    const { column, index } = found
    if (taken.has(index))
      throw new UnusableDescriptor(`Column ${path}${column.name} is written by more than one Arrow field.`)
    taken.add(index)
    return { index, bind: bindField(field, { column, name: path + column.name, builder: builders[index]! }) }
  })
}

const mismatch = (type: ArrowType, { column, name }: Place): UnusableDescriptor =>
  new UnusableDescriptor(
    `The Arrow field mismatched with BigQuery field at ${name}, the Arrow field type ${arrowTypeName(type)}, BigQuery field type ${column.mode === 'REPEATED' ? 'REPEATED ' : ''}${column.type}`,
  )

function bindField(field: ArrowField, place: Place): BindArray {
  const { column, builder } = place
  if (column.mode === 'REPEATED') return bindList(field, place)
  if (column.type === 'STRUCT' || column.type === 'RANGE') return bindStruct(field, place)
  const bindValues = valuesOf(field.type, place)
  if (!bindValues) throw mismatch(field.type, place)
  const { name } = place
  const isRequired = column.mode === 'REQUIRED'
  return (batch, length) => {
    const isNull = takeNulls(batch, length, name)
    const set = bindValues(batch, length)
    return (index, row) => {
      if (!isNull?.(index)) set(index, row)
      else if (isRequired) throw new RowFault(`Required field ${name} is missing.`)
      else builder.valid[row] = 0
    }
  }
}

function bindList(field: ArrowField, place: Place): BindArray {
  const { column, name } = place
  const { type } = field
  const child = field.children[0]
  if (type.kind !== 'list' || !child) throw mismatch(type, place)
  const list = place.builder as ListColumn
  const bindChild = bindField(child, { column: { ...column, mode: 'NULLABLE' }, name, builder: list.child })
  return (batch, length) => {
    const isNull = takeNulls(batch, length, name)
    const offsets = takeOffsets(batch, length, type.isLarge, name)
    checkBounds(0, offsets.last, Number.MAX_SAFE_INTEGER, name)
    const set = bindChild(batch, offsets.last)
    return (index, row) => {
      // A list that is NULL is an empty one.
      if (isNull?.(index)) return
      const from = offsets.at(index)
      const to = offsets.at(index + 1)
      checkBounds(from, to, offsets.last, name)
      for (let element = from; element < to; element++) {
        const childRow = list.push(row)
        set(element, childRow)
        if (list.child.valid[childRow] === 0) throw new RowFault(`Repeated field ${name} cannot hold NULL.`)
      }
    }
  }
}

function bindStruct(field: ArrowField, place: Place): BindArray {
  const { column, name } = place
  if (field.type.kind !== 'struct') throw mismatch(field.type, place)
  const struct = place.builder as StructColumn
  const columns = innerColumns(column)
  const matches = matchArrowFields(field.children, columns, struct.children, `${name}.`)
  const matched = new Set(matches.map(match => match.index))
  const lacking = columns.find((inner, index) => inner.mode === 'REQUIRED' && !matched.has(index))
  return (batch, length) => {
    const isNull = takeNulls(batch, length, name)
    const sets = matches.map(match => match.bind(batch, length))
    return (index, row) => {
      if (isNull?.(index)) {
        if (column.mode === 'REQUIRED') throw new RowFault(`Required field ${name} is missing.`)
        return
      }
      struct.valid[row] = 1
      for (const set of sets) set(index, row)
      if (lacking) throw new RowFault(`Required field ${name}.${lacking.name} is missing.`)
      if (column.type === 'RANGE') checkRange(struct, row, name)
    }
  }
}
