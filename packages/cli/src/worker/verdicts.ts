// An operator's answer to IN_DOUBT, written where the next claim of the partition folds it.
import type { Verdict } from '@millrace/api'
import {
  type ConnectorEntry,
  formatTopicPartition,
  type JournalLog,
  type KeySpace,
  MillraceError,
} from '@millrace/core'

/** Rejects CONFIG_INVALID when no claim of the partition opened that stream. */
export async function giveVerdict(
  journal: JournalLog,
  entry: ConnectorEntry,
  { tp, stream, rows }: Verdict,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const space: KeySpace = { ...tp, incarnation: entry.incarnation }
  const state = await journal.readToEnd(space, { signal })
  const opens = [...state.opens.values()].filter(open => open.stream === stream)
  const last = opens.reduce((a, b) => (a === undefined || b.epoch > a.epoch ? b : a), opens[0])
  if (last === undefined) {
    const message = `${formatTopicPartition(tp)} of connector ${entry.name} has opened no stream ${stream}.`
    throw new MillraceError('CONFIG_INVALID', 'failPartition', message)
  }
  await journal.append(space, [{ kind: 'verdict', claimId: last.claimId, stream, rows, by: 'rest' }])
}
