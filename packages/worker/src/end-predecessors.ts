// What earlier connectors of the name left on a partition is folded and ended before the one of today begins there.
import type { ConnectorEntry, Genesis, Start } from '@millrace/core'
import type { ConnectorServices } from './connector-runtime.ts'
import { type EndIncarnationIo, endIncarnation } from './end-incarnation.ts'
import { resolveStart, type StartDeps } from './start-position.ts'

export type Successor = {
  readonly entry: Pick<ConnectorEntry, 'predecessors'>
  readonly services: Pick<ConnectorServices, 'genesis'>
  /** Where the connector of today would start. */
  readonly start: Omit<StartDeps, 'endedAt'>
}

/**
 * Answers where the last of them ended; null where there was none. Rejects as `endIncarnation` does.
 * One that was deleted before it ever claimed the partition ends where it would have begun: at its own `initial_offsets`, whoever
 * ends it.
 */
export async function endPredecessors(
  { entry, services, start }: Successor,
  io: Omit<EndIncarnationIo, 'resolveStart'>,
  { signal }: { signal: AbortSignal },
): Promise<Start | null> {
  let endedAt: Start | null = null
  // The oldest first: one that never claimed the partition resolves its start, which must not pass over what an older one left.
  for (const incarnation of entry.predecessors.toReversed()) {
    const olderEnd: Start | null = endedAt
    const ending: EndIncarnationIo = {
      ...io,
      resolveStart: async options => {
        const theirs = await services.genesis(incarnation, options)
        return await resolveStart({ ...start, genesis: asStatedBy(theirs, start.genesis), endedAt: olderEnd }, options)
      },
    }
    // Each begins no lower than the one before it, unless an operator or initial_offsets said so: then that counts.
    endedAt = (await endIncarnation(incarnation, ending, { signal })) ?? olderEnd
  }
  return endedAt
}

/**
 * Of its own word the offsets it was to start from. Which partitions count as new stays the successor's: one that the topic got
 * after the earlier connector was deleted was never that one's.
 * @param theirs null: it was written to a journal that was lost, and made anew without it.
 */
function asStatedBy(theirs: Genesis | null, { initialOffsets: _, ...own }: Genesis): Genesis {
  return { ...own, ...(theirs?.initialOffsets !== undefined && { initialOffsets: theirs.initialOffsets }) }
}
