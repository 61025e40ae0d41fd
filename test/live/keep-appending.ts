// A writer that always has requests on the wire, until its stream takes no more.
import { type Answer, type Appender, hasLanded } from './appender.ts'
import { rowsOf } from './rows.ts'

/** On the wire at a time: more than a lane has. */
export const IN_FLIGHT = 32
/** An end, should nothing else end it. */
const BATCHES_MAX = 4_000

export type Appended = { readonly firstRow: number; readonly answer: Answer }

/** Resolves with every answer, in order, once one of them is not an acknowledgement, or `until` is aborted. */
export async function keepAppending(
  appender: Appender,
  rows: { readonly mark: string; readonly perBatch: number },
  onAcknowledged: () => void,
  { until }: { readonly until?: AbortSignal } = {},
): Promise<readonly Appended[]> {
  const appended: Appended[] = []
  const inFlight: { readonly firstRow: number; readonly answer: Promise<Answer> }[] = []
  let batch = 0
  let isOver = false
  for (;;) {
    while (!isOver && inFlight.length < IN_FLIGHT && batch < BATCHES_MAX) {
      const firstRow = batch++ * rows.perBatch
      inFlight.push({ firstRow, answer: appender.append(firstRow, rowsOf(rows.mark, firstRow, rows.perBatch)) })
    }
    const next = inFlight.shift()
    if (next === undefined) return appended
    const answer = await next.answer
    appended.push({ firstRow: next.firstRow, answer })
    if (hasLanded(answer)) onAcknowledged()
    isOver ||= !hasLanded(answer) || until?.aborted === true
  }
}
