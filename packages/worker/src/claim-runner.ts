// Performs the effects of the claim machine until it owns the partition, is fenced, or is in doubt.
import {
  type Alteration,
  assert,
  assertNever,
  beginClaim,
  type ClaimEffect,
  type ClaimEvent,
  type ClaimIdentity,
  type ClaimState,
  type Clock,
  type IntervalSet,
  isMillraceError,
  type JournalLog,
  type KeySpace,
  type Logger,
  MillraceError,
  type Random,
  type Start,
  type StreamName,
  stepClaim,
  type Timers,
  type WriteStreams,
} from '@millrace/core'
import { unlessAborted } from './abortable.ts'
import type { LostOffsetsHost } from './lost-offsets.ts'
import { Mailbox } from './mailbox.ts'
import { untilDefinitive } from './retry.ts'
import type { RetryNotes } from './waits.ts'

export type ClaimIo = {
  readonly space: KeySpace
  readonly journal: JournalLog
  readonly streams: WriteStreams
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Told while it asks again. */
  readonly onRetry?: RetryNotes['onRetry']
  readonly onOver?: RetryNotes['onOver']
  /**
   * Start position where the journal states none: initial_offsets, committed offsets, or auto.offset.reset; that alone where an
   * operator had the position forgotten.
   */
  resolveStart(options: { forgotten: boolean; signal: AbortSignal }): Promise<Start>
  /** Produces the dead letters of these offsets (again); resolves when they are safe. */
  saveDeadLetters(offsets: IntervalSet, options: { signal: AbortSignal }): Promise<void>
  readonly lostOffsets: Pick<LostOffsetsHost, 'audit'>
}

type End = Extract<ClaimState, { kind: 'owning' | 'altered' | 'fenced' | 'inDoubt' }>
export type ClaimEnd = Exclude<End, { kind: 'altered' }>
export type AlterationEnd = Exclude<End, { kind: 'owning' }>

type Result = { readonly event: ClaimEvent } | { readonly error: unknown }

/** Rejects with the first error that no rule of the claim covers; JOURNAL_OUTCOME_UNKNOWN (fenced) among them. */
export async function runClaim(
  identity: ClaimIdentity & { readonly alteration?: never },
  io: ClaimIo,
  options: { signal: AbortSignal },
): Promise<ClaimEnd> {
  const end = await run(identity, io, options)
  assert(end.kind !== 'altered', 'Only an alteration ends so.')
  return end
}

/** A claim that moves the position and delivers nothing. Rejects as `runClaim` does. */
export async function runAlteration(
  identity: ClaimIdentity & { readonly alteration: Alteration },
  io: ClaimIo,
  options: { signal: AbortSignal },
): Promise<AlterationEnd> {
  const end = await run(identity, io, options)
  assert(end.kind !== 'owning', 'An alteration owns nothing.')
  return end
}

async function run(identity: ClaimIdentity, io: ClaimIo, { signal }: { signal: AbortSignal }): Promise<End> {
  const results = new Mailbox<Result>()
  const abort = new AbortController()
  const inner = AbortSignal.any([signal, abort.signal])
  const perform = (effects: readonly ClaimEffect[]): void => {
    for (const effect of effects)
      performEffect(effect, io, identity, inner).then(
        event => results.put({ event }),
        error => results.put({ error }),
      )
  }
  try {
    const begun = stepClaim(beginClaim(identity), { kind: 'begin' })
    let { state } = begun
    perform(begun.effects)
    for (;;)
      for (const result of await results.take({ signal })) {
        if ('error' in result) throw result.error
        const step = stepClaim(state, result.event)
        io.logger.debug({ from: state.kind, event: result.event.kind, to: step.state.kind }, 'Claim goes on.')
        state = step.state
        if (hasEnded(state)) {
          await unlessAborted(deleteObsolete(step.effects, io), signal)
          return state
        }
        perform(step.effects)
      }
  } finally {
    abort.abort()
    io.onOver?.()
  }
}

const hasEnded = (state: ClaimState): state is End =>
  state.kind === 'owning' || state.kind === 'altered' || state.kind === 'fenced' || state.kind === 'inDoubt'

/** The only effect of a finished claim: records below it. Readers ignore them, deleted or not. */
async function deleteObsolete(effects: readonly ClaimEffect[], io: ClaimIo): Promise<void> {
  for (const effect of effects) if (effect.kind === 'deleteKeys') await io.journal.delete(io.space, effect.keys)
}

async function performEffect(
  effect: ClaimEffect,
  io: ClaimIo,
  { claimId }: ClaimIdentity,
  signal: AbortSignal,
): Promise<ClaimEvent> {
  const { space, journal, timers } = io
  switch (effect.kind) {
    case 'readToEnd':
      if (effect.barrier) await journal.append(space, [{ kind: 'barrier', claimId }])
      return { kind: 'journalRead', journal: await journal.readToEnd(space, { signal }) }
    case 'append':
      await journal.append(space, [effect.record])
      return { kind: 'appended' }
    case 'finalize':
      return await finalizeForClaim(effect.stream, io, signal)
    case 'pause':
      await timers.sleep(effect.ms, { signal })
      return { kind: 'pauseOver' }
    case 'resolveStart':
      return {
        kind: 'startResolved',
        ...(await untilDefinitive(() => io.resolveStart({ forgotten: effect.forgotten, signal }), io, { signal })),
      }
    case 'saveDeadLetters':
      if (effect.offsets.length > 0) await io.saveDeadLetters(effect.offsets, { signal })
      for (const range of effect.lost ?? []) {
        const audit = () => io.lostOffsets.audit({ tp: space, range, atMs: io.clock.nowMs() }, { signal })
        await untilDefinitive(audit, io, { signal })
      }
      return { kind: 'deadLettersSafe' }
    case 'deleteKeys': // only ever an effect of the last step
      throw new MillraceError('BUG', 'failPartition', 'A claim deletes records only once it owns the partition.')
    default:
      return assertNever(effect)
  }
}

async function finalizeForClaim(stream: StreamName, io: ClaimIo, signal: AbortSignal): Promise<ClaimEvent> {
  try {
    const rows = await untilDefinitive(() => io.streams.finalize(stream, { signal }), io, { signal })
    return { kind: 'finalized', stream, rows }
  } catch (error) {
    if (!isMillraceError(error) || error.code !== 'STREAM_GONE') throw error
    io.onRetry?.(error) // asked again for ten minutes where anything on it is open: nobody waits for that in silence
    return { kind: 'streamGone', stream, nowMs: io.clock.monotonicMs() }
  }
}
