// The real clock, timers and randomness: the only place that touches them.
import { randomBytes, randomInt } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Clock, Random, Timers } from '@millrace/core'

export const systemClock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }

export const systemTimers: Timers = {
  async sleep(ms, { signal }) {
    signal.throwIfAborted()
    try {
      await (ms <= 0 ? nextTurn(undefined, { signal }) : sleep(ms, undefined, { signal }))
    } catch (error) {
      signal.throwIfAborted() // the typed reason, not Node's AbortError
      throw error
    }
  },
}

export const systemRandom: Random = {
  nextUint32: () => randomInt(0, 2 ** 32),
  nextId: () => randomBytes(12).toString('hex'),
}
