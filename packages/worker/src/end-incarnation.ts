// Delete acts as an owner (journal.md): claim what the incarnation left, fold it, write Deleted. After that nobody can claim its
// key space again, and a re-created connector continues from what it states.
import {
  type ClaimIdentity,
  describeDoubts,
  type Incarnation,
  isDeleted,
  type KeySpace,
  type KeySpaceState,
  knownProgress,
  MillraceError,
  type Start,
  type TopicPartition,
  type WorkerId,
} from '@millrace/core'
import { type ClaimIo, runClaim } from './claim-runner.ts'

export type EndIncarnationIo = Omit<ClaimIo, 'space'> & {
  readonly tp: TopicPartition
  readonly workerId: WorkerId
} & Pick<ClaimIdentity, 'isAwaited'>

/**
 * Does nothing where the incarnation is ended already. Also where it never claimed the partition it is ended: an owner that
 * was paused before its first claim would deliver everything again. Rejects IN_DOUBT where it is.
 * Answers where it ended: there its successor starts, whatever late commits of a frozen owner made of the group.
 */
export async function endIncarnation(
  incarnation: Incarnation,
  io: EndIncarnationIo,
  { signal }: { signal: AbortSignal },
): Promise<Start | null> {
  const space: KeySpace = { ...io.tp, incarnation }
  const before = await io.journal.readToEnd(space, { signal })
  if (isDeleted(before)) return endOf(before)
  const claimId = io.random.nextId()
  const { workerId, isAwaited } = io
  const identity = { claimId, workerId, generation: 0, ...(isAwaited === true && { isAwaited }) }
  const end = await runClaim(identity, { ...io, space }, { signal })
  switch (end.kind) {
    case 'fenced':
      return await endedByNow(space, io, { signal })
    case 'inDoubt': {
      const doubts = describeDoubts(end.doubts, io.journal.peek(space))
      throw new MillraceError(
        'IN_DOUBT',
        'failPartition',
        `The deleted incarnation of ${space.topic}-${space.partition}: ${doubts}`,
      )
    }
    case 'owning': {
      const { epoch } = end.ownership
      await io.journal.append(space, [{ kind: 'deleted', claimId, epoch, by: io.workerId }])
      return await endedByNow(space, io, { signal })
    }
  }
}

/** Whoever claimed before our Deleted may be delivering: then it is void, and the end is to be tried anew. */
async function endedByNow(
  space: KeySpace,
  { journal }: EndIncarnationIo,
  { signal }: { signal: AbortSignal },
): Promise<Start | null> {
  const state = await journal.readToEnd(space, { signal })
  if (isDeleted(state)) return endOf(state)
  const message = `Another worker claimed the deleted incarnation of ${space.topic}-${space.partition}.`
  throw new MillraceError('FENCED', 'fenced', message)
}

/** Also what is settled above the frontier: a letter that is out must not become a row of the successor. */
function endOf(state: KeySpaceState): Start | null {
  const progress = knownProgress(state, Number.POSITIVE_INFINITY, null)
  if (progress === null) return null
  const { frontier: start, beyond: done } = progress
  return done.length > 0 ? { start, done } : { start }
}
