// Parsed configuration never changes: a new generation is a new object.
import { Secret } from '@millrace/core'

/** Freezes plain objects and arrays all the way down; secrets and functions are left as they are. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Secret || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const child of Object.values(value)) deepFreeze(child)
  return value
}
