// Unknown keys. A near miss of a known key is almost surely a typing error, and a typing error must not run silently.
import type { ConfigError, ConfigNotice } from './key.ts'

export type UnknownKeyRule = 'near' | 'warn' | 'error'
const EDIT_DISTANCE_MAX = 2

/** Equal but for case, dots, hyphens (and underscores): `auto.create.tables` is `autoCreateTables`. */
const folded = (key: string): string => key.toLowerCase().replace(/[.\-_]/g, '')

/** Known keys as unknown ones are compared with them: only those of about the same length can be a near miss. */
export class KnownKeys {
  /** The first known key of each folded spelling. */
  readonly #byFolded: Map<string, string> = new Map()
  readonly #byLength: Map<number, Known[]> = new Map()

  constructor(keys: Iterable<string>) {
    let order = 0
    for (const key of new Set(keys)) {
      const spelling = foldedOnce(key)
      if (!this.#byFolded.has(spelling)) this.#byFolded.set(spelling, key)
      const same = this.#byLength.get(key.length)
      const known = { key, order: order++, letters: lettersOf(key) }
      if (same === undefined) this.#byLength.set(key.length, [known])
      else same.push(known)
    }
  }

  /** The known key an unknown one most probably means, or null. Compares nothing more once `work` is used up. */
  nearMiss(unknown: string, work: ComparingWork): string | null {
    if (unknown.length > KEY_CHARACTERS_MAX) return null
    const same = this.#byFolded.get(folded(unknown))
    if (same !== undefined) return same
    let best: string | null = null
    let bestDistance = EDIT_DISTANCE_MAX + 1
    const own = lettersOf(unknown)
    for (const { key, letters } of this.#ofLengthNear(unknown.length)) {
      if (work.steps >= COMPARING_STEPS_MAX) return null
      work.steps += 1
      if (bitCount(own ^ letters) > LETTERS_PER_EDIT * (bestDistance - 1)) continue
      const distance = editDistance(unknown, key, bestDistance, work)
      if (distance < bestDistance) {
        best = key
        bestDistance = distance
      }
    }
    return best
  }

  #ofLengthNear(length: number): readonly Known[] {
    const found: Known[] = []
    for (let of = length - EDIT_DISTANCE_MAX; of <= length + EDIT_DISTANCE_MAX; of++) {
      found.push(...(this.#byLength.get(of) ?? []))
    }
    return found.sort((a, b) => a.order - b.order)
  }
}

type Known = { readonly key: string; readonly order: number; readonly letters: number }

/** Which characters a key has, as 32 bits: keys that differ in many of them need not be compared. */
function lettersOf(key: string): number {
  let letters = 0
  for (let i = 0; i < key.length; i++) letters |= 1 << (key.charCodeAt(i) & 31)
  return letters
}
/** An edit takes one character away, and brings one. */
const LETTERS_PER_EDIT = 2

function bitCount(bits: number): number {
  let count = 0
  for (let left = bits; left !== 0; left &= left - 1) count++
  return count
}

/** What was done so far: keys looked at, characters set up and cells compared. */
export type ComparingWork = { steps: number }
/** Some ten milliseconds. A real configuration needs thousands; only hundreds of keys that each resemble hundreds of others need more. */
export const COMPARING_STEPS_MAX = 300_000

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
export function editDistance(a: string, b: string, limit: number, work: ComparingWork = { steps: 0 }): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  work.steps += b.length
  let previous = new Int32Array(b.length + 1).fill(limit)
  let current = new Int32Array(b.length + 1).fill(limit)
  for (let column = 0; column <= Math.min(b.length, limit); column++) previous[column] = column
  for (let row = 1; row <= a.length; row++) {
    const first = Math.max(1, row - limit + 1)
    const last = Math.min(b.length, row + limit - 1)
    current[first - 1] = first === 1 ? Math.min(row, limit) : limit
    let least = current[first - 1]!
    work.steps += last - first + 1
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
  const keys = new KnownKeys(known)
  const work = { steps: 0 }
  for (const key of unknown) {
    const near = rule === 'warn' ? null : keys.nearMiss(key, work)
    if (work.steps >= COMPARING_STEPS_MAX) {
      errors.push({ key, code: 'CONFIG_UNKNOWN_KEY', message: tooManyAlike(key) })
      break
    }
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

const tooManyAlike = (key: string): string =>
  `Unknown configuration ${key}: too many unknown keys are as long as known ones to compare them all (config.unknown.keys=warn accepts them as they are).`
