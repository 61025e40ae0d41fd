// Runs regular expressions that come from users in time linear in the text (Thompson's simulation: all alternatives at once, no
// backtracking), so that no `topics.regex` can hang a worker. Whole-text matching only, as Connect's `matches()`.
// `$` and `\Z` mean the very end: a topic name has no final newline.
import { type CharRanges, normalized, parseRegex, RegexError, type RegexNode, WORD } from './parse.ts'

export type TextMatcher = { readonly source: string; readonly matches: (text: string) => boolean }

type Instruction =
  | { readonly op: 'chars'; readonly ranges: CharRanges }
  | { readonly op: 'split'; readonly targets: readonly [number, number] }
  | { readonly op: 'jump'; readonly target: number }
  | { readonly op: 'boundary'; readonly at: 'start' | 'end' | 'word' | 'notWord' }
  | { readonly op: 'accept' }

const PATTERN_BYTES_MAX = 1024
/** A topic name of 249 characters costs at most 249 × this many steps: 15 ms at the very worst. Room for `.{1,1000}`. */
const PROGRAM_MAX = 2500

/** What is wrong with the pattern, or null. */
export function regexProblem(pattern: string): string | null {
  try {
    compileRegex(pattern)
    return null
  } catch (error) {
    if (error instanceof RegexError) return `Invalid regex: ${error.message}`
    throw error
  }
}

/** Throws RegexError when the pattern is malformed, too large, or outside the subset. */
export function compileRegex(pattern: string): TextMatcher {
  if (Buffer.byteLength(pattern) > PATTERN_BYTES_MAX) throw new RegexError(`Longer than ${PATTERN_BYTES_MAX} bytes`)
  const program: Instruction[] = []
  emit(parseRegex(pattern), program)
  push(program, { op: 'accept' })
  const code = assemble(program)
  return { source: pattern, matches: text => run(code, text) }
}

function push(program: Instruction[], instruction: Instruction): number {
  if (program.length >= PROGRAM_MAX)
    throw new RegexError('The expression is too large when its repetitions are written out')
  return program.push(instruction) - 1
}

function emit(node: RegexNode, program: Instruction[]): void {
  switch (node.kind) {
    case 'chars':
      push(program, { op: 'chars', ranges: node.ranges })
      return
    case 'boundary':
      push(program, { op: 'boundary', at: node.at })
      return
    case 'sequence':
      for (const child of node.nodes) emit(child, program)
      return
    case 'choice':
      emitChoice(node.nodes, program)
      return
    case 'repeat':
      for (let copy = 0; copy < node.min; copy++) emit(node.node, program)
      if (node.max === null) emitLoop(node.node, program)
      else for (let copy = node.min; copy < node.max; copy++) emitOptional(node.node, program)
  }
}

function emitChoice(nodes: readonly RegexNode[], program: Instruction[]): void {
  const ends: number[] = []
  nodes.forEach((child, index) => {
    const isLast = index === nodes.length - 1
    const split = isLast ? null : push(program, { op: 'jump', target: 0 })
    emit(child, program)
    if (split === null) return
    ends.push(push(program, { op: 'jump', target: 0 }))
    program[split] = { op: 'split', targets: [split + 1, program.length] }
  })
  for (const end of ends) program[end] = { op: 'jump', target: program.length }
}

function emitLoop(node: RegexNode, program: Instruction[]): void {
  const split = push(program, { op: 'jump', target: 0 })
  emit(node, program)
  push(program, { op: 'jump', target: split })
  program[split] = { op: 'split', targets: [split + 1, program.length] }
}

function emitOptional(node: RegexNode, program: Instruction[]): void {
  const split = push(program, { op: 'jump', target: 0 })
  emit(node, program)
  program[split] = { op: 'split', targets: [split + 1, program.length] }
}

/** Sorted and disjoint ones. */
function has(ranges: CharRanges, value: number): boolean {
  let [low, high] = [0, ranges.length - 1]
  while (low <= high) {
    const middle = (low + high) >> 1
    const [from, to] = ranges[middle]!
    if (value < from) high = middle - 1
    else if (value > to) low = middle + 1
    else return true
  }
  return false
}

const SORTED_WORD = normalized(WORD)
type Neighbours = { readonly before: number | null; readonly after: number | null }

function holds(at: 'start' | 'end' | 'word' | 'notWord', { before, after }: Neighbours): boolean {
  if (at === 'start') return before === null
  if (at === 'end') return after === null
  const isWord = (value: number | null): boolean => value !== null && has(SORTED_WORD, value)
  return (isWord(before) !== isWord(after)) === (at === 'word')
}

/** The program as numbers: objects of five shapes make each step thirty times slower. */
type Code = {
  readonly ops: Uint8Array
  readonly first: Int32Array
  readonly second: Int32Array
  readonly ranges: readonly CharRanges[]
  readonly boundaries: readonly ('start' | 'end' | 'word' | 'notWord')[]
}
const OP = { chars: 0, jump: 1, split: 2, accept: 3, boundary: 4 } as const

function assemble(program: readonly Instruction[]): Code {
  const [ops, first, second] = [
    new Uint8Array(program.length),
    new Int32Array(program.length),
    new Int32Array(program.length),
  ]
  const ranges: CharRanges[] = []
  /** Copies of a repetition share theirs. */
  const indexOf = new Map<CharRanges, number>()
  const rangesAt = (given: CharRanges): number => {
    const known = indexOf.get(given) ?? ranges.push(normalized(given)) - 1
    indexOf.set(given, known)
    return known
  }
  const boundaries: ('start' | 'end' | 'word' | 'notWord')[] = []
  program.forEach((instruction, pc) => {
    ops[pc] = OP[instruction.op]
    if (instruction.op === 'chars') first[pc] = rangesAt(instruction.ranges)
    else if (instruction.op === 'boundary') first[pc] = boundaries.push(instruction.at) - 1
    else if (instruction.op === 'jump') first[pc] = instruction.target
    else if (instruction.op === 'split') [first[pc], second[pc]] = instruction.targets
  })
  return { ops, first, second, ranges, boundaries }
}

function run(code: Code, text: string): boolean {
  const values = Array.from(text, character => character.codePointAt(0) ?? 0)
  let [current, next] = [new Threads(code), new Threads(code)]
  current.start({ before: null, after: values[0] ?? null })
  current.follow(0)
  for (const [index, value] of values.entries()) {
    next.start({ before: value, after: values[index + 1] ?? null })
    for (let i = 0; i < current.waitingCount; i++) {
      const pc = current.waiting[i]!
      if (has(code.ranges[code.first[pc]!]!, value)) next.follow(pc + 1)
    }
    ;[current, next] = [next, current]
    if (current.waitingCount === 0) return current.hasAccepted && index === values.length - 1
  }
  return current.hasAccepted
}

/** Where the simulation stands before one character. Each instruction is visited once, which is what keeps this linear. */
class Threads {
  /** Instructions that wait for a character. */
  readonly waiting: Int32Array
  waitingCount = 0
  hasAccepted = false
  readonly #code: Code
  /** The round each instruction was visited in last. */
  readonly #visited: Uint32Array
  /** Each visit leaves at most two. */
  readonly #pending: Int32Array
  #round = 0
  #neighbours: Neighbours = { before: null, after: null }

  constructor(code: Code) {
    this.#code = code
    this.waiting = new Int32Array(code.ops.length)
    this.#visited = new Uint32Array(code.ops.length)
    this.#pending = new Int32Array(2 * code.ops.length + 1)
  }

  start(neighbours: Neighbours): void {
    this.waitingCount = 0
    this.hasAccepted = false
    this.#round += 1
    this.#neighbours = neighbours
  }

  /** Everything that is reached from there without reading a character. */
  follow(from: number): void {
    const { ops, first, second, boundaries } = this.#code
    const [visited, pending, round] = [this.#visited, this.#pending, this.#round]
    let count = 0
    pending[count++] = from
    while (count > 0) {
      const pc = pending[--count]!
      if (visited[pc] === round) continue
      visited[pc] = round
      const op = ops[pc]
      if (op === OP.chars) this.waiting[this.waitingCount++] = pc
      else if (op === OP.accept) this.hasAccepted = true
      else if (op === OP.boundary) {
        if (holds(boundaries[first[pc]!]!, this.#neighbours)) pending[count++] = pc + 1
      } else {
        if (op === OP.split) pending[count++] = second[pc]!
        pending[count++] = first[pc]!
      }
    }
  }
}
