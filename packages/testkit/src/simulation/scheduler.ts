// One virtual clock and one queue of everything that is to happen, for a whole simulated cluster. Each step takes the next event,
// runs it and lets all promises settle before anything else happens; what is due at the same instant comes in seeded order.
// Invariant: the same seed and the same events give the same trace, so `traceHash` of two runs is equal.
import type { SeededRandom } from './seeded-random.ts'

type Event = {
  readonly dueMs: number
  /** Drawn by chance: the order among events that are due together. */
  readonly order: number
  readonly label: string
  run: (() => void) | null
}

/**
 * A turn begins when all promises that can settle have: a tick asked for by a microtask comes when no microtask is left. A whole
 * macrotask does that too, at ten times the price; now and then there is one, so that rejections nobody handles end the process.
 * https://nodejs.org/api/process.html#processnexttickcallback-args
 */
const STEPS_PER_TASK = 100

/** What `at` answers: to be called off. */
export type Scheduled = { cancel(): void }

export class Scheduler {
  readonly #random: SeededRandom
  /** A binary heap; bounded by what one run has under way. */
  readonly #heap: Event[] = []
  readonly #epochMs: number
  #elapsedMs = 0
  #steps = 0
  #traceHash = 0
  /** Told of every event before it runs; null costs nothing. */
  onStep: ((label: string, elapsedMs: number) => void) | null = null

  constructor(random: SeededRandom, epochMs = 1_700_000_000_000) {
    this.#random = random
    this.#epochMs = epochMs
  }

  get elapsedMs(): number {
    return this.#elapsedMs
  }
  get epochMs(): number {
    return this.#epochMs
  }
  get steps(): number {
    return this.#steps
  }
  get traceHash(): number {
    return this.#traceHash
  }

  /** @param label what happens, for the trace; names no run-time value that differs between two runs of a seed. */
  at(delayMs: number, label: string, run: () => void): Scheduled {
    const event: Event = {
      dueMs: this.#elapsedMs + Math.max(0, delayMs),
      order: this.#random.nextUint32(),
      label,
      run,
    }
    this.#push(event)
    return {
      cancel: () => {
        event.run = null
      },
    }
  }

  /**
   * One event after the other, each with everything it causes without time passing, until `isDone`, which is asked before each.
   * False when nothing is left to happen; rejects with what an event or `isDone` throws.
   */
  runUntil(isDone: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          if (isDone()) return resolve(true)
          const event = this.#next()
          if (event === undefined) return resolve(false)
          this.#elapsedMs = event.dueMs
          this.#steps++
          this.note(event.label)
          this.onStep?.(event.label, this.#elapsedMs)
          event.run?.()
        } catch (error) {
          return reject(error)
        }
        if (this.#steps % STEPS_PER_TASK === 0) setImmediate(turn)
        else queueMicrotask(() => process.nextTick(turn))
      }
      turn()
    })
  }

  /** Mixes something that happened into the trace hash. */
  note(text: string): void {
    let hash = this.#traceHash ^ Math.imul(Math.floor(this.#elapsedMs * 1_000) | 0, 0x9e3779b1)
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
    this.#traceHash = hash >>> 0
  }

  #next(): Event | undefined {
    for (;;) {
      const event = this.#pop()
      if (event === undefined || event.run !== null) return event
    }
  }

  #push(event: Event): void {
    const heap = this.#heap
    let i = heap.push(event) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (isBefore(heap[parent]!, event)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = event
  }

  #pop(): Event | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(last, heap[child]!)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
    return first
  }
}

const isBefore = (a: Event, b: Event): boolean => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
