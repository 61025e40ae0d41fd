// Transformations and predicates of a connector: their keys depend on the aliases the configuration names.
import type { ConfigError, ConfigValue, KeyDef, RawConfig } from '../definition/key.ts'
import { invalid, invalidValue } from '../definition/key.ts'
import { parseByName } from '../definition/parse-keys.ts'
import { compileRegex, type TextMatcher } from '../regex/compile.ts'
import { notSupported } from './refusals.ts'
import {
  classNamed,
  HAS_HEADER_KEY,
  PREDICATES,
  SUPPORTED_TRANSFORMATIONS,
  TOPIC_NAME_MATCHES,
  TRANSFORMATIONS,
} from './transformations.ts'

export type Predicate =
  | { readonly kind: 'topicNameMatches'; readonly pattern: TextMatcher }
  | { readonly kind: 'hasHeaderKey'; readonly name: string }
  | { readonly kind: 'recordIsTombstone' }

/** Drops the records its predicate is true for (false, when negated); all records when it has none. */
export type FilterTransform = {
  readonly alias: string
  readonly kind: 'filter'
  readonly predicate: Predicate | null
  readonly negate: boolean
}

/** Keys of the chain: definitions, parsed values and errors, by full key. */
export type ChainKeys = {
  readonly defs: ReadonlyMap<string, KeyDef>
  readonly values: ReadonlyMap<string, ConfigValue>
  readonly errors: readonly ConfigError[]
}

type Kind = {
  readonly prefix: 'transforms' | 'predicates'
  readonly word: string
  readonly group: string
  readonly classes: Readonly<Record<string, Readonly<Record<string, KeyDef>>>>
}
const TRANSFORM: Kind = { prefix: 'transforms', word: 'transformation', group: 'Transforms', classes: TRANSFORMATIONS }
const PREDICATE: Kind = { prefix: 'predicates', word: 'predicate', group: 'Predicates', classes: PREDICATES }

export function parseChain(raw: RawConfig, transforms: readonly string[], predicates: readonly string[]): ChainKeys {
  const defs = new Map<string, KeyDef>()
  const values = new Map<string, ConfigValue>()
  const errors: ConfigError[] = []
  const add = (kind: Kind, alias: string): void => {
    const own = keysOf(raw, kind, alias)
    const parsed = parseByName(own, raw)
    for (const [key, def] of Object.entries(own)) defs.set(key, def)
    for (const [key, value] of parsed.values) values.set(key, value)
    errors.push(...parsed.errors, ...classErrors(raw, kind, alias))
  }
  for (const alias of transforms) {
    add(TRANSFORM, alias)
    errors.push(...predicateErrors(raw, alias, predicates))
  }
  for (const alias of predicates) add(PREDICATE, alias)
  return { defs, values, errors }
}

/** Kafka Connect's definitions of one alias: its type, for transformations the predicate, then the keys of the class. */
function keysOf(raw: RawConfig, kind: Kind, alias: string): Record<string, KeyDef> {
  const prefix = `${kind.prefix}.${alias}.`
  const group = `${kind.group}: ${alias}`
  const keys: Record<string, KeyDef> = {
    [`${prefix}type`]: {
      type: 'CLASS',
      doc: `Class for the '${alias}' ${kind.word}.`,
      importance: 'HIGH',
      group,
      width: 'LONG',
      displayName: `${kind === TRANSFORM ? 'Transformation' : 'Predicate'} type for ${alias}`,
      recommended: Object.keys(kind.classes).sort(),
    },
  }
  if (kind === TRANSFORM) {
    keys[`${prefix}predicate`] = {
      type: 'STRING',
      default: null,
      doc: 'Alias of the predicate that decides whether this transformation is applied.',
      importance: 'MEDIUM',
      group,
    }
    keys[`${prefix}negate`] = {
      type: 'BOOLEAN',
      default: false,
      doc: 'Applies the transformation where the predicate is false.',
      importance: 'MEDIUM',
      group,
    }
  }
  const found = classNamed(kind.classes, raw[`${prefix}type`]?.trim() ?? '')
  for (const [name, def] of Object.entries(found === null ? {} : (kind.classes[found] ?? {}))) {
    keys[prefix + name] = { ...def, group }
  }
  return keys
}

function classErrors(raw: RawConfig, kind: Kind, alias: string): readonly ConfigError[] {
  const key = `${kind.prefix}.${alias}.type`
  const text = raw[key]?.trim()
  if (alias === '') return [invalid(kind.prefix, `Invalid value for configuration ${kind.prefix}: an alias is empty`)]
  if (text === undefined) return []
  const found = classNamed(kind.classes, text)
  if (found === null) return [invalidValue(key, text, `Class ${text} could not be found.`)]
  if (kind === TRANSFORM && !SUPPORTED_TRANSFORMATIONS.includes(found)) {
    return [notSupported(key, `the transformation ${found} is not built in this version`)]
  }
  return []
}

function predicateErrors(raw: RawConfig, alias: string, predicates: readonly string[]): readonly ConfigError[] {
  const predicateKey = `transforms.${alias}.predicate`
  const negateKey = `transforms.${alias}.negate`
  const predicate = raw[predicateKey]?.trim()
  if (predicate === undefined) {
    const isNegated = raw[negateKey] !== undefined
    return isNegated
      ? [
          invalid(
            predicateKey,
            `Invalid value null for configuration ${predicateKey}: must be set, since ${negateKey} is.`,
          ),
        ]
      : []
  }
  if (predicates.includes(predicate)) return []
  return [invalidValue(predicateKey, predicate, `no predicate of that alias is in predicates`)]
}

/** The chain as data. Called only when there are no errors. */
export function filtersOf(transforms: readonly string[], chain: ChainKeys): readonly FilterTransform[] {
  return transforms.map(alias => {
    const predicate = chain.values.get(`transforms.${alias}.predicate`)
    return {
      alias,
      kind: 'filter',
      predicate: typeof predicate === 'string' ? predicateOf(predicate, chain) : null,
      negate: chain.values.get(`transforms.${alias}.negate`) === true,
    }
  })
}

function predicateOf(alias: string, chain: ChainKeys): Predicate {
  const text = (name: string): string => String(chain.values.get(`predicates.${alias}.${name}`))
  const found = classNamed(PREDICATES, text('type'))
  if (found === TOPIC_NAME_MATCHES) return { kind: 'topicNameMatches', pattern: compileRegex(text('pattern')) }
  if (found === HAS_HEADER_KEY) return { kind: 'hasHeaderKey', name: text('name') }
  return { kind: 'recordIsTombstone' }
}
