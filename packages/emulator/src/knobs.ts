// Settings as plain records of numbers and choices, changed by records of the same shape that may come from anywhere.

/** A setting that does not exist or a value it does not take, in words for the caller. */
export class InvalidSetting extends RangeError {}

export type KnobRules = {
  /** What the record is, for the messages. */
  readonly what: string
  /** By key: what a text may be. */
  readonly choices: Readonly<Record<string, readonly string[]>>
  /** Keys, with dots, whose number is a chance from 0 to 1; all other numbers are whole and not negative. */
  readonly chances: readonly string[]
}

/** Changes `record` in place: all that `patch` names, or nothing. Throws InvalidSetting. */
export function changeKnobs(record: object, patch: unknown, rules: KnobRules): void {
  const changed = structuredClone(record)
  overlay(changed, patch, rules, '')
  Object.assign(record, changed)
}

/** Reads `key=value` flags, where `key` may have a dot, into a patch. Throws InvalidSetting for what is no such pair. */
export function knobsFromFlags(flags: readonly string[]): Record<string, unknown> {
  const patch: Record<string, unknown> = {}
  for (const flag of flags) {
    const [key, value] = split(flag, '=')
    if (value === undefined) throw new InvalidSetting(`${flag} is no key=value`)
    const [outer, inner] = split(key, '.')
    const read = value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : value
    patch[outer] = inner === undefined ? read : { ...(patch[outer] as object | undefined), [inner]: read }
  }
  return patch
}

function split(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

function overlay(record: object, patch: unknown, rules: KnobRules, path: string): void {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch))
    throw new InvalidSetting(`${path === '' ? rules.what : path.slice(0, -1)} must be an object`)
  const knobs = record as Record<string, unknown>
  for (const [key, value] of Object.entries(patch)) {
    const name = path + key
    if (value === undefined) continue
    if (!Object.hasOwn(knobs, key))
      throw new InvalidSetting(`Unknown key ${name} of ${rules.what}; known: ${Object.keys(knobs).join(', ')}`)
    const current = knobs[key]
    if (typeof current === 'object' && current !== null) overlay(current, value, rules, `${name}.`)
    else knobs[key] = typeof current === 'number' ? checkNumber(name, value, rules) : checkChoice(name, value, rules)
  }
}

function checkNumber(name: string, value: unknown, { chances }: KnobRules): number {
  const isChance = chances.includes(name)
  const isNumber = typeof value === 'number' && value >= 0
  if (isNumber && (isChance ? value <= 1 : Number.isSafeInteger(value))) return value
  const wanted = isChance ? 'a number from 0 to 1' : 'a whole number of 0 or more'
  throw new InvalidSetting(`${name} must be ${wanted}, not ${JSON.stringify(value)}`)
}

function checkChoice(name: string, value: unknown, { choices }: KnobRules): unknown {
  const allowed: readonly unknown[] = choices[name] ?? []
  if (allowed.includes(value)) return value
  throw new InvalidSetting(`${name} must be one of ${allowed.join(', ')}, not ${JSON.stringify(value)}`)
}
