// Breadth first through every world of a scope, so that a violation comes with a shortest trace. A world is what all share, the
// workers in it, in no order (they differ in nothing but what they did), and what has happened how often; each of these by its
// number. What can happen to a worker depends on itself and on what is shared: it is worked out once for each pair.
import { Actions, type Spent } from './actions.ts'
import type { Doing } from './doing.ts'
import { Invariants } from './invariants.ts'
import { Numbers, Parts } from './numbers.ts'
import { folder, PRODUCTION, type Rules } from './rules.ts'
import { type Event, SCOPE, type Scope } from './scope.ts'
import { INVARIANTS, type Invariant, type Shared, timesOf, type Violation, type Worker } from './world.ts'

export type Exploration = {
  readonly states: number
  /** Worlds in which everything is delivered. */
  readonly complete: number
  readonly depth: number
  readonly violation: Violation | null
  readonly trace: readonly string[]
  readonly isExhausted: boolean
}
export type ExploreOptions = {
  readonly rules?: Rules
  /** Only these are asked for; what violates others goes on as production would. */
  readonly watch?: readonly Invariant[]
  readonly statesMax: number
}

type Step = {
  readonly label: string
  readonly shared: number
  readonly worker: number
  readonly spends: Event | null
  readonly violation: Violation | null
}
type State = { readonly shared: number; readonly spent: number; readonly workers: readonly number[] }

const NOBODY = -1
const NOTHING_SPENT: Spent = {
  claims: 0,
  alterations: 0,
  deletions: 0,
  compactions: 0,
  breaks: 0,
  refusals: 0,
  tableChanges: 0,
  retentions: 0,
  days: 0,
  faults: 0,
}

/** What a doing comes to, worked out once for each answer. */
type Known = { readonly doing: Doing; readonly ask: number; readonly heard: Map<number, KnownHeard | null> }
type KnownHeard = { readonly worker: number; readonly note: string; readonly violation: Violation | null }
type KnownDone = { readonly shared: number; readonly answer: number; readonly violation: Violation | null }
type KnownPair = { readonly steps: readonly Step[]; readonly violation: Violation | null }
type KnownShared = KnownPair & { readonly isComplete: boolean }

const pairOf = (a: number, b: number): number => a * 2 ** 26 + b

class Search {
  readonly #scope: Scope
  readonly #watch: ReadonlySet<Invariant>
  readonly #actions: Actions
  readonly #invariants: Invariants
  readonly #parts = new Parts()
  readonly #shareds = new Numbers<Shared>(this.#parts)
  readonly #workers = new Numbers<Worker>(this.#parts)
  readonly #spents = new Numbers<Spent>(this.#parts)
  readonly #asks = new Numbers<object>(this.#parts)
  readonly #answers = new Numbers<object>(this.#parts)
  readonly #doings: (readonly Known[])[] = []
  readonly #newcomers: (readonly Known[])[] = []
  readonly #done = new Map<number, KnownDone>()
  readonly #around: KnownShared[] = []
  readonly #pairs = new Map<number, KnownPair>()

  constructor(scope: Scope, rules: Rules, watch: readonly Invariant[]) {
    const fold = folder(rules)
    this.#scope = scope
    this.#watch = new Set(watch)
    this.#actions = new Actions(scope, rules, fold)
    this.#invariants = new Invariants(scope, fold)
  }

  get first(): State {
    const { records, hasHistory } = this.#scope
    const era = { at: 0, epoch: 0, rowsBefore: timesOf([], records), letters: 0, dropsLogged: 0, dropped: 0, lost: 0 }
    const empty: Shared = { log: [], streams: [], eras: [era], day: 0, logStart: 0, doubts: [], end: null }
    const shared = this.#shareds.of(hasHistory ? historyOf(this.#scope) : empty)
    const spent = this.#spents.of(hasHistory ? { ...NOTHING_SPENT, claims: 1 } : NOTHING_SPENT)
    return { shared, spent, workers: [] }
  }

  shared(state: State): Shared {
    return this.#shareds.value(state.shared)
  }

  violationIn({ shared, workers }: State): Violation | null {
    const around = this.#aroundOf(shared)
    if (around.violation !== null) return around.violation
    for (const worker of workers) {
      const { violation } = this.#pairWith(worker, shared)
      if (violation !== null) return violation
    }
    return null
  }

  isComplete({ shared, spent }: State): boolean {
    return this.#aroundOf(shared).isComplete && this.#spents.value(spent).alterations >= this.#scope.alterations.length
  }

  /** `step.violation` is one that the step itself shows. */
  *next(state: State): Generator<readonly [Step, State]> {
    const { shared, spent, workers } = state
    for (const step of this.#aroundOf(shared).steps) {
      const after = this.#after(step, state, workers)
      if (after !== null) yield [step, after]
    }
    for (const [i, worker] of workers.entries()) {
      if (workers[i - 1] === worker) continue // alike: what can happen to one can happen to the other
      const others = workers.filter((_, j) => j !== i)
      for (const step of this.#pairWith(worker, shared).steps) {
        const after = this.#after(step, state, withWorker(others, step.worker))
        if (after !== null) yield [step, after]
      }
    }
    if (workers.filter(worker => this.#workers.value(worker).kind !== 'over').length >= this.#scope.workers) return
    this.#newcomers[spent] ??= this.#known(this.#actions.newcomers(this.#spents.value(spent)))
    for (const step of this.#stepsOf(this.#newcomers[spent], shared)) {
      const after = this.#after(step, state, withWorker(workers, step.worker))
      if (after !== null) yield [step, after]
    }
  }

  /** null: it has happened as often as it may. */
  #after({ shared, spends }: Step, { spent }: State, workers: readonly number[]): State | null {
    if (spends === null) return { shared, spent, workers }
    const before = this.#spents.value(spent)
    const max = spends === 'alterations' ? this.#scope.alterations.length : (this.#scope.may[spends] ?? 0)
    if (before[spends] >= max) return null
    return { shared, spent: this.#spents.of({ ...before, [spends]: before[spends] + 1 }), workers }
  }

  #pairWith(worker: number, shared: number): KnownPair {
    const pair = pairOf(worker, shared)
    let known = this.#pairs.get(pair)
    if (known === undefined) {
      const me = this.#workers.value(worker)
      this.#doings[worker] ??= this.#known(this.#actions.ofWorker(me))
      const violation = this.#watched(this.#invariants.ofWorker(this.#shareds.value(shared), me))
      known = { steps: this.#stepsOf(this.#doings[worker], shared), violation }
      this.#pairs.set(pair, known)
    }
    return known
  }

  #known(doings: Iterable<Doing>): readonly Known[] {
    return Array.from(doings, doing => ({ doing, ask: this.#asks.of(doing.ask.what), heard: new Map() }))
  }

  #stepsOf(doings: readonly Known[], shared: number): readonly Step[] {
    const steps: Step[] = []
    for (const known of doings) {
      const done = this.#doneOf(known, shared)
      const heard = this.#heardOf(known, done.answer)
      if (heard === null) continue
      const { label, spends } = known.doing
      const violation = done.violation ?? heard.violation
      steps.push({ label: `${label}${heard.note}`, shared: done.shared, worker: heard.worker, spends, violation })
    }
    return steps
  }

  #doneOf({ doing, ask }: Known, shared: number): KnownDone {
    const pair = pairOf(ask, shared)
    let known = this.#done.get(pair)
    if (known === undefined) {
      const { shared: after, answer, violation } = doing.ask.of(this.#shareds.value(shared))
      known = {
        shared: this.#shareds.of(after),
        answer: this.#answers.of(answer),
        violation: violation === undefined ? null : this.#watched([violation]),
      }
      this.#done.set(pair, known)
    }
    return known
  }

  #heardOf({ doing, heard }: Known, answer: number): KnownHeard | null {
    let known = heard.get(answer)
    if (known === undefined) {
      const after = doing.hear(this.#answers.value(answer))
      known =
        after === null
          ? null
          : {
              worker: after.worker === null ? NOBODY : this.#workers.of(after.worker),
              note: after.note ?? '',
              violation: after.violation === undefined ? null : this.#watched([after.violation]),
            }
      heard.set(answer, known)
    }
    return known
  }

  #aroundOf(shared: number): KnownShared {
    let known = this.#around[shared]
    if (known === undefined) {
      const all = this.#shareds.value(shared)
      const steps = Array.from(this.#actions.around(all), ({ label, shared: after, spends }) => ({
        label,
        shared: this.#shareds.of(after),
        worker: NOBODY,
        spends,
        violation: null,
      }))
      const violation = this.#watched(this.#invariants.ofShared(all))
      known = { steps, violation, isComplete: this.#invariants.isComplete(all) }
      this.#around[shared] = known
    }
    return known
  }

  #watched(violations: Iterable<Violation>): Violation | null {
    for (const violation of violations) if (this.#watch.has(violation.invariant)) return violation
    return null
  }
}

const withWorker = (workers: readonly number[], worker: number): readonly number[] =>
  worker === NOBODY ? workers : [...workers, worker].sort((a, b) => a - b)

/** Two UTF-16 units for each number. */
function encode({ shared, spent, workers }: State): string {
  const word = (n: number): string => String.fromCharCode(n & 0xffff, n >>> 16)
  let text = word(shared) + String.fromCharCode(spent)
  for (const worker of workers) text += word(worker)
  return text
}
function decode(text: string): State {
  const at = (i: number): number => text.charCodeAt(i) + text.charCodeAt(i + 1) * 0x1_0000
  const workers: number[] = []
  for (let i = 3; i < text.length; i += 2) workers.push(at(i))
  return { shared: at(0), spent: text.charCodeAt(2), workers }
}

export function explore(
  scope: Scope,
  { rules = PRODUCTION, watch = INVARIANTS, statesMax }: ExploreOptions,
): Exploration {
  const search = new Search(scope, rules, watch)
  /** In the order they were found, which is the order in which they are visited. */
  const seen = new Map<string, number>([[encode(search.first), 0]])
  const from: number[] = [0]
  let visited = 0
  let complete = 0
  const trace = (number: number, last: string | null): readonly string[] =>
    traceTo(search, [...seen.keys()], from, number, last)
  const end = (violation: Violation | null, number: number, last: string | null = null): Exploration => {
    const steps = violation === null ? [] : trace(number, last)
    return { states: visited, complete, depth: steps.length, violation, trace: steps, isExhausted: false }
  }
  for (const [text, number] of seen) {
    if (visited >= statesMax) return end(null, number)
    visited++
    const state = decode(text)
    const violation = search.violationIn(state)
    if (violation !== null) return end(violation, number)
    if (search.isComplete(state)) complete++
    for (const [step, after] of search.next(state)) {
      if (step.violation !== null) return end(step.violation, number, step.label)
      const key = encode(after)
      if (seen.has(key)) continue
      seen.set(key, seen.size)
      from.push(number)
    }
  }
  return { states: visited, complete, depth: 0, violation: null, trace: [], isExhausted: true }
}

/** Labels are not kept: the steps are found again. */
function traceTo(
  search: Search,
  keys: readonly string[],
  from: readonly number[],
  number: number,
  last: string | null,
): readonly string[] {
  const labels: string[] = last === null ? [] : [last]
  for (let at = number; at !== 0; at = from[at] as number) {
    const before = decode(keys[from[at] as number] as string)
    for (const [step, after] of search.next(before))
      if (encode(after) === keys[at]) {
        labels.unshift(step.label)
        break
      }
  }
  return labels
}

/** The shortest way in which one claim, alone, delivers a record as a row and releases. */
function historyOf({ records, tables }: Scope): Shared {
  const alone: Scope = { ...SCOPE, workers: 1, records, tables, outcomes: ['row'], may: { claims: 1 } }
  const search = new Search(alone, PRODUCTION, [])
  const seen = new Set([encode(search.first)])
  for (const text of seen)
    for (const [, after] of search.next(decode(text))) {
      if (after.workers.length === 0) {
        const shared = search.shared(after)
        if (shared.streams.some(({ rows }) => rows.length > 0)) return shared
      }
      seen.add(encode(after))
    }
  throw new Error('No claim ever releases')
}
