// The rules of journal.md, each broken on purpose in one way, and the invariant that shows it. A mutant overrides a production
// function, by what goes in or what comes out, or a duty of the shell; the explorer must catch every one of them.
import type { ClaimEvent, ClaimState, KeySpaceState } from '@millrace/core'
import { PRODUCTION, type Rules } from './rules.ts'
import { SCOPE, type Scope } from './scope.ts'
import type { Invariant } from './world.ts'

export type Mutant = {
  /** What it does wrong. */
  readonly does: string
  readonly caughtBy: Invariant
  readonly rules: Partial<Rules>
  readonly scope: Scope
}

const { stepClaim, stepLane } = PRODUCTION

/** The claim machine, told another journal in this state. */
const claimReading =
  (
    kind: ClaimState['kind'],
    change: (journal: KeySpaceState, state: ClaimState) => KeySpaceState,
  ): Rules['stepClaim'] =>
  (state, event: ClaimEvent) =>
    event.kind === 'journalRead' && state.kind === kind
      ? stepClaim(state, { ...event, journal: change(event.journal, state) })
      : stepClaim(state, event)

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  noFinalize: {
    does: 'recovery reads the row count without finalizing',
    caughtBy: 'NoDup',
    rules: { finalizes: { claim: false, lane: true } },
    scope: SCOPE,
  },
  noOpenCheck: {
    does: 'appends start without reading the Open back',
    caughtBy: 'NoDup',
    rules: {
      stepLane: (state, event) => stepLane(state, event.kind === 'openConfirmed' ? { ...event, isHead: true } : event),
    },
    scope: SCOPE,
  },
  noLetterCheck: {
    does: 'a dead letter is produced without reading its Intent back',
    caughtBy: 'OneOutcome',
    rules: {
      stepLane: (state, event) =>
        stepLane(state, event.kind === 'intentConfirmed' ? { ...event, isHead: true } : event),
    },
    scope: SCOPE,
  },
  intentAfterAppend: {
    does: 'rows are sent before their Intent is durable',
    caughtBy: 'Aligned',
    rules: { intentIsHeard: 'atOnce' },
    scope: SCOPE,
  },
  streamlessForgotten: {
    does: 'recovery ignores what was logged while nothing had a stream',
    caughtBy: 'OneOutcome',
    rules: {
      stepClaim: claimReading('folding', journal => ({
        ...journal,
        intents: new Map([...journal.intents].filter(([, intent]) => intent.stream !== null)),
      })),
    },
    scope: SCOPE,
  },
}
