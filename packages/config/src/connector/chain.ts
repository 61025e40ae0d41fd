// Transformations and predicates of a connector: their keys depend on the aliases the configuration names.
import type { ConfigError, ConfigValue, KeyDef, KeyDefs, RawConfig } from '../definition/key.ts'
import { invalid, invalidValue, isRequired } from '../definition/key.ts'
import { parseByName } from '../definition/parse-keys.ts'
import { compileRegex, type TextMatcher } from '../regex/compile.ts'
import { CONVERTERS } from './converters.ts'
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
  /** Connect's interface. */
  readonly word: 'Transformation' | 'Predicate'
  readonly group: string
  readonly classes: Readonly<Record<string, Readonly<Record<string, KeyDef>>>>
}
const TRANSFORM: Kind = { prefix: 'transforms', word: 'Transformation', group: 'Transforms', classes: TRANSFORMATIONS }
const PREDICATE: Kind = { prefix: 'predicates', word: 'Predicate', group: 'Predicates', classes: PREDICATES }

/** @param version of every plugin on this worker. */
export function parseChain(
  raw: RawConfig,
  transforms: readonly string[],
  predicates: readonly string[],
  version: string | null,
): ChainKeys {
  const defs = new Map<string, KeyDef>()
  const values = new Map<string, ConfigValue>()
  const errors: ConfigError[] = []
  const add = (kind: Kind, alias: string): void => {
    const own = keysOf(raw, kind, alias, version)
    const parsed = parseByName(own, raw)
    for (const [key, def] of Object.entries(own)) defs.set(key, def)
    for (const [key, value] of [...parsed.refused, ...parsed.values]) values.set(key, value)
    const type = `${kind.prefix}.${alias}.type`
    if (raw[type] !== undefined) values.set(type, anyClassNamed(raw[type].trim()))
    errors.push(...parsed.errors, ...classErrors(raw, kind, alias))
  }
  for (const alias of transforms) {
    add(TRANSFORM, alias)
    errors.push(...predicateErrors(raw, alias, predicates))
  }
  for (const alias of predicates) add(PREDICATE, alias)
  return { defs, values, errors }
}

/** Kafka Connect's definitions of one alias: its type and version, then those of the class and of every transformation. */
function keysOf(raw: RawConfig, kind: Kind, alias: string, version: string | null): Record<string, KeyDef> {
  const prefix = `${kind.prefix}.${alias}.`
  const group = `${kind.group}: ${alias}`
  const found = classNamed(kind.classes, raw[`${prefix}type`]?.trim() ?? '')
  const first: KeyDefs = {
    type: {
      type: 'CLASS',
      doc: `Class for the '${alias}' ${kind.word.toLowerCase()}.`,
      importance: 'HIGH',
      group,
      width: 'LONG',
      displayName: `${kind.word} type for ${alias}`,
      recommended: Object.keys(kind.classes).sort(),
    },
    'plugin.version': {
      type: 'STRING',
      default: found === null ? null : version,
      doc: `Version of the '${alias}' ${kind.word.toLowerCase()}.`,
      importance: 'HIGH',
      group,
      width: 'LONG',
      displayName: `${kind.word} version for ${alias}`,
      recommended: found === null || version === null ? [] : [version],
      ignored: 'a worker has one version of each plugin',
    },
  }
  const rest = { ...(kind === TRANSFORM ? CONDITION : {}), ...(found === null ? {} : kind.classes[found]) }
  const ordered = [...Object.entries(first), ...Object.entries(rest).sort(byImportance)]
  return Object.fromEntries(
    ordered.map(([name, def], order) => [
      prefix + name,
      { ...def, group, order, displayName: def.displayName ?? name } satisfies KeyDef,
    ]),
  )
}

/** Kafka's ConfigDef.sortedConfigs: what must be set, what matters, then by name. */
function byImportance([one, a]: readonly [string, KeyDef], [other, b]: readonly [string, KeyDef]): number {
  const rank = (def: KeyDef): number => (isRequired(def) ? -1 : IMPORTANCES.indexOf(def.importance))
  return rank(a) - rank(b) || (one < other ? -1 : 1)
}
const IMPORTANCES: readonly KeyDef['importance'][] = ['HIGH', 'MEDIUM', 'LOW']

/** Of every transformation. */
const CONDITION: KeyDefs = {
  predicate: {
    type: 'STRING',
    default: null,
    doc: 'Alias of the predicate that decides whether this transformation is applied.',
    importance: 'MEDIUM',
    group: null,
  },
  negate: {
    type: 'BOOLEAN',
    default: false,
    doc: 'Applies the transformation where the predicate is false.',
    importance: 'MEDIUM',
    group: null,
  },
}

/** The full name of a class known here, of whatever kind. */
const anyClassNamed = (name: string): string | null =>
  [TRANSFORMATIONS, PREDICATES, CONVERTERS].map(classes => classNamed(classes, name)).find(found => found !== null) ??
  null

function classErrors(raw: RawConfig, kind: Kind, alias: string): readonly ConfigError[] {
  const key = `${kind.prefix}.${alias}.type`
  const text = raw[key]?.trim()
  if (alias === '') return [invalid(kind.prefix, `Invalid value for configuration ${kind.prefix}: an alias is empty`)]
  if (text === undefined) return []
  const found = classNamed(kind.classes, text)
  if (found === null) {
    const other = anyClassNamed(text)
    if (other === null) return [invalidValue(key, text, `Class ${text} could not be found.`)]
    return [invalid(key, `Class class ${other} does not implement the ${kind.word} interface`)]
  }
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
            `transforms.${alias}.type`,
            `Config '${negateKey}' was provided but there is no config '${predicateKey}' defining a predicate to be negated.`,
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
