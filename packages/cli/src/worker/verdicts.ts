// An operator's answer to IN_DOUBT, written where the next claim of the partition folds it.
import type { Verdict } from '@millrace/api'
import {
  type ConnectorEntry,
  formatTopicPartition,
  type JournalLog,
  type KeySpace,
  MillraceError,
  releaseOf,
} from '@millrace/core'

/** Rejects CONFIG_INVALID when the partition has no such stream, or its owner let go of it in order. */
export async function giveVerdict(
  journal: JournalLog,
  entry: ConnectorEntry,
  { tp, stream, rows }: Verdict,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  // What an earlier connector of the name left in doubt holds up this one as well.
  for (const incarnation of [entry.incarnation, ...entry.predecessors]) {
    const space: KeySpace = { ...tp, incarnation }
    const state = await journal.readToEnd(space, { signal })
    const opens = [...state.opens.values()].filter(open => open.stream === stream)
    const last = opens.reduce((a, b) => (a === undefined || b.epoch > a.epoch ? b : a), opens[0])
    if (last === undefined || releaseOf(state, last) !== undefined) continue
    return await journal.append(space, [{ kind: 'verdict', claimId: last.claimId, stream, rows, by: 'rest' }])
  }
  const message = `${formatTopicPartition(tp)} of connector ${entry.name} has no stream ${stream} whose rows are in doubt.`
  throw new MillraceError('CONFIG_INVALID', 'failPartition', message)
}
