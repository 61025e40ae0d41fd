// What must hold in every lane state, checked after each step in production too: a violation ends the partition, not the promise.
import { assert } from '../errors/error.ts'
import { LANE_IN_FLIGHT_MAX, LANE_WINDOW_MAX, type LaneState } from './lane.ts'

export function assertLaneInvariants(state: LaneState): void {
  if (state.kind === 'ended') return
  assert(state.window.length <= LANE_WINDOW_MAX, 'I1: the window is bounded.')
  let expected = state.window.find(b => b.rowCount > 0)?.firstRow ?? state.nextRow
  let unsent = false
  let isLooseBefore = false
  let inFlight = 0
  for (const batch of state.window) {
    // A batch without rows may wait for its dead letters while later rows are acknowledged: it occupies no row.
    if (batch.rowCount > 0) {
      // Behind a loose batch others may have been acknowledged: a late copy of it landed, its answer is still to come.
      const isInPlace = batch.firstRow === expected || (isLooseBefore && batch.firstRow > expected)
      if (!isInPlace) broken(`I2 Contiguous: batch ${batch.id} is at ${batch.firstRow}, not ${expected}.`)
      expected = (batch.firstRow + BigInt(batch.rowCount)) as typeof expected
      isLooseBefore ||= batch.loose
    }
    if (batch.phase === 'sent') {
      inFlight++
      // A refused batch waits for those behind it to be answered: that is what draining is.
      if (unsent && state.kind !== 'draining') broken(`I3: batch ${batch.id} was sent before an earlier one.`)
      if (!batch.lettersSafe)
        broken(`I4 OneOutcome: rows of batch ${batch.id} were sent before its dead letters were safe.`)
      if (batch.rowCount === 0 || state.stream === null)
        broken(`I5: batch ${batch.id} was sent without rows or stream.`)
    } else if (batch.rowCount > 0 && batch.phase !== 'refused') unsent = true
    if (batch.phase === 'logging') assert(state.intentInFlight, 'I6 IntentFirst: logging without an Intent under way.')
  }
  assert(
    expected === state.nextRow || (isLooseBefore && expected < state.nextRow),
    'I2 Contiguous: the next row follows the window.',
  )
  assert(inFlight <= LANE_IN_FLIGHT_MAX, 'I7: requests in flight are bounded.')
  if (inFlight > 0 && state.kind !== 'appending' && state.kind !== 'draining')
    broken(`I8: appends on the wire while ${state.kind}.`)
  if (state.intentInFlight && (state.kind === 'splitting' || state.kind === 'finalizing' || state.kind === 'settling'))
    broken(`I9: an Intent is under way while ${state.kind}.`)
}

/** Its message is only made when it is needed: this runs after every step. */
const broken = (message: string): void => assert(false, message)
