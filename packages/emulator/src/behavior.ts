// What the real service does or may do, as knobs: where documentation, measurement and guesses differ, the default is the best evidence.
// Read at each use and never copied: the control API changes the record while the emulator runs.
import { changeKnobs, type KnobRules } from './knobs.ts'

const SECOND = 1000
const DAY = 24 * 3600 * SECOND

export type Behavior = {
  /** A table that is not there: the masked PERMISSION_DENIED measured on the service, or the NOT_FOUND of its documentation. */
  missingTable: 'mask' | 'notFound'
  /** Append to a finalized stream: answered in a response, or by ending the call. */
  finalizedAppend: 'inBand' | 'close'
  /** An offset on the default stream. */
  defaultOffset: 'inBand' | 'close'
  /** A writer schema with a field the table lacks: ends the call in its first request and is answered in later ones, or always the one. */
  extraFields: 'firstCloses' | 'inBand' | 'close'
  /** A writer schema that cannot be used for another reason, such as a type that does not convert. */
  badSchema: 'firstCloses' | 'inBand' | 'close'
  /** Another writer schema on a call to an application-created stream: taken, not looked at, or the end of the call. */
  exclusiveSchemaChange: 'accept' | 'ignore' | 'close'
  /** A column of missing_value_interpretations that the table lacks. */
  unknownMissingValueColumn: 'reject' | 'ignore'
  /** FlushRows up to where rows are visible already. */
  flushAgain: 'alreadyExists' | 'ok'
  /** FinalizeWriteStream once more: the same count, or STREAM_FINALIZED. */
  finalizeAgain: 'ok' | 'reject'
  /** BatchCommitWriteStreams of a stream that is not there: in stream_errors, or NOT_FOUND as the call's status. */
  commitUnknown: 'inBand' | 'close'
  /** UPDATE, DELETE and MERGE of a table into which rows with _CHANGE_TYPE were merged. */
  changedTableDml: 'reject' | 'accept'
  /** A second AppendRows call on an application-created stream: both live and offsets decide, the older is ABORTED, or the newer is. */
  secondConnection: 'share' | 'preempt' | 'reject'
  /** For so long after its last call closed, a stream that is reopened answers from the end it had before that call. 0 = never. */
  staleEndMs: number
  /** An AppendRows call without traffic for so long is closed. 0 = never. */
  idleMs: number
  /** Streams without traffic for so long are gone. 0 = never. */
  ttlMs: { committed: number; buffered: number; pending: number }
  /** For so long after a table changed, appends do not know its new columns. REST and GetWriteStream know at once. */
  schemaPropagationMs: number
  /** For `windowMs` after its creation, calls for a table are denied as if it were missing, by chance. 0 = never. */
  tablePropagation: {
    windowMs: number
    createStream: number
    append: number
    flush: number
    inARowMax: number
    seed: number
  }
  /** Calls without x-goog-request-params: let through, or PERMISSION_DENIED. */
  routingHeader: 'lenient' | 'strict'
  /** Metadata updates one table takes within ten seconds. 0 = no limit. */
  tableUpdatesPer10s: number
  /** Concurrent calls on one HTTP/2 connection; later ones wait. Taken at start. */
  concurrentStreamsMax: number
  /** A call that is open when its token expires: judged when it was opened and let be, or ended with UNAUTHENTICATED. */
  tokenExpiry: 'openCallsStay' | 'closes'
}

export const DEFAULT_BEHAVIOR: Behavior = {
  missingTable: 'mask',
  finalizedAppend: 'inBand',
  defaultOffset: 'inBand',
  extraFields: 'firstCloses',
  badSchema: 'firstCloses',
  exclusiveSchemaChange: 'accept',
  unknownMissingValueColumn: 'reject',
  flushAgain: 'alreadyExists',
  finalizeAgain: 'ok',
  commitUnknown: 'inBand',
  changedTableDml: 'reject',
  secondConnection: 'share',
  staleEndMs: 0,
  idleMs: 600 * SECOND,
  // Documented for committed and buffered; nothing is said of pending ones, which outlive the buffered here.
  ttlMs: { committed: 3 * DAY, buffered: 7 * DAY, pending: 7 * DAY },
  // Minutes on the service, which would make every test of a schema change wait: set it to see them.
  schemaPropagationMs: 0,
  // The chances are measured (140 trials, at most two in a row); the window is off, or nothing would be the same twice.
  tablePropagation: { windowMs: 0, createStream: 0.23, append: 0, flush: 0.08, inARowMax: 2, seed: 1 },
  routingHeader: 'lenient',
  tableUpdatesPer10s: 5,
  concurrentStreamsMax: 100,
  tokenExpiry: 'openCallsStay',
}

type Choices = { [K in keyof Behavior as Behavior[K] extends string ? K : never]: readonly Behavior[K][] }
const CHOICES: Choices = {
  missingTable: ['mask', 'notFound'],
  finalizedAppend: ['inBand', 'close'],
  defaultOffset: ['inBand', 'close'],
  extraFields: ['firstCloses', 'inBand', 'close'],
  badSchema: ['firstCloses', 'inBand', 'close'],
  exclusiveSchemaChange: ['accept', 'ignore', 'close'],
  unknownMissingValueColumn: ['reject', 'ignore'],
  flushAgain: ['alreadyExists', 'ok'],
  finalizeAgain: ['ok', 'reject'],
  commitUnknown: ['inBand', 'close'],
  changedTableDml: ['reject', 'accept'],
  secondConnection: ['share', 'preempt', 'reject'],
  routingHeader: ['lenient', 'strict'],
  tokenExpiry: ['openCallsStay', 'closes'],
}

const RULES: KnobRules = {
  what: 'behavior',
  choices: CHOICES,
  chances: ['tablePropagation.createStream', 'tablePropagation.append', 'tablePropagation.flush'],
}

export type BehaviorPatch = {
  readonly [K in keyof Behavior]?: Behavior[K] extends object ? Partial<Behavior[K]> : Behavior[K]
}

/** The defaults with `patches` over them, the last on top. Throws InvalidSetting. */
export function behaviorWith(...patches: readonly unknown[]): Behavior {
  const behavior = structuredClone(DEFAULT_BEHAVIOR)
  for (const patch of patches) changeBehavior(behavior, patch)
  return behavior
}

/** Changes `behavior` in place: all that `patch` names, or nothing. Throws InvalidSetting. */
export function changeBehavior(behavior: Behavior, patch: unknown): void {
  changeKnobs(behavior, patch, RULES)
}
