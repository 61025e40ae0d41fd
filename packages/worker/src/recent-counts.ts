// Rows and dead letters of about the last minute, from totals that only rise: a rate without an event per record.
import type { RecentOutcomes } from '@millrace/core'

const WINDOW_MS = 60_000
/** Twelve samples of the window: 12 × 3 numbers per partition. */
const SAMPLE_EVERY_MS = 5_000

type Sample = RecentOutcomes & { readonly atMs: number }

export class RecentCounts {
  #samples: readonly Sample[] = []

  /** @param totals as of now; answers with what came since the oldest sample of the window. */
  note(nowMs: number, totals: RecentOutcomes): RecentOutcomes {
    const last = this.#samples.at(-1)
    if (last === undefined || nowMs - last.atMs >= SAMPLE_EVERY_MS)
      this.#samples = [...this.#samples.filter(sample => nowMs - sample.atMs <= WINDOW_MS), { ...totals, atMs: nowMs }]
    const first = this.#samples[0] ?? { rows: totals.rows, deadLetters: totals.deadLetters }
    return { rows: totals.rows - first.rows, deadLetters: totals.deadLetters - first.deadLetters }
  }
}
