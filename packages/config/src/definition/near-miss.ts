// Unknown keys. A near miss of a known key is almost surely a typing error, and a typing error must not run silently.
import type { ConfigError, ConfigNotice } from './key.ts'

export type UnknownKeyRule = 'near' | 'warn' | 'error'
const EDIT_DISTANCE_MAX = 2

/** Equal but for case, dots, hyphens (and underscores): `auto.create.tables` is `autoCreateTables`. */
const folded = (key: string): string => key.toLowerCase().replace(/[.\-_]/g, '')

/** The known key an unknown one most probably means, or null. */
export function nearMiss(unknown: string, known: Iterable<string>): string | null {
  let best: string | null = null
  let bestDistance = EDIT_DISTANCE_MAX + 1
  for (const key of known) {
    if (folded(key) === folded(unknown)) return key
    const distance = editDistance(unknown, key, bestDistance)
    if (distance < bestDistance) {
      best = key
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein distance, or `limit` as soon as it is known to reach that. */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1))
    }
    if (Math.min(...current) >= limit) return limit
    previous = current
  }
  return Math.min(previous[b.length]!, limit)
}

/** What becomes of the keys nobody defined. `origin` says where the key stands, such as a file and line. */
export function judgeUnknownKeys(
  unknown: Iterable<string>,
  known: readonly string[],
  rule: UnknownKeyRule,
  origin: (key: string) => string = () => '',
): { readonly errors: readonly ConfigError[]; readonly notices: readonly ConfigNotice[] } {
  const errors: ConfigError[] = []
  const notices: ConfigNotice[] = []
  for (const key of unknown) {
    const near = rule === 'warn' ? null : nearMiss(key, known)
    if (near !== null) {
      const message = `Unknown configuration ${key}${origin(key)}: did you mean ${near}? (config.unknown.keys=warn accepts it as it is.)`
      errors.push({ key, code: 'CONFIG_UNKNOWN_KEY', message })
    } else if (rule === 'error') {
      errors.push({ key, code: 'CONFIG_UNKNOWN_KEY', message: `Unknown configuration ${key}${origin(key)}.` })
    } else {
      notices.push({
        key,
        kind: 'unknown',
        message: `Unknown configuration ${key}${origin(key)}: it has no effect.`,
      })
    }
  }
  return { errors, notices }
}
