// Unknown keys. A near miss of a known key is almost surely a typing error, and a typing error must not run silently.
import type { ConfigError, ConfigNotice } from './key.ts'

export type UnknownKeyRule = 'near' | 'warn' | 'error'
const EDIT_DISTANCE_MAX = 2

/** Equal but for case, dots, hyphens (and underscores): `auto.create.tables` is `autoCreateTables`. */
const folded = (key: string): string => key.toLowerCase().replace(/[.\-_]/g, '')

/** The known key an unknown one most probably means, or null. */
export function nearMiss(unknown: string, known: Iterable<string>): string | null {
  if (unknown.length > KEY_CHARACTERS_MAX) return null
  const foldedUnknown = folded(unknown)
  let best: string | null = null
  let bestDistance = EDIT_DISTANCE_MAX + 1
  for (const key of known) {
    if (foldedOnce(key) === foldedUnknown) return key
    const distance = editDistance(unknown, key, bestDistance)
    if (distance < bestDistance) {
      best = key
      bestDistance = distance
    }
  }
  return best
}

/** Far longer than any known key: it is no typing error of one. */
const KEY_CHARACTERS_MAX = 256

/** Of known keys, of which there are some hundreds and those of a chain. */
const foldedKeys = new Map<string, string>()
const FOLDED_MAX = 10_000

function foldedOnce(key: string): string {
  const found = foldedKeys.get(key)
  if (found !== undefined) return found
  if (foldedKeys.size >= FOLDED_MAX) foldedKeys.clear()
  const made = folded(key)
  foldedKeys.set(key, made)
  return made
}

/** Levenshtein distance, or `limit` as soon as it is known to reach that. Only cells that near the diagonal are looked at. */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, column) => Math.min(column, limit))
  let current = previous.map(() => limit)
  for (let row = 1; row <= a.length; row++) {
    const first = Math.max(1, row - limit + 1)
    const last = Math.min(b.length, row + limit - 1)
    current[first - 1] = first === 1 ? Math.min(row, limit) : limit
    let least = current[first - 1]!
    for (let column = first; column <= last; column++) {
      const replaced = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1)
      const cell = Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1, limit)
      current[column] = cell
      if (cell < least) least = cell
    }
    if (last < b.length) current[last + 1] = limit
    if (least >= limit) return limit
    ;[previous, current] = [current, previous]
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
