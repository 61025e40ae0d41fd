// Error messages of a configuration with placeholders: those that would tell what a placeholder stands for say less.
import type { ConfigError, KeyDef } from '../definition/key.ts'
import { describeRule } from '../definition/rules.ts'
import type { Resolution } from './placeholders.ts'

/** With more parts than these, every message might hold one: looking for them all would take seconds. */
const PARTS_MAX = 1_000

/** @param defs of the keys, for what is expected of a value instead of what was found. */
export function unspoken(
  errors: readonly ConfigError[],
  { keys, values, errors: unresolved }: Resolution,
  defs: ReadonlyMap<string, KeyDef>,
): readonly ConfigError[] {
  if (keys.size === 0) return errors
  const failed = new Set(unresolved.map(error => error.key))
  const told = partsOf(values)
  const isTold = (message: string): boolean => told.length > PARTS_MAX || told.some(part => message.includes(part))
  return [
    ...unresolved,
    ...errors
      .filter(error => !failed.has(error.key))
      .map(error => {
        if (keys.has(error.key)) return { ...error, message: ofPlaceholder(error, defs.get(error.key)) }
        if (!isTold(error.message)) return error
        const message = `Configuration ${error.key} does not go together with what a placeholder of another key stands for.`
        return { ...error, message }
      }),
  ]
}

function ofPlaceholder({ key, code }: ConfigError, def: KeyDef | undefined): string {
  const expected = def === undefined ? '' : [def.type, describeRule(def.rule)].filter(part => part !== '').join('; ')
  const hint = expected === '' ? '' : ` (${expected})`
  return code === 'NOT_SUPPORTED'
    ? `Configuration ${key} asks for something not supported: what its placeholder stands for.`
    : `Invalid value [hidden] for configuration ${key}: what its placeholder stands for is not valid${hint}`
}

/** Lists are taken apart before they are talked of. */
const partsOf = (values: readonly string[]): readonly string[] => [
  ...new Set(values.flatMap(value => [value, value.trim(), ...value.split(/[,:;\s]+/)]).filter(part => part !== '')),
]
