// What a request to move positions says when it did not do all it was asked: which moved, which did not, of which nobody knows.
import {
  type ConnectorEntry,
  formatTopicPartition,
  isMillraceError,
  MillraceError,
  type TopicPartition,
} from '@millrace/core'

export type Outcome =
  | { readonly kind: 'moved'; readonly tp: TopicPartition; readonly claimId: string }
  | { readonly kind: 'notMoved'; readonly tp: TopicPartition; readonly reason: unknown }
  /** The move was sent; whether it counts is not in the log, or not any more. */
  | { readonly kind: 'unknown'; readonly tp: TopicPartition; readonly reason: unknown }

/** Partitions named in one list; the others are counted. */
const NAMES_MAX = 50

/** null: all moved. POSITION_NOT_MOVED or what else kept them: none did. POSITION_MAY_HAVE_MOVED: anything else. */
export function failureOf(entry: ConnectorEntry, outcomes: readonly Outcome[]): unknown {
  const first = outcomes.find(outcome => outcome.kind !== 'moved')
  if (first === undefined) return null
  const { reason } = first
  if (outcomes.some(({ kind }) => kind !== 'notMoved')) return inPart(entry, outcomes, reason)
  return isMillraceError(reason) && reason.disposition === 'fenced' ? notMoved(entry, reason.message, reason) : reason
}

/** In Kafka Connect's words, as far as they are true here. */
export const notMoved = (entry: ConnectorEntry, more = '', cause?: unknown): MillraceError =>
  new MillraceError(
    'POSITION_NOT_MOVED',
    'retry',
    `Failed to alter consumer group offsets for connector ${entry.name} either because its tasks haven't stopped completely yet or the connector was resumed before the request to alter its offsets could be successfully completed. If the connector is in a stopped state, this operation can be safely retried.${more === '' ? '' : ` ${more}`}`,
    { cause },
  )

function inPart({ name }: ConnectorEntry, outcomes: readonly Outcome[], cause: unknown): MillraceError {
  const list = (what: string, kind: Outcome['kind']): string => {
    const names = outcomes.filter(outcome => outcome.kind === kind).map(({ tp }) => formatTopicPartition(tp))
    const more = names.length > NAMES_MAX ? ` and ${names.length - NAMES_MAX} more` : ''
    return names.length === 0 ? '' : ` ${what}: ${names.slice(0, NAMES_MAX).join(', ')}${more}.`
  }
  const lists = list('Moved', 'moved') + list('Not moved', 'notMoved') + list('May have moved', 'unknown')
  return new MillraceError(
    'POSITION_MAY_HAVE_MOVED',
    'retry',
    `Positions of connector ${name} were altered in part, or may have been: it was resumed meanwhile, or the journal did not answer.${lists} GET /connectors/${name}/offsets says where they are. If the connector is in a stopped state, this operation can be safely retried.`,
    { cause },
  )
}
