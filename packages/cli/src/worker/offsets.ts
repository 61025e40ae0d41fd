// Positions of a connector as the REST API shows them: from the journal as followed so far. Changing them is not built yet.
import type { ConnectorOffsets, ConnectorPosition } from '@millrace/api'
import { type ConnectorEntry, type JournalLog, knownPosition, MillraceError, type TopicPartition } from '@millrace/core'

export function journalOffsets(
  journal: JournalLog,
  partitionsOf: (entry: ConnectorEntry) => readonly TopicPartition[],
): ConnectorOffsets {
  const notBuilt = (): never => {
    throw new MillraceError(
      'NOT_SUPPORTED',
      'failPartition',
      'Altering or resetting offsets is not built in this version.',
    )
  }
  return {
    async get(entry) {
      return partitionsOf(entry).flatMap((tp): ConnectorPosition[] => {
        const nextKafkaOffset = knownPosition(journal.peek({ ...tp, incarnation: entry.incarnation }))
        return nextKafkaOffset === null ? [] : [{ tp, nextKafkaOffset }]
      })
    },
    alter: async () => notBuilt(),
    reset: async () => notBuilt(),
  }
}
