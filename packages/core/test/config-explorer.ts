// Every interleaving, in a small scope, of writers that follow the protocol of ConfigWriter on the production functions: appends that
// land, land without an answer, land late or never; compaction record by record at any point; crashes anywhere; requests sent twice.
// The judge is the rule itself on the log as it was before any compaction: valid is the first whose parent is the valid head.
import {
  type CompactedRecord,
  type ConfigLogState,
  type ConfigRecord,
  type ControlChange,
  controlStateOf,
  decodeConfigRecord,
  EMPTY_CONFIG_LOG,
  encodeConfigRecord,
  foldConfigLog,
  historyOf,
  keyOf,
  marksAfter,
  marksOf,
  outcomeOf,
  planChange,
  type RequestKey,
  successor,
  versionOf,
} from '../src/index.ts'

const NAME = 'a'
const NOW_MS = 1

export type Request = { readonly change: ControlChange; readonly requestKey: RequestKey | null }
export type Scope = {
  /** What is in the log already. */
  readonly before: readonly Request[]
  /** What each writer is asked, in this order. */
  readonly requests: readonly (readonly Request[])[]
  /** How often an answer may be lost, the record landing at once, later or never. */
  readonly losses: number
  readonly crashes: number
  readonly compactions: number
}
/** What is done wrong on purpose, to see that the explorer sees it. */
export type Mutant = {
  readonly fold?: typeof foldConfigLog
  readonly outcome?: typeof outcomeOf
  readonly sendsTheSameIdAgain?: boolean
  readonly looksForMarksOnce?: boolean
  readonly forgetsMarks?: boolean
  readonly deletesHistory?: boolean
}

type Pending = {
  readonly request: Request
  readonly parent: ConfigLogState
  readonly version: number
  readonly ids: readonly string[]
}
type Phase =
  | { readonly kind: 'idle'; readonly hasLost: boolean }
  | { readonly kind: 'appending'; readonly pending: Pending; readonly id: string }
  | { readonly kind: 'reading'; readonly pending: Pending; readonly isAcked: boolean }
  | { readonly kind: 'deleting'; readonly keys: readonly string[] }
type Writer = {
  readonly queue: readonly Request[]
  readonly phase: Phase
  readonly fold: ConfigLogState
  readonly position: bigint
  readonly sent: number
  /** Keys of requests it said were carried out. */
  readonly told: readonly string[]
}
type World = {
  readonly log: readonly CompactedRecord[]
  readonly end: bigint
  /** By the rule, since the beginning. */
  readonly chain: readonly string[]
  /** The requests that records of the chain were made for. */
  readonly doneKeys: readonly string[]
  readonly late: readonly ConfigRecord[]
  readonly writers: readonly Writer[]
  readonly losses: number
  readonly crashes: number
  readonly compactions: number
}

type Visit = { readonly world: World; readonly label: string; readonly from: Visit | null }

function pathTo(visit: Visit): string {
  return visit.from === null ? visit.label : `${pathTo(visit.from)}, ${visit.label}`
}

export class ConfigExplorer {
  readonly #scope: Scope
  readonly #mutant: Mutant
  readonly #fold: typeof foldConfigLog
  /** A fold depends on what was read alone: the same records on the same state are folded once. */
  readonly #folds = new WeakMap<ConfigLogState, Map<string, ConfigLogState>>()
  readonly #printed = new WeakMap<ConfigLogState, string>()

  constructor(scope: Scope, mutant: Mutant = {}) {
    this.#scope = scope
    this.#mutant = mutant
    this.#fold = mutant.fold ?? foldConfigLog
  }

  /** The number of worlds; throws at the first one that is wrong, with what led to it. */
  explore(): number {
    const first = this.#initial()
    const seen = new Set([this.#print(first)])
    const open: Visit[] = [{ world: first, label: 'the beginning', from: null }]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const wrong = this.#violation(at.world)
      if (wrong !== null) throw new Error(`${wrong}, after ${pathTo(at)}`)
      for (const [label, world] of this.#next(at.world)) {
        const print = this.#print(world)
        if (seen.has(print)) continue
        seen.add(print)
        open.push({ world, label, from: at })
      }
    }
    return seen.size
  }

  #initial(): World {
    const writers = this.#scope.requests.map(
      (queue): Writer => ({
        queue,
        phase: { kind: 'idle', hasLost: false },
        fold: EMPTY_CONFIG_LOG,
        position: 0n,
        sent: 0,
        told: [],
      }),
    )
    const { losses, crashes, compactions, before } = this.#scope
    const empty: World = { log: [], end: 0n, chain: [], doneKeys: [], late: [], writers, losses, crashes, compactions }
    return before.reduce((world, request, i) => {
      const parent = this.#folded(EMPTY_CONFIG_LOG, world.log)
      return this.#land(world, this.#recordOf({ request, parent, version: i + 1, ids: [] }, `z${i}`))
    }, empty)
  }

  *#next(world: World): Iterable<readonly [string, World]> {
    for (const [i, writer] of world.writers.entries()) yield* this.#steps(world, i, writer)
    for (const [i, record] of world.late.entries())
      yield [`${record.writeId} lands`, this.#land({ ...world, late: world.late.toSpliced(i, 1) }, record)]
    if (world.compactions > 0)
      for (const dropTombstones of [false, true]) {
        const last = new Map(world.log.map(({ key, offset }) => [key, offset]))
        const log = world.log.filter(
          ({ key, value, offset }) => last.get(key) === offset && !(dropTombstones && value === null),
        )
        if (log.length < world.log.length)
          yield [`compaction ${dropTombstones}`, { ...world, log, compactions: world.compactions - 1 }]
      }
  }

  *#steps(world: World, i: number, writer: Writer): Iterable<readonly [string, World]> {
    const put = (next: Partial<Writer>, on: World = world): World => ({
      ...on,
      writers: on.writers.with(i, { ...writer, ...next }),
    })
    const { phase } = writer
    if (world.crashes > 0 && phase.kind !== 'idle')
      // The client sends its request again; what the worker had in mind is gone.
      yield [
        `${i} crashes`,
        {
          ...put({ phase: { kind: 'idle', hasLost: false }, fold: EMPTY_CONFIG_LOG, position: 0n }),
          crashes: world.crashes - 1,
        },
      ]
    switch (phase.kind) {
      case 'idle': {
        const request = writer.queue[0]
        if (request !== undefined) yield [`${i} decides`, put(this.#decide(world, i, writer, request, phase.hasLost))]
        break
      }
      case 'appending': {
        const record = this.#recordOf(phase.pending, phase.id)
        const reading = (isAcked: boolean): Partial<Writer> => ({
          phase: { kind: 'reading', pending: phase.pending, isAcked },
        })
        yield [`${i} appends`, this.#land(put(reading(true)), record)]
        if (world.losses === 0) break
        const lost = { ...put(reading(false)), losses: world.losses - 1 }
        yield [`${i} appends unanswered`, this.#land(lost, record)]
        yield [`${i} appends late`, { ...lost, late: [...world.late, record] }]
        break
      }
      case 'reading':
        yield [`${i} reads`, put(this.#resolve(world, i, writer, phase.pending, phase.isAcked))]
        break
      case 'deleting': {
        const [key = '', ...keys] = phase.keys
        const after: Partial<Writer> = {
          phase: keys.length === 0 ? { kind: 'idle', hasLost: false } : { kind: 'deleting', keys },
        }
        const log = [...world.log, { offset: world.end, key, value: null }]
        yield [`${i} deletes ${key}`, put(after, { ...world, log, end: world.end + 1n })]
        break
      }
    }
  }

  #decide(world: World, i: number, writer: Writer, request: Request, hasLost: boolean): Partial<Writer> {
    const read = this.#caughtUp(world, writer)
    const { change, requestKey } = request
    const over: Partial<Writer> = { ...read, queue: writer.queue.slice(1), phase: { kind: 'idle', hasLost: false } }
    const looks = this.#mutant.looksForMarksOnce !== true || !hasLost
    if (requestKey !== null && looks && marksOf(read.fold, requestKey.key, NOW_MS).has(NAME))
      return { ...over, told: [...writer.told, requestKey.key] }
    const plan = planChange(controlStateOf(read.fold), change, { nowMs: NOW_MS, leavesMark: requestKey !== null })
    if (plan.kind === 'answer') return over
    const id = `${'abc'[i] ?? i}${writer.sent}`
    const pending: Pending = { request, parent: read.fold, version: plan.version, ids: [id] }
    return { ...read, sent: writer.sent + 1, phase: { kind: 'appending', pending, id } }
  }

  #resolve(world: World, i: number, writer: Writer, pending: Pending, isAcked: boolean): Partial<Writer> {
    const read = this.#caughtUp(world, writer)
    const slot = read.fold.get(NAME)
    const outcome = (this.#mutant.outcome ?? outcomeOf)(slot, pending.version, new Set(pending.ids))
    switch (outcome) {
      case 'won': {
        const below = this.#mutant.deletesHistory === true ? slot?.below.keys() : slot?.superseded
        const keys = [...(below ?? [])]
        const phase: Phase = keys.length === 0 ? { kind: 'idle', hasLost: false } : { kind: 'deleting', keys }
        const { requestKey } = pending.request
        const told = requestKey === null ? writer.told : [...writer.told, requestKey.key]
        return { ...read, queue: writer.queue.slice(1), phase, told }
      }
      case 'lost':
        return { ...read, phase: { kind: 'idle', hasLost: true } }
      case 'notYet': {
        if (isAcked) throw new Error('an acknowledged write is not there')
        const again = this.#mutant.sendsTheSameIdAgain === true ? pending.ids[0] : undefined
        const id = again ?? `${'abc'[i] ?? i}${writer.sent}`
        const sent = writer.sent + 1
        return { ...read, sent, phase: { kind: 'appending', pending: { ...pending, ids: [...pending.ids, id] }, id } }
      }
      case 'unknown':
        throw new Error('nobody can be that far ahead here')
    }
  }

  #recordOf({ request, parent, version }: Pending, id: string): ConfigRecord {
    const { change, requestKey } = request
    const plan = planChange(controlStateOf(parent), change, { nowMs: NOW_MS, leavesMark: requestKey !== null })
    if (plan.kind === 'answer') throw new Error('it was planned once')
    const { kind, name } = change
    const { outcome } = plan
    const mark = requestKey === null ? null : { ...requestKey, change: kind, outcome, version, atMs: NOW_MS }
    const before = this.#mutant.forgetsMarks === true ? [] : (parent.get(name)?.head.marks ?? [])
    return successor(parent.get(name), id, plan.body, { marks: marksAfter(before, mark, NOW_MS) })
  }

  #land(world: World, record: ConfigRecord): World {
    const isValid = record.lineage[0] === world.chain.at(-1)
    const own = record.marks?.find(({ version }) => version === versionOf(record))
    return {
      ...world,
      log: [...world.log, { offset: world.end, key: keyOf(record), value: encodeConfigRecord(record) }],
      end: world.end + 1n,
      chain: isValid ? [...world.chain, record.writeId] : world.chain,
      doneKeys: isValid && own !== undefined ? [...world.doneKeys, own.key] : world.doneKeys,
    }
  }

  #caughtUp(world: World, { fold, position }: Writer): Pick<Writer, 'fold' | 'position'> {
    return {
      fold: this.#folded(
        fold,
        world.log.filter(({ offset }) => offset >= position),
      ),
      position: world.end,
    }
  }

  #folded(state: ConfigLogState, records: readonly CompactedRecord[]): ConfigLogState {
    if (records.length === 0) return state
    const known = this.#folds.get(state) ?? new Map<string, ConfigLogState>()
    this.#folds.set(state, known)
    const print = records.map(({ key, value }) => (value === null ? `-${key}` : key)).join()
    const before = known.get(print)
    if (before !== undefined) return before
    const after = this.#fold(state, records)
    known.set(print, after)
    return after
  }

  #violation(world: World): string | null {
    const head = world.chain.at(-1)
    const fresh = this.#folded(EMPTY_CONFIG_LOG, world.log).get(NAME)
    if (fresh?.head.writeId !== head) return `who starts now sees ${fresh?.head.writeId}, not ${head}`
    const history = historyOf(fresh).map(({ version }) => version)
    for (const [i, writer] of world.writers.entries()) {
      const slot = this.#caughtUp(world, writer).fold.get(NAME)
      if (slot?.head.writeId !== head) return `${i} sees ${slot?.head.writeId}, not ${head}`
      if (String(historyOf(slot).map(({ version }) => version)) !== String(history)) return `${i} sees another history`
    }
    if (new Set(world.doneKeys).size < world.doneKeys.length) return 'a request was carried out twice'
    const told = world.writers.flatMap(writer => writer.told)
    const never = told.find(key => !world.doneKeys.includes(key))
    return never === undefined ? null : `${never} was answered and not done`
  }

  #print(world: World): string {
    const log = world.log.map(({ key, value }) => (value === null ? `-${key}` : key)).join()
    const late = world.late.map(keyOf).sort().join()
    const unread = (position: bigint): number => world.log.filter(({ offset }) => offset >= position).length
    const writers = world.writers.map(
      ({ queue, phase, fold, position, told }) =>
        `${queue.length}${told.length}${this.#printPhase(phase)}${this.#printFold(fold)}@${unread(position)}`,
    )
    return [log, late, world.chain.join('.'), world.losses, world.crashes, world.compactions, ...writers].join('|')
  }

  #printPhase(phase: Phase): string {
    switch (phase.kind) {
      case 'idle':
        return String(phase.hasLost)
      case 'appending':
        return `+${phase.id}<${this.#printFold(phase.pending.parent)}`
      case 'reading':
        return `?${phase.isAcked}${phase.pending.ids.join('.')}<${this.#printFold(phase.pending.parent)}`
      case 'deleting':
        return `-${phase.keys.join('.')}`
    }
  }

  #printFold(fold: ConfigLogState): string {
    const known = this.#printed.get(fold)
    if (known !== undefined) return known
    const slot = fold.get(NAME)
    const print = slot === undefined ? '' : `${slot.head.writeId}(${[...slot.below.keys()].sort().join()})`
    this.#printed.set(fold, print)
    return print
  }
}

/** A wrong fold: of equals the last one wins. */
export function lastOfEqualsWins(state: ConfigLogState, records: readonly CompactedRecord[]): ConfigLogState {
  const next = new Map(state)
  for (const { key, value, offset } of records) {
    if (value === null) continue
    const head = decodeConfigRecord(key, value)
    const known = next.get(NAME)
    if (known === undefined || versionOf(head) >= versionOf(known.head))
      next.set(NAME, { head, headKafkaOffset: offset, below: new Map(), superseded: new Set() })
  }
  return next
}
