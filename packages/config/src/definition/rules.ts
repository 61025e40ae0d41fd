// Validators as data, so that they can be checked, shown in the reference and turned into JSON Schema. Texts follow Kafka's.
import { FORMATS, type Format } from './formats.ts'
import { tooManyItems } from './list-items.ts'

export type Rule = {
  readonly atLeast?: number
  readonly atMost?: number
  readonly oneOf?: readonly string[]
  /** With `oneOf`: letter case does not matter; the value becomes the spelling listed. */
  readonly ignoreCase?: true
  readonly nonEmpty?: true
  readonly maxItems?: number
  readonly uniqueItems?: true
  /** A named text format, applied to each item of a LIST and to non-empty text otherwise. */
  readonly format?: Format
}

/** The spelling a value is kept in: that of `oneOf` where case does not matter. */
export function canonical(rule: Rule | undefined, text: string): string {
  if (!rule?.ignoreCase || !rule.oneOf) return text
  return rule.oneOf.find(choice => choice.toLowerCase() === text.toLowerCase()) ?? text
}

/** What is wrong with a parsed value, or null. */
export function problemOf(rule: Rule, value: boolean | number | string | readonly string[]): string | null {
  if (typeof value === 'number') return numberProblem(rule, value)
  if (typeof value === 'string') return textProblem(rule, value)
  if (typeof value === 'boolean') return null
  return listProblem(rule, value)
}

function numberProblem(rule: Rule, value: number): string | null {
  if (rule.atLeast !== undefined && value < rule.atLeast) return `Value must be at least ${rule.atLeast}`
  if (rule.atMost !== undefined && value > rule.atMost) return `Value must be no more than ${rule.atMost}`
  return null
}

function textProblem(rule: Rule, value: string): string | null {
  // Connect has a validator of its own for the name of a connector, with words of its own.
  if (rule.nonEmpty && value === '')
    return rule.format === 'connectorName' ? 'String may not be empty' : 'String must be non-empty'
  if (rule.oneOf && !rule.oneOf.includes(value)) {
    return `String must be one of${rule.ignoreCase ? ' (case insensitive)' : ''}: ${rule.oneOf.join(', ')}`
  }
  return rule.format && value !== '' ? FORMATS[rule.format].problem(value) : null
}

function listProblem(rule: Rule, items: readonly string[]): string | null {
  if (rule.nonEmpty && items.length === 0) return 'List must be non-empty'
  if (rule.maxItems !== undefined && items.length > rule.maxItems) return tooManyItems(rule.maxItems)
  if (rule.uniqueItems && new Set(items).size < items.length) return 'Duplicate alias provided.'
  const format = rule.format
  return format ? (items.map(item => FORMATS[format].problem(item)).find(problem => problem !== null) ?? null) : null
}

/** For the reference pages: `at least 1`, `one of none, all`, … Empty when there is nothing to say. */
export function describeRule(rule: Rule | undefined): string {
  if (!rule) return ''
  return [
    rule.atLeast !== undefined && rule.atMost !== undefined ? `${rule.atLeast} … ${rule.atMost}` : null,
    rule.atLeast !== undefined && rule.atMost === undefined ? `at least ${rule.atLeast}` : null,
    rule.atLeast === undefined && rule.atMost !== undefined ? `at most ${rule.atMost}` : null,
    rule.oneOf ? `one of ${rule.oneOf.map(choice => `\`${choice}\``).join(', ')}` : null,
    rule.nonEmpty ? 'non-empty' : null,
    rule.maxItems !== undefined ? `at most ${rule.maxItems} items` : null,
    rule.uniqueItems ? 'unique items' : null,
    rule.format ? FORMATS[rule.format].describe : null,
  ]
    .filter(part => part !== null)
    .join('; ')
}
