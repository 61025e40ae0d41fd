// The chance of one run, a generator per purpose: a fault that is switched off shifts nothing but itself, so shrinking keeps the rest.
import { SeededRandom } from '@millrace/testkit'
import type { Fault } from './faults.ts'
import type { Plan } from './plan.ts'

export class Chance {
  readonly #root: SeededRandom
  readonly #plan: Plan
  readonly #of = new Map<string, SeededRandom>()
  /** How often each fault really hit. */
  readonly hits: Map<Fault, number> = new Map()
  /** No fault happens any more. */
  isHealed = false
  /** Until when nobody answers, by the scheduler's time. */
  kafkaUpAtMs = 0
  bigQueryUpAtMs = 0

  constructor(plan: Plan) {
    this.#plan = plan
    this.#root = new SeededRandom(plan.seed)
  }

  for(purpose: string): SeededRandom {
    const known = this.#of.get(purpose)
    if (known !== undefined) return known
    const random = this.#root.fork(purpose)
    this.#of.set(purpose, random)
    return random
  }

  isOn(fault: Fault): boolean {
    return !this.isHealed && this.#plan.faults.has(fault)
  }

  /** Whether this call is hit by that fault. */
  strikes(fault: Fault, factor = 1): boolean {
    if (!this.isOn(fault) || !this.for(fault).chance(this.#plan.rate * factor)) return false
    this.hit(fault)
    return true
  }

  hit(fault: Fault): void {
    this.hits.set(fault, (this.hits.get(fault) ?? 0) + 1)
  }

  /** Otherwise Redis answers within the same instant, which saves most of the steps of a run. */
  get isRedisSlow(): boolean {
    return this.isOn('redisSlow')
  }
  redisLatencyMs(): number {
    this.hit('redisSlow')
    const random = this.for('redisSlow')
    return random.chance(0.02) ? random.below(5_000) : random.below(40)
  }

  /** One way over the network. */
  latencyMs(): number {
    const random = this.for('latency')
    if (this.isOn('slowNetwork') && this.for('slowNetwork').chance(0.03)) {
      this.hit('slowNetwork')
      return this.for('slowNetwork').between(100, 20_000)
    }
    return this.#plan.latencyMsMax === 0 ? 0 : random.below(this.#plan.latencyMsMax * 8) / 8
  }
}
