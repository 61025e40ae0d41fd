// Query parameters: may be absent, single or repeated.
import { badRequest } from './api-error.ts'

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>

export function allOf(query: Query, name: string): readonly string[] {
  const value = query[name]
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : value
}

/** As Java reads it, whatever the case; anything but a boolean is 400. */
export function booleanOf(query: Query, name: string, fallback: boolean): boolean {
  const text = allOf(query, name)[0]?.toLowerCase()
  if (text === undefined || text === '') return fallback
  if (text !== 'true' && text !== 'false') throw badRequest(`The query parameter ${name} must be true or false.`)
  return text === 'true'
}
