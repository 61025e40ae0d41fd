// The three measurements of the pipeline, one after another on the same services; what fails is noted, and the rest goes on.
import { CONTESTANTS, type Contestant, type Scene } from '../contestants/index.ts'
import { fillTopics } from '../inputs/fill.ts'
import { INPUTS, type Input } from '../inputs/index.ts'
import { median, spread } from './figures.ts'
import { type FirstRow, measureFirstRow } from './first-row.ts'
import { LATENCY_CONTESTANTS, type LatencyContestant, type LatencyRun, type Rate, runLatency } from './latency-run.ts'
import type { Services } from './services.ts'
import { type Figures, figuresOf, half, runLine, type Turn, table } from './throughput.ts'
import { runThroughput, type ThroughputRun } from './throughput-run.ts'
import { turnOf } from './turns.ts'

/** What the journal may cost: a share of the rows per CPU-second. */
const JOURNAL_COST_MAX = 0.05
/** A run of latency takes half a minute. */
const LATENCY_RUNS_MAX = 3

export type Plan = {
  readonly contestants: readonly Contestant[]
  readonly records: number
  readonly partitions: number
  readonly runs: number
  readonly rate: Rate
  readonly profileFolder: string | null
  /** Aborted when the user has had enough. */
  readonly signal: AbortSignal
}

type Topics = { readonly prefix: string; readonly names: readonly string[] }

type InputResult = {
  readonly input: string
  readonly records: number
  readonly bytesPerRecord: number
  readonly topics: number
  readonly partitions: number
  readonly figures: readonly Figures[]
  readonly turns: readonly Readonly<Record<string, ThroughputRun>>[]
}
export type Results = {
  readonly throughput: InputResult[]
  readonly latency: Partial<Record<LatencyContestant, LatencyRun[]>>
  readonly firstRow: FirstRow[]
}

export class Measurements {
  readonly results: Results = { throughput: [], latency: {}, firstRow: [] }
  readonly failures: string[] = []
  readonly #services: Services
  readonly #plan: Plan
  #ready: readonly Contestant[] | null = null

  constructor(services: Services, plan: Plan) {
    this.#services = services
    this.#plan = plan
  }

  /** Rows per CPU-second and the like of everybody, on topics that are full. */
  async throughput(input: Input): Promise<void> {
    const contestants = await this.#prepared()
    const { runs, records: narrowRecords } = this.#plan
    const records = Math.ceil(narrowRecords * input.share)
    const topics = await this.#createTopics(input)
    const scene: Scene = { ...this.#scene(input, topics), records }
    const valueBytes = await fillTopics(
      this.#services.kafka.bootstrapServers,
      topics.names,
      scene.partitions,
      records,
      input.line,
    )
    const full: Scene = { ...scene, valueBytes }
    const bytesPerRecord = Math.round(valueBytes / records)
    print(
      `\n${input.name}: ${input.about}; ${records} records of ${bytesPerRecord} bytes, ${topics.names.length} × ${scene.partitions} partitions; ${runs} turns\n`,
    )
    const turns: Turn[] = []
    for (let turn = 0; turn < runs; turn++) turns.push(await this.#turn(turnOf(contestants, turn), full, turn))
    await this.#services.deleteTopics(topics.prefix)
    const figures = contestants.flatMap(({ name }) => figuresOf(name, turns) ?? [])
    print(`\n${input.name}: medians, ± half the spread; ratios of pairs within a turn, by rows per CPU-second\n`)
    print(`${table(figures)}${journalCost(figures)}${warmUps(figures)}`)
    this.results.throughput.push({
      input: input.name,
      records,
      bytesPerRecord,
      topics: topics.names.length,
      partitions: scene.partitions,
      figures,
      turns: turns.map(turn => Object.fromEntries(turn)),
    })
  }

  /** From produced to visible, at a steady rate. */
  async latency(): Promise<void> {
    const { rate, runs } = this.#plan
    const wanted = LATENCY_CONTESTANTS.filter(name => this.#plan.contestants.some(one => one.name === name))
    print(`\nlatency: narrow, ${rate.rowsPerSecond} rows/s for ${rate.seconds} s, default settings\n`)
    for (let turn = 0; turn < Math.min(runs, LATENCY_RUNS_MAX); turn++)
      for (const name of turnOf(wanted, turn))
        await this.#noting(`latency of ${name}`, async () => {
          const [input] = INPUTS
          const topics = await this.#createTopics(input!)
          const run = await runLatency(name, this.#scene(input!, topics), rate)
          await this.#services.deleteTopics(topics.prefix)
          this.results.latency[name] = [...(this.results.latency[name] ?? []), run]
          print(
            `${name.padEnd(15)} | p50 ${ms(run.p50Ms)} p99 ${ms(run.p99Ms)} max ${ms(run.maxMs)} of ${run.records} records | seen within ${ms(run.resolutionP50Ms)} (p99 ${ms(run.resolutionP99Ms)})\n`,
          )
        })
    for (const [name, measured] of Object.entries(this.results.latency)) {
      const of = (value: (run: LatencyRun) => number): string =>
        `${ms(median(measured.map(value)))} ${half(spread(measured.map(value)))}`
      print(`${name}: medians of ${measured.length}: p50 ${of(run => run.p50Ms)}, p99 ${of(run => run.p99Ms)}\n`)
    }
  }

  async firstRow(): Promise<void> {
    print('\nfirst row of ours\n')
    for (let run = 0; run < this.#plan.runs; run++)
      await this.#noting('first row', async () => {
        const [input] = INPUTS
        const topics = await this.#createTopics(input!)
        this.results.firstRow.push(await measureFirstRow(this.#scene(input!, topics)))
        await this.#services.deleteTopics(topics.prefix)
      })
    const { firstRow } = this.results
    if (firstRow.length === 0) return
    const of = (value: (one: FirstRow) => number): string =>
      `${ms(median(firstRow.map(value)))} ${half(spread(firstRow.map(value)))}`
    print(
      `medians of ${firstRow.length}: from POST /connectors ${of(one => one.fromPostMs)}, from the start of the process ${of(one => one.fromStartMs)}\n`,
    )
  }

  async #turn(order: readonly Contestant[], scene: Scene, turn: number): Promise<Turn> {
    const measured = new Map<string, ThroughputRun>()
    for (const contestant of order)
      await this.#noting(`${contestant.name}, ${scene.input.name}, turn ${turn + 1}`, async () => {
        const run = await runThroughput(contestant, scene)
        measured.set(contestant.name, run)
        print(runLine(contestant.name, run))
      })
    return measured
  }

  /** Those that can run here; who cannot says why, once. With CI=true that is a failure. */
  async #prepared(): Promise<readonly Contestant[]> {
    if (this.#ready !== null) return this.#ready
    const ready: Contestant[] = []
    for (const contestant of CONTESTANTS.filter(one => this.#plan.contestants.includes(one))) {
      const reason = (await contestant.prepare?.(this.#services.folder)) ?? null
      if (reason === null) ready.push(contestant)
      else {
        print(`${contestant.name} is left out: ${reason}\n`)
        if (process.env['CI'] === 'true') this.failures.push(`${contestant.name}: ${reason}`)
      }
    }
    this.#ready = ready
    return ready
  }

  async #createTopics(input: Input): Promise<Topics> {
    const prefix = `${this.#services.unique(input.name)}_`
    const topics = Array.from({ length: input.topics }, (_, i) => `${prefix}${i}`)
    await this.#services.createTopics(topics, input.partitions ?? this.#plan.partitions)
    return { prefix, names: topics }
  }

  #scene(input: Input, topics: Topics): Scene {
    return {
      services: this.#services,
      input,
      topics: topics.names,
      partitions: input.partitions ?? this.#plan.partitions,
      records: 0,
      valueBytes: 0,
      profileFolder: this.#plan.profileFolder,
    }
  }

  async #noting(what: string, work: () => Promise<void>): Promise<void> {
    this.#plan.signal.throwIfAborted()
    try {
      await work()
    } catch (error) {
      this.#plan.signal.throwIfAborted()
      const message = `${what}: ${error instanceof Error ? error.message : String(error)}`
      this.failures.push(message)
      print(`FAILED ${message}\n`)
    }
  }
}

const print = (text: string): void => void process.stdout.write(text)
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`

function journalCost(figures: readonly Figures[]): string {
  const ratio = figures.find(({ contestant }) => contestant === 'ours')?.toWithoutJournal
  if (ratio === null || ratio === undefined) return ''
  const cost = 1 - ratio.median
  const verdict = cost <= JOURNAL_COST_MAX ? 'within' : 'OVER'
  return `the journal costs ${(cost * 100).toFixed(1)} % of the rows per CPU-second (${verdict} ${JOURNAL_COST_MAX * 100} %)\n`
}

/** Who was warm after what. */
function warmUps(figures: readonly Figures[]): string {
  const list = figures.map(({ contestant, warmUps }) => `${contestant} ${warmUps.join(' or ')}`)
  return `measured after: ${list.join(', ')}\n`
}
