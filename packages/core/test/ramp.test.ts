import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  DEFAULT_RAMP_LIMITS,
  newRamp,
  type RampEffect,
  type RampLimits,
  type RampState,
  stepRamp,
} from '../src/index.ts'

const limits = DEFAULT_RAMP_LIMITS

class Ramp {
  state: RampState
  nowMs = 1_000_000
  readonly limits: RampLimits
  constructor(given: RampLimits = limits) {
    this.limits = given
    this.state = newRamp(given, this.nowMs)
  }
  take(takeovers: number, coldStarts: number): RampEffect {
    const answer = stepRamp(this.state, { kind: 'take', takeovers, coldStarts, nowMs: this.nowMs }, this.limits)
    this.state = answer.state
    return answer.effects[0]!
  }
  created(latencyMs = 100, isQuotaExceeded = false): void {
    this.state = stepRamp(
      this.state,
      { kind: 'created', latencyMs, isQuotaExceeded, nowMs: this.nowMs },
      this.limits,
    ).state
  }
  /** Asks every 100 ms for as much as there is, every create going well. */
  drainFor(ms: number): number {
    let granted = 0
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 100) {
      const { coldStarts } = this.take(0, 1000)
      granted += coldStarts
      if (coldStarts > 0) this.created()
    }
    return granted
  }
}

describe('ramp', () => {
  test('gives the burst at once, then 5 a second, doubling every 10 s up to the limit', () => {
    const ramp = new Ramp()
    assert.equal(ramp.take(0, 1000).coldStarts, 40)
    const perTenSeconds = [ramp.drainFor(10_000), ramp.drainFor(10_000), ramp.drainFor(10_000), ramp.drainFor(10_000)]
    assert.deepEqual(
      perTenSeconds.map(n => Math.round(n / 10)),
      [5, 10, 20, 20],
    )
  })

  test('does not rise without creates that went well', () => {
    const ramp = new Ramp()
    ramp.take(0, 1000)
    ramp.nowMs += 60_000
    ramp.take(0, 1000)
    assert.equal(ramp.state.permitsPerSec, 5)
  })

  test('halves on quota errors and slow creates, once for creates that were under way together, never below the floor', () => {
    const ramp = new Ramp()
    ramp.drainFor(40_000)
    ramp.created(100, true)
    ramp.created(100, true)
    assert.equal(ramp.state.permitsPerSec, 10)
    assert.ok(ramp.state.tokens <= 10)
    ramp.nowMs += 2_000
    ramp.created(10_001)
    assert.equal(ramp.state.permitsPerSec, 5)
    for (let i = 0; i < 10; i++) {
      ramp.nowMs += 2_000
      ramp.created(100, true)
    }
    assert.equal(ramp.state.permitsPerSec, 1)
  })

  test('counts a quota error in the first second', () => {
    const ramp = new Ramp()
    ramp.created(100, true)
    assert.equal(ramp.state.permitsPerSec, 2.5)
  })

  test('serves takeovers first, and a waiting takeover holds cold starts back', () => {
    const ramp = new Ramp()
    assert.deepEqual(ramp.take(30, 30), { kind: 'grant', takeovers: 30, coldStarts: 10, retryAfterMs: 200 })
    assert.equal(ramp.take(1, 0).takeovers, 0)
    ramp.nowMs += 250
    assert.equal(ramp.take(0, 1).coldStarts, 0, 'the token is for the takeover')
    assert.equal(ramp.take(1, 0).takeovers, 1)
    ramp.nowMs += 1_000
    assert.ok(ramp.take(0, 1).coldStarts === 1, 'no takeover waits any more')
  })

  test('keeps a tenth of the hour for takeovers, and gives no more than the hour', () => {
    const ramp = new Ramp({ ...limits, permitsPerHourMax: 100 })
    let cold = ramp.take(0, 1000).coldStarts
    for (let i = 0; i < 100; i++, ramp.nowMs += 1_000) cold += ramp.take(0, 1000).coldStarts
    assert.equal(cold, 90)
    let takeovers = 0
    for (let i = 0; i < 100; i++, ramp.nowMs += 1_000) takeovers += ramp.take(1000, 0).takeovers
    assert.equal(takeovers, 10)
    ramp.nowMs += 3_300_000
    assert.equal(ramp.take(1, 1).takeovers, 0, 'the hour is not over')
    ramp.nowMs += 360_000
    assert.equal(ramp.take(0, 1000).coldStarts, 40, 'an hour later it starts again')
  })

  test('goes on at half of a remembered level after a wipe, its hour still counted, once', () => {
    const ramp = new Ramp()
    const inherit = { kind: 'inherit', permitsPerSec: 20, grantedLastHour: 8_090, nowMs: ramp.nowMs } as const
    ramp.state = stepRamp(stepRamp(ramp.state, inherit, limits).state, inherit, limits).state
    assert.equal(ramp.state.permitsPerSec, 10)
    assert.equal(ramp.state.tokens, 20)
    assert.equal(ramp.take(0, 1000).coldStarts, 10)
  })

  test('never exceeds bucket plus rate in any stretch of time, nor the hour, whatever is asked', () => {
    const event = fc.record({
      afterMs: fc.integer({ min: 0, max: 120_000 }),
      takeovers: fc.integer({ min: 0, max: 60 }),
      coldStarts: fc.integer({ min: 0, max: 60 }),
      report: fc.constantFrom('none', 'good', 'bad'),
    })
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 200 }), events => {
        const ramp = new Ramp({ burst: 10, permitsPerSecMax: 20, permitsPerHourMax: 300 })
        const granted: { atMs: number; n: number }[] = []
        for (const e of events) {
          ramp.nowMs += e.afterMs
          const { takeovers, coldStarts, retryAfterMs } = ramp.take(e.takeovers, e.coldStarts)
          assert.ok(takeovers <= e.takeovers && coldStarts <= e.coldStarts && ramp.state.tokens >= 0)
          assert.equal(retryAfterMs > 0, takeovers < e.takeovers || coldStarts < e.coldStarts)
          if (takeovers < e.takeovers) assert.equal(coldStarts, 0)
          granted.push({ atMs: ramp.nowMs, n: takeovers + coldStarts })
          if (e.report !== 'none') ramp.created(e.report === 'good' ? 10 : 20_000)
          const lastHour = granted.filter(g => g.atMs > ramp.nowMs - 3_600_000).reduce((sum, g) => sum + g.n, 0)
          assert.ok(lastHour <= 300)
          for (const from of granted) {
            const n = granted.filter(g => g.atMs >= from.atMs).reduce((sum, g) => sum + g.n, 0)
            assert.ok(n <= 10 + ((ramp.nowMs - from.atMs) * 20) / 1000 + 1e-6)
          }
        }
      }),
      { numRuns: 50 },
    )
  })
})
