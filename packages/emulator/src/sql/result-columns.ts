// The columns of a result as the REST API names them, where the translator knows their types.
import type { ResultColumn } from '../storage/storage.ts'
import type { SqlType } from './types.ts'

/** The legacy names the API answers with. */
const NAMES: Readonly<Record<string, string>> = {
  INT64: 'INTEGER',
  FLOAT64: 'FLOAT',
  BOOL: 'BOOLEAN',
  'TIMESTAMP(12)': 'TIMESTAMP',
}

/** undefined when a part of the type is not known. */
export function knownColumn(name: string, type: SqlType | undefined): ResultColumn | undefined {
  if (!type) return undefined
  if (type.name === 'ARRAY') {
    const element = knownColumn(name, type.element)
    return element && { ...element, mode: 'REPEATED' }
  }
  if (type.name === 'RANGE')
    return type.element && { name, type: 'RANGE', mode: 'NULLABLE', rangeElementType: { type: type.element.name } }
  if (type.name !== 'STRUCT') return { name, type: NAMES[type.name] ?? type.name, mode: 'NULLABLE' }
  const fields = type.fields?.map(field => knownColumn(field.name, field.type))
  return fields?.every(field => field !== undefined) ? { name, type: 'RECORD', mode: 'NULLABLE', fields } : undefined
}
