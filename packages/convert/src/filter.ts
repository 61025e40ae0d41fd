// transforms=Filter with Kafka Connect's predicates, as one decision per record; tombstones are dropped by the sink anyway.
// Filters run before conversion here: a record that is filtered out cannot be a bad record.
import { compileRegex, type TextMatcher } from '@millrace/config'
import { MillraceError, type RecordSlice } from '@millrace/core'
import { hasHeader } from './record-headers.ts'

/** Whether record i of the slice goes on. */
export type RecordFilter = (slice: RecordSlice, i: number) => boolean

type Predicate = (slice: RecordSlice, i: number) => boolean

const TRANSFORMS = 'org.apache.kafka.connect.transforms.'
const PREDICATES = 'org.apache.kafka.connect.transforms.predicates.'

const keepValues: RecordFilter = (slice, i) => slice.valueStart[i]! >= 0

/**
 * The filter a connector's `transforms` and `predicates` ask for, for records of one topic. Throws CONFIG_INVALID or
 * NOT_SUPPORTED naming the key: any transform but Filter is not built yet.
 */
export function compileFilter(config: Readonly<Record<string, string>>, topic: string): RecordFilter {
  const predicates = new Map(listOf(config, 'predicates').map(alias => [alias, predicateOf(config, alias, topic)]))
  const drops = listOf(config, 'transforms').map(alias => dropRuleOf(config, alias, predicates))
  if (drops.length === 0) return keepValues
  return (slice, i) => {
    if (slice.valueStart[i]! < 0) return false
    for (const drop of drops) if (drop(slice, i)) return false
    return true
  }
}

function dropRuleOf(
  config: Readonly<Record<string, string>>,
  alias: string,
  predicates: ReadonlyMap<string, Predicate>,
): Predicate {
  const prefix = `transforms.${alias}`
  const type = config[`${prefix}.type`]
  if (type === undefined) throw invalid(`${prefix}.type`, 'is missing')
  if (withoutPackage(type, TRANSFORMS) !== 'Filter') {
    throw new MillraceError('NOT_SUPPORTED', 'failPartition', `${prefix}.type: only Filter is supported, not ${type}.`)
  }
  const name = config[`${prefix}.predicate`]
  const negate = booleanOf(config, `${prefix}.negate`)
  if (name === undefined || name === '') {
    if (config[`${prefix}.negate`] !== undefined) throw invalid(`${prefix}.negate`, 'is set without a predicate')
    return () => true
  }
  const predicate = predicates.get(name)
  if (predicate === undefined) throw invalid(`${prefix}.predicate`, `names the unknown predicate ${name}`)
  return negate ? (slice, i) => !predicate(slice, i) : predicate
}

function predicateOf(config: Readonly<Record<string, string>>, alias: string, topic: string): Predicate {
  const prefix = `predicates.${alias}`
  const type = config[`${prefix}.type`]
  if (type === undefined) throw invalid(`${prefix}.type`, 'is missing')
  switch (withoutPackage(type, PREDICATES)) {
    case 'TopicNameMatches': {
      const matches = patternOf(config, `${prefix}.pattern`).matches(topic)
      return () => matches
    }
    case 'HasHeaderKey': {
      const name = Buffer.from(required(config, `${prefix}.name`), 'utf8')
      return (slice, i) => hasHeader(slice, i, name)
    }
    case 'RecordIsTombstone':
      return (slice, i) => slice.valueStart[i]! < 0
    default:
      throw new MillraceError('NOT_SUPPORTED', 'failPartition', `${prefix}.type: unknown predicate ${type}.`)
  }
}

/** Whole names, as Java matches them, on the engine that validated the pattern: linear, whatever a user writes. */
function patternOf(config: Readonly<Record<string, string>>, key: string): TextMatcher {
  const pattern = required(config, key)
  try {
    return compileRegex(pattern)
  } catch {
    throw invalid(key, 'is not a regular expression')
  }
}

function required(config: Readonly<Record<string, string>>, key: string): string {
  const value = config[key]
  if (value === undefined || value === '') throw invalid(key, 'is missing')
  return value
}

function booleanOf(config: Readonly<Record<string, string>>, key: string): boolean {
  const value = (config[key] ?? 'false').trim().toLowerCase()
  if (value !== 'true' && value !== 'false') throw invalid(key, 'is neither true nor false')
  return value === 'true'
}

function listOf(config: Readonly<Record<string, string>>, key: string): readonly string[] {
  const aliases = (config[key] ?? '')
    .split(',')
    .map(alias => alias.trim())
    .filter(alias => alias !== '')
  if (new Set(aliases).size !== aliases.length) throw invalid(key, 'names an alias twice')
  return aliases
}

const withoutPackage = (type: string, prefix: string): string =>
  type.startsWith(prefix) ? type.slice(prefix.length) : type

const invalid = (key: string, what: string): MillraceError =>
  new MillraceError('CONFIG_INVALID', 'failPartition', `${key} ${what}.`)
