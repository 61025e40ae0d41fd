// Runs regular expressions that come from users in time linear in the text (Thompson's simulation: all alternatives at once, no
// backtracking), so that no `topics.regex` can hang a worker. Whole-text matching only, as Connect's `matches()`.
// `$` and `\Z` mean the very end: a topic name has no final newline.
import { type CharRanges, parseRegex, RegexError, type RegexNode, WORD } from './parse.ts'

export type TextMatcher = { readonly source: string; readonly matches: (text: string) => boolean }

type Instruction =
  | { readonly op: 'chars'; readonly ranges: CharRanges }
  | { readonly op: 'split'; readonly targets: readonly [number, number] }
  | { readonly op: 'jump'; readonly target: number }
  | { readonly op: 'boundary'; readonly at: 'start' | 'end' | 'word' | 'notWord' }
  | { readonly op: 'accept' }

const PATTERN_BYTES_MAX = 1024
/** A topic name of 249 characters costs at most 249 × this many steps, about 5 ms. */
const PROGRAM_MAX = 5000

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
  return { source: pattern, matches: text => run(program, text) }
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

const has = (ranges: CharRanges, value: number): boolean => ranges.some(([from, to]) => value >= from && value <= to)

type Neighbours = { readonly before: number | null; readonly after: number | null }

function holds(at: 'start' | 'end' | 'word' | 'notWord', { before, after }: Neighbours): boolean {
  if (at === 'start') return before === null
  if (at === 'end') return after === null
  const isWord = (value: number | null): boolean => value !== null && has(WORD, value)
  return (isWord(before) !== isWord(after)) === (at === 'word')
}

function run(program: readonly Instruction[], text: string): boolean {
  const codes = Array.from(text, character => character.codePointAt(0) ?? 0)
  let current = reach(program, [0], { before: null, after: codes[0] ?? null })
  codes.forEach((value, index) => {
    const stepped = [...current].filter(pc => {
      const instruction = program[pc]!
      return instruction.op === 'chars' && has(instruction.ranges, value)
    })
    const neighbours = { before: value, after: codes[index + 1] ?? null }
    current = reach(
      program,
      stepped.map(pc => pc + 1),
      neighbours,
    )
  })
  return [...current].some(pc => program[pc]!.op === 'accept')
}

/** Every instruction reachable without reading a character; each is visited once, which is what keeps this linear. */
function reach(program: readonly Instruction[], from: readonly number[], neighbours: Neighbours): ReadonlySet<number> {
  const seen = new Set<number>()
  const pending = [...from]
  for (let pc = pending.pop(); pc !== undefined; pc = pending.pop()) {
    if (seen.has(pc)) continue
    seen.add(pc)
    const instruction = program[pc]!
    if (instruction.op === 'jump') pending.push(instruction.target)
    else if (instruction.op === 'split') pending.push(...instruction.targets)
    else if (instruction.op === 'boundary' && holds(instruction.at, neighbours)) pending.push(pc + 1)
  }
  return seen
}
