// Reads the subset of java.util.regex that a linear engine can run: no backreferences, lookaround, atomic groups or possessive
// quantifiers. Those are refused by name, never misread.

/** Inclusive code point ranges; `normalized` sorts and joins them. */
export type CharRanges = readonly (readonly [number, number])[]
export type RegexNode =
  | { readonly kind: 'chars'; readonly ranges: CharRanges }
  | { readonly kind: 'sequence'; readonly nodes: readonly RegexNode[] }
  | { readonly kind: 'choice'; readonly nodes: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly node: RegexNode; readonly min: number; readonly max: number | null }
  | { readonly kind: 'boundary'; readonly at: 'start' | 'end' | 'word' | 'notWord' }

/** Message says what is wrong and where. */
export class RegexError extends Error {
  override readonly name = 'RegexError'
}

const CODE_POINT_MAX = 0x10ffff
/** Groups inside groups; the parser and compiler recurse that deep. */
const NESTING_MAX = 100
const REPEAT_MAX = 1000

const code = (character: string): number => character.codePointAt(0) ?? 0
const span = (from: string, to: string): readonly [number, number] => [code(from), code(to)]

export function normalized(ranges: CharRanges): CharRanges {
  const merged: [number, number][] = []
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1)
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else merged.push([from, to])
  }
  return merged
}

function complement(ranges: CharRanges): CharRanges {
  const gaps: [number, number][] = []
  let next = 0
  for (const [from, to] of normalized(ranges)) {
    if (from > next) gaps.push([next, from - 1])
    next = to + 1
  }
  if (next <= CODE_POINT_MAX) gaps.push([next, CODE_POINT_MAX])
  return gaps
}

const DIGIT: CharRanges = [span('0', '9')]
const LOWER: CharRanges = [span('a', 'z')]
const UPPER: CharRanges = [span('A', 'Z')]
const ALPHA: CharRanges = [...LOWER, ...UPPER]
export const WORD: CharRanges = [...ALPHA, ...DIGIT, span('_', '_')]
const SPACE: CharRanges = [
  [9, 13],
  [32, 32],
]
const LINE_END: CharRanges = [
  [10, 10],
  [13, 13],
  [0x85, 0x85],
  [0x2028, 0x2029],
]
const CLASS_ESCAPES: Readonly<Record<string, CharRanges>> = {
  d: DIGIT,
  D: complement(DIGIT),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
}
const CONTROL_ESCAPES: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, f: 12, a: 7, e: 27 }
const PROPERTIES: ReadonlyMap<string, CharRanges> = new Map<string, CharRanges>(
  Object.entries({
    Lower: LOWER,
    Upper: UPPER,
    Alpha: ALPHA,
    Digit: DIGIT,
    Alnum: [...ALPHA, ...DIGIT],
    Punct: [span('!', '/'), span(':', '@'), span('[', '`'), span('{', '~')],
    XDigit: [...DIGIT, span('a', 'f'), span('A', 'F')],
    Space: SPACE,
    ASCII: [[0, 127]],
  }),
)
const BOUNDARY_ESCAPES = { b: 'word', B: 'notWord', A: 'start', z: 'end', Z: 'end' } as const

/** Parses the whole pattern. Throws RegexError. */
export function parseRegex(pattern: string): RegexNode {
  const ignoreCase = pattern.startsWith('(?i)')
  const parser = new Parser(pattern, ignoreCase ? 4 : 0, ignoreCase)
  return parser.whole()
}

class Parser {
  readonly #pattern: string
  readonly #ignoreCase: boolean
  #at: number
  #depth = 0
  #quoted = false

  constructor(pattern: string, at: number, ignoreCase: boolean) {
    this.#pattern = pattern
    this.#at = at
    this.#ignoreCase = ignoreCase
  }

  whole(): RegexNode {
    const node = this.#choice()
    if (this.#at < this.#pattern.length) throw this.#error('Unmatched closing )')
    return node
  }

  #error(problem: string): RegexError {
    return new RegexError(`${problem} near index ${this.#at}`)
  }
  #peek(text: string): boolean {
    return this.#pattern.startsWith(text, this.#at)
  }
  #take(text: string): boolean {
    if (!this.#peek(text)) return false
    this.#at += text.length
    return true
  }
  #takeMatch(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at
    const match = expression.exec(this.#pattern)
    if (match) this.#at += match[0].length
    return match
  }
  #nextCode(): number {
    const value = this.#pattern.codePointAt(this.#at)
    if (value === undefined) throw this.#error('Unexpected end of the expression')
    this.#at += value > 0xffff ? 2 : 1
    return value
  }

  #choice(): RegexNode {
    if (++this.#depth > NESTING_MAX) throw this.#error(`Groups may be nested ${NESTING_MAX} deep`)
    const nodes = [this.#sequence()]
    while (this.#take('|')) nodes.push(this.#sequence())
    this.#depth--
    return nodes.length === 1 ? nodes[0]! : { kind: 'choice', nodes }
  }

  #sequence(): RegexNode {
    const nodes: RegexNode[] = []
    while (this.#at < this.#pattern.length) {
      if (this.#quoted ? this.#take('\\E') : this.#take('\\Q')) {
        this.#quoted = !this.#quoted
        continue
      }
      if (!this.#quoted && (this.#peek('|') || this.#peek(')'))) break
      const atom = this.#quoted ? this.#chars([this.#oneCode()]) : this.#atom()
      // Java quantifies the last quoted character after \E.
      if (this.#quoted && this.#take('\\E')) this.#quoted = false
      nodes.push(this.#quoted ? atom : this.#quantified(atom))
    }
    return nodes.length === 1 ? nodes[0]! : { kind: 'sequence', nodes }
  }

  #oneCode(): readonly [number, number] {
    const value = this.#nextCode()
    return [value, value]
  }

  #chars(ranges: CharRanges): RegexNode {
    return { kind: 'chars', ranges: normalized(this.#ignoreCase ? [...ranges, ...otherCase(ranges)] : ranges) }
  }

  #atom(): RegexNode {
    if (this.#take('(')) return this.#group()
    if (this.#take('[')) return { kind: 'chars', ranges: this.#characterClass() }
    if (this.#take('.')) return { kind: 'chars', ranges: complement(LINE_END) }
    if (this.#take('^')) return { kind: 'boundary', at: 'start' }
    if (this.#take('$')) return { kind: 'boundary', at: 'end' }
    if (this.#peek('*') || this.#peek('+') || this.#peek('?') || this.#peek('{')) {
      throw this.#error(`Dangling meta character '${this.#pattern[this.#at]}'`)
    }
    if (this.#take('\\')) {
      const boundary = this.#takeMatch(/[bBAzZ]/y)
      if (boundary) return { kind: 'boundary', at: BOUNDARY_ESCAPES[boundary[0] as keyof typeof BOUNDARY_ESCAPES] }
      return this.#chars(this.#escape())
    }
    return this.#chars([this.#oneCode()])
  }

  #group(): RegexNode {
    if (this.#peek('?=') || this.#peek('?!') || this.#peek('?<=') || this.#peek('?<!')) {
      throw this.#error('Lookahead and lookbehind are not supported')
    }
    if (this.#peek('?>')) throw this.#error('Atomic groups are not supported')
    if (!this.#take('?:') && !this.#takeMatch(/\?<[a-zA-Z][a-zA-Z0-9]*>/y) && this.#peek('?')) {
      throw this.#error('Inline flags are not supported, except (?i) at the beginning')
    }
    const node = this.#choice()
    if (!this.#take(')')) throw this.#error('Unclosed group')
    return node
  }

  #quantified(node: RegexNode): RegexNode {
    const match = this.#takeMatch(/([*+?])|\{(\d{1,9})(,(\d{1,9})?)?\}/y)
    if (!match) {
      if (this.#peek('{')) throw this.#error('Illegal repetition')
      return node
    }
    if (this.#peek('+')) throw this.#error('Possessive quantifiers are not supported')
    this.#take('?') // lazy or greedy: the same set of texts matches as a whole
    if (this.#peek('*') || this.#peek('+') || this.#peek('?')) throw this.#error('Dangling meta character')
    const [min, max] = repetitionOf(match)
    if (max !== null && max < min) throw this.#error('Illegal repetition range')
    if (min > REPEAT_MAX || (max ?? 0) > REPEAT_MAX) throw this.#error(`Repetitions go up to ${REPEAT_MAX}`)
    return { kind: 'repeat', node, min, max }
  }

  /** After a backslash: the characters it stands for. */
  #escape(): CharRanges {
    const hex = this.#takeMatch(/x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|x\{([0-9a-fA-F]{1,6})\}/y)
    if (hex) {
      const value = Number.parseInt(hex[1] ?? hex[2] ?? hex[3] ?? '', 16)
      if (value > CODE_POINT_MAX) throw this.#error('Hexadecimal code point is too big')
      return [[value, value]]
    }
    const property = this.#takeMatch(/([pP])\{(\w+)\}/y)
    if (property) {
      const ranges = PROPERTIES.get(property[2] ?? '')
      if (!ranges) throw this.#error(`Character property {${property[2]}} is not supported`)
      return property[1] === 'P' ? complement(ranges) : ranges
    }
    const letter = this.#takeMatch(/[a-zA-Z0-9]/y)?.[0]
    if (letter === undefined) return [this.#oneCode()]
    if (/[1-9k]/.test(letter)) throw this.#error('Backreferences are not supported')
    const control = CONTROL_ESCAPES[letter]
    const ranges = control === undefined ? CLASS_ESCAPES[letter] : ([[control, control]] as const)
    if (!ranges) throw this.#error(`Escape \\${letter} is not supported`)
    return ranges
  }

  #characterClass(): CharRanges {
    const negated = this.#take('^')
    const ranges: (readonly [number, number])[] = []
    for (let first = true; first || !this.#peek(']'); first = false) {
      if (this.#peek('[') || this.#peek('&&'))
        throw this.#error('Nested and intersected character classes are not supported')
      const from = this.#classItem()
      if (from.length === 1 && from[0]![0] === from[0]![1] && this.#peek('-') && !this.#peek('-]')) {
        this.#take('-')
        const to = this.#classItem()
        if (to.length !== 1 || to[0]![0] !== to[0]![1] || to[0]![0] < from[0]![0]) {
          throw this.#error('Illegal character range')
        }
        ranges.push([from[0]![0], to[0]![0]])
      } else ranges.push(...from)
    }
    this.#take(']')
    const all = normalized(this.#ignoreCase ? [...ranges, ...otherCase(ranges)] : ranges)
    return negated ? complement(all) : all
  }

  #classItem(): CharRanges {
    if (this.#at >= this.#pattern.length) throw this.#error('Unclosed character class')
    if (this.#peek('[') || this.#peek('&&'))
      throw this.#error('Nested and intersected character classes are not supported')
    return this.#take('\\') ? this.#escape() : [this.#oneCode()]
  }
}

function repetitionOf(match: RegExpExecArray): readonly [number, number | null] {
  const [, mark, count, hasComma, upper] = match
  if (mark) return mark === '*' ? [0, null] : mark === '+' ? [1, null] : [0, 1]
  const min = Number(count)
  return [min, hasComma === undefined ? min : upper === undefined ? null : Number(upper)]
}

/** The ASCII letters of the ranges in the other case: what Java's (?i) adds. */
function otherCase(ranges: CharRanges): CharRanges {
  const shifted = (letters: readonly [number, number], by: number): CharRanges =>
    ranges
      .map(([from, to]) => [Math.max(from, letters[0]) + by, Math.min(to, letters[1]) + by] as const)
      .filter(([from, to]) => from <= to)
  return [...shifted(span('a', 'z'), -32), ...shifted(span('A', 'Z'), 32)]
}
