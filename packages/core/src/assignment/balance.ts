// Moves items between groups until the loads are even, as few as possible: used for partitions over tasks and tasks over
// workers. Invariant: every move makes the heavier of its two groups lighter, so it ends; balanced groups are left alone.

export type Item<T> = {
  readonly value: T
  readonly weight: number
  /** What moving it would interrupt: at equal effect the cheaper item moves. */
  readonly cost: number
  /** Items of one kind are spread over the groups where that costs nothing. */
  readonly kind: string
}
export type Group<T> = {
  readonly name: string
  load: number
  readonly items: Item<T>[]
  readonly countByKind: Map<string, number>
}

export type BalanceRule = {
  /** Measured loads wobble: nothing moves for less than TRIGGER, and no single move for less than GAIN. */
  readonly isMeasured: boolean
}

/** Difference between two groups, as a share of the heavier, that is worth a rebalance. */
const TRIGGER = 0.25
/** Once rebalancing, what each move must take off the heavier group, as a share of it. */
const GAIN = 0.05

export function groupOf<T>(name: string): Group<T> {
  return { name, load: 0, items: [], countByKind: new Map() }
}

export function place<T>(group: Group<T>, item: Item<T>): void {
  group.items.push(item)
  group.load += item.weight
  group.countByKind.set(item.kind, countOf(group, item.kind) + 1)
}

function take<T>(group: Group<T>, item: Item<T>): void {
  group.items.splice(group.items.indexOf(item), 1)
  group.load -= item.weight
  group.countByKind.set(item.kind, countOf(group, item.kind) - 1)
}

/** How many items of the kind are in the group. */
export const countOf = <T>(group: Group<T>, kind: string): number => group.countByKind.get(kind) ?? 0

/** The group with the smallest load; `preference` (lower is better), then the order given, breaks ties. */
export function lightest<T>(groups: readonly Group<T>[], preference: (group: Group<T>) => number = () => 0): Group<T> {
  let best = groups[0]!
  for (const group of groups) {
    if (group.load < best.load || (group.load === best.load && preference(group) < preference(best))) best = group
  }
  return best
}

export function balance<T>(groups: readonly Group<T>[], rule: BalanceRule): void {
  if (groups.length < 2) return
  let isTriggered = false
  const movesMax = 4 * groups.reduce((count, group) => count + group.items.length, 0) // a backstop against rounding only
  for (let moves = 0; moves < movesMax; moves++) {
    const to = lightest(groups)
    const donors = groups.filter(g => g.load > to.load).sort((a, b) => b.load - a.load)
    const move = firstMove(donors, to, rule, isTriggered)
    if (!move) return
    isTriggered = true
    take(move.from, move.item)
    place(to, move.item)
  }
}

function firstMove<T>(
  donors: readonly Group<T>[],
  to: Group<T>,
  rule: BalanceRule,
  isTriggered: boolean,
): { from: Group<T>; item: Item<T> } | null {
  for (const from of donors) {
    if (!isTriggered && from.load - to.load <= tolerance(from, rule)) continue
    const item = bestItem(from, to, rule)
    if (item) return { from, item }
  }
  return null
}

function tolerance<T>(from: Group<T>, rule: BalanceRule): number {
  const share = TRIGGER * from.load
  if (rule.isMeasured) return share
  return Math.min(share, Math.max(...from.items.map(item => item.weight)))
}

function bestItem<T>(from: Group<T>, to: Group<T>, rule: BalanceRule): Item<T> | null {
  const gainMin = rule.isMeasured ? GAIN * from.load : 0
  const ideal = (from.load - to.load) / 2
  let best: Item<T> | null = null
  let bestRank: readonly number[] = []
  for (const item of from.items) {
    if (from.load - (to.load + item.weight) <= gainMin || item.weight <= gainMin) continue
    const rank = [Math.abs(ideal - item.weight), item.cost, countOf(to, item.kind) - countOf(from, item.kind)]
    if (best === null || isLower(rank, bestRank)) {
      best = item
      bestRank = rank
    }
  }
  return best
}

function isLower(a: readonly number[], b: readonly number[]): boolean {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return a[i]! < b[i]!
  }
  return false
}
