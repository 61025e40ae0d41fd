// A partition's journal in plain words. Everything from outside the program (names) is shown as it stands in the journal.
import {
  type ClaimView,
  describeChoice,
  describeOffsets,
  formatTopicPartition,
  type Incarnation,
  type KeySpaceView,
  parseTableName,
  type StreamView,
  type TopicPartition,
  type WindowView,
} from '@millrace/core'

export type InspectedPartition = TopicPartition & {
  readonly connector: string
  readonly incarnation: Incarnation
  /** Whether the connector still is this incarnation. */
  readonly isCurrent: boolean
  readonly view: KeySpaceView
}

/** In a list of many. */
export function partitionLine({ connector, isCurrent, view, ...tp }: InspectedPartition): string {
  const { head, progress, streams } = view
  const open = streams.filter(({ release }) => release === null).length
  return [
    `${connector}${isCurrent ? '' : ' (deleted)'}  ${formatTopicPartition(tp)}`,
    view.isDeleted ? 'ended' : head === null ? 'never claimed' : `epoch ${head.epoch}`,
    progress === null ? 'no position' : `settled below ${progress.frontier}`,
    `${open} stream${open === 1 ? '' : 's'} open`,
  ].join('  ')
}

export function partitionStory({ connector, incarnation, isCurrent, view, ...tp }: InspectedPartition): string {
  const { head, streams, streamless, obsoleteRecords } = view
  const lines = [
    `${formatTopicPartition(tp)} of connector ${connector}${isCurrent ? '' : ' as it was before it was deleted'} (incarnation ${incarnation})`,
    ...(view.isDeleted ? ['  Its incarnation has ended: nobody can claim it any more.'] : []),
    `  ${head === null ? 'Nobody has claimed it yet.' : claimSentence(head)}`,
    ...settledSentences(view).map(sentence => `  ${sentence}`),
    ...(streamless === null ? [] : [`  Logged before any stream was needed: ${outcomes(streamless)}.`]),
    ...(streams.length === 0 ? ['  No stream of it is of any concern to the next owner.'] : []),
    ...streams.flatMap(streamStory),
    ...(obsoleteRecords === 0 ? [] : [`  ${obsoleteRecords} older records mean nothing any more and will be removed.`]),
  ]
  return lines.join('\n')
}

const claimSentence = ({ claimId, epoch, workerId, generation, hasSettled }: ClaimView): string =>
  `Claimed by worker ${workerId} (claim ${claimId}, epoch ${epoch}, config generation ${generation})${
    hasSettled ? '.' : ', which has not settled yet what it took over: it recovers, is in doubt, or died meanwhile.'
  }`

function settledSentences({ progress, altered }: KeySpaceView): readonly string[] {
  const moved =
    altered === null
      ? []
      : [
          `An operator moved the position: by ${altered.by} at ${new Date(altered.atMs).toISOString()}, from ${altered.from ?? 'no position'} to ${altered.to ?? 'no position'}.`,
        ]
  if (progress === null) return [...moved, 'No position is known: the next owner resolves a start.']
  const lost = progress.lost ?? []
  const beyond = progress.beyond.length === 0 ? '' : `, and so are ${describeOffsets(progress.beyond)}`
  return [
    ...moved,
    `Every offset below ${progress.frontier} is settled${beyond} (the owner may know a window more than it has logged).`,
    ...(lost.length === 0
      ? []
      : [
          `Offsets ${describeOffsets(lost)} were gone from the topic before they were delivered (offset.lost.policy=skip).`,
        ]),
  ]
}

function streamStory(view: StreamView): readonly string[] {
  const { project, dataset, table } = parseTableName(view.table)
  const begun = view.openedAtRow > 0n ? `adopted at row ${view.openedAtRow}` : 'opened empty'
  return [
    `  Stream ${view.stream}`,
    `    of table ${project}.${dataset}.${table}, ${begun} by claim ${view.claimId} (epoch ${view.epoch}).`,
    ...stateSentences(view).map(sentence => `    ${sentence}`),
  ]
}

function stateSentences({ release, window, verdict, choices }: StreamView): readonly string[] {
  if (release !== null)
    return [
      `Let go of in order at row ${release.row} (${new Date(release.releasedAtMs).toISOString()}): the next owner goes on there.`,
    ]
  const laidOut =
    window === null
      ? 'Nothing was laid out on it: it is empty.'
      : `Last Intent: ${window.batches} batch${window.batches === 1 ? '' : 'es'}, rows ${window.firstRow} up to ${window.endRow}; ${outcomes(window)}.`
  const answered = verdict === null ? [] : [`Verdict of ${verdict.by}: ${verdict.rows} of its rows count.`]
  if (choices.length === 0) return [laidOut, ...answered, 'All of it is settled: its row count changes nothing.']
  const ask =
    'Should its owner die, BigQuery is asked for the row count. IN_DOUBT, it is yours to state (PUT … /verdict):'
  return [laidOut, ...answered, ask, ...choices.map(choice => `  rows ${choice.rows}: ${describeChoice(choice)}`)]
}

function outcomes({ rows, dead, drop }: WindowView): string {
  const parts = [
    ...(rows.length === 0 ? [] : [`offsets ${describeOffsets(rows)} as rows`]),
    ...(dead.length === 0 ? [] : [`${describeOffsets(dead)} as dead letters`]),
    ...(drop.length === 0 ? [] : [`${describeOffsets(drop)} dropped (filter, tombstone)`]),
  ]
  return parts.join(', ')
}
