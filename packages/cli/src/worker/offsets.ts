// Positions of a connector as the REST API shows them. Changing them is not built yet.
// The journal alone lags behind at rest: what the last batch settled is written with the next one, or after 30 s. The
// worker that has the partition knows better; both only ever name what is settled, so the higher one is right.
import type { ConnectorOffsets, ConnectorPosition } from '@millrace/api'
import {
  type ConnectorEntry,
  formatTopicPartition,
  type JournalLog,
  type KafkaOffset,
  knownPosition,
  MillraceError,
  type TopicPartition,
  type WorkerReport,
} from '@millrace/core'

export function journalOffsets(
  journal: JournalLog,
  partitionsOf: (entry: ConnectorEntry) => readonly TopicPartition[],
  reports: () => Promise<readonly WorkerReport[]>,
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
      const reported = reportedPositions(entry, await reports())
      return partitionsOf(entry).flatMap((tp): ConnectorPosition[] => {
        const logged = knownPosition(journal.peek({ ...tp, incarnation: entry.incarnation }))
        const nextKafkaOffset = higher(logged, reported.get(formatTopicPartition(tp)) ?? null)
        return nextKafkaOffset === null ? [] : [{ tp, nextKafkaOffset }]
      })
    },
    alter: async () => notBuilt(),
    reset: async () => notBuilt(),
  }
}

function reportedPositions(
  entry: ConnectorEntry,
  reports: readonly WorkerReport[],
): ReadonlyMap<string, KafkaOffset | null> {
  const positions = new Map<string, KafkaOffset | null>()
  for (const report of reports.flatMap(({ partitions }) => partitions)) {
    if (report.connector !== entry.name || report.incarnation !== entry.incarnation) continue
    const name = formatTopicPartition(report)
    positions.set(name, higher(positions.get(name) ?? null, report.nextOffset))
  }
  return positions
}

function higher(a: KafkaOffset | null, b: KafkaOffset | null): KafkaOffset | null {
  return a === null || (b !== null && b > a) ? b : a
}
