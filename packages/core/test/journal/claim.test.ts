// The claim machine: every cell of states × events (SPEC.md shows the same table), then what each judgement depends on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  beginClaim,
  type ClaimEffect,
  type ClaimEvent,
  type ClaimIdentity,
  type ClaimState,
  type ClaimStep,
  EMPTY_KEY_SPACE,
  fold,
  isMillraceError,
  type JournalRecord,
  type KeySpaceState,
  kafkaOffset,
  recordKey,
  type StreamName,
  stepClaim,
  streamOffset,
  type WorkerId,
} from '@millrace/core'
import {
  claimOf,
  intentOf,
  journalOf,
  laid,
  openOf,
  releaseRecord,
  S1,
  S2,
  settledOf,
  settledUpTo,
} from './arbitrary-journal.ts'

const ME: ClaimIdentity = { claimId: 'me', workerId: 'w' as WorkerId, generation: 1 }

/** What an earlier owner left: a row landed on S1, a dead letter logged, nothing released. */
const LEFT: readonly JournalRecord[] = [
  claimOf('a', 1),
  settledOf('a', 1, 0),
  openOf('a', 1, S1),
  intentOf('a', 1, S1, 0, laid(0, { rows: [0] }), laid(1, { rows: [1], dead: [2] })),
]
const MINE = claimOf('me', 2)
const headed = (...more: readonly JournalRecord[]): KeySpaceState => journalOf(...LEFT, MINE, ...more)
const read = (journal: KeySpaceState): ClaimEvent => ({ kind: 'journalRead', journal })
const finalized = (rows: number, stream: StreamName = S1): ClaimEvent => ({
  kind: 'finalized',
  stream,
  rows: streamOffset(rows),
})

/** Steps through the events; the last step. */
function run(state: ClaimState, ...events: readonly ClaimEvent[]): ClaimStep {
  return events.reduce<ClaimStep>((last, event) => stepClaim(last.state, event), { state, effects: [] })
}
const start = (...events: readonly ClaimEvent[]): ClaimStep => run(beginClaim(ME), { kind: 'begin' }, ...events)

/** The same by a claim that is to move the position. */
const altering = (to: number | null, ...events: readonly ClaimEvent[]): ClaimStep =>
  run(
    beginClaim({
      ...ME,
      alteration: { nextKafkaOffset: to === null ? null : kafkaOffset(to), by: 'operator', atMs: 7 },
    }),
    { kind: 'begin' },
    ...events,
  )

const toFolding: readonly ClaimEvent[] = [read(journalOf(...LEFT)), { kind: 'appended' }, read(headed()), finalized(1)]
/** The letters that were found are logged under the own claim, and that one is still the head. */
const lettersLogged = (journal = headed()): readonly ClaimEvent[] => [{ kind: 'appended' }, read(journal)]
const toSaving: readonly ClaimEvent[] = [...toFolding, read(headed()), ...lettersLogged()]
const toSettling: readonly ClaimEvent[] = [...toSaving, { kind: 'deadLettersSafe' }]

const SAMPLES: Record<ClaimState['kind'], ClaimState> = {
  following: beginClaim(ME),
  claiming: start(read(journalOf(...LEFT))).state,
  confirming: start(read(journalOf(...LEFT)), { kind: 'appended' }).state,
  finalizing: start(...toFolding.slice(0, 3)).state,
  folding: start(...toFolding).state,
  pausing: start(...toFolding.slice(0, 3), finalized(7), read(headed())).state,
  resolvingStart: start(read(EMPTY_KEY_SPACE), { kind: 'appended' }, read(journalOf(MINE)), read(journalOf(MINE)))
    .state,
  loggingLetters: start(...toFolding, read(headed())).state,
  confirmingLetters: start(...toFolding, read(headed()), { kind: 'appended' }).state,
  savingDeadLetters: start(...toSaving).state,
  settling: start(...toSettling).state,
  confirmingSettled: start(...toSettling, { kind: 'appended' }).state,
  owning: start(...toSettling, { kind: 'appended' }, read(headed())).state,
  altered: altering(5, ...toSettling, { kind: 'appended' }, read(headed())).state,
  fenced: start(read(journalOf({ kind: 'deleted', claimId: 'x', epoch: 9, by: 'x' }))).state,
  inDoubt: { kind: 'inDoubt', doubts: [] },
}
const EVENTS: Record<ClaimEvent['kind'], ClaimEvent> = {
  begin: { kind: 'begin' },
  appended: { kind: 'appended' },
  journalRead: read(headed()),
  finalized: finalized(1),
  streamGone: { kind: 'streamGone', stream: S1, nowMs: 0 },
  pauseOver: { kind: 'pauseOver' },
  startResolved: { kind: 'startResolved', start: kafkaOffset(0) },
  deadLettersSafe: { kind: 'deadLettersSafe' },
}

const BUG = 'BUG'
const NOTHING: Record<ClaimEvent['kind'], string> = {
  begin: BUG,
  appended: BUG,
  journalRead: BUG,
  finalized: BUG,
  streamGone: BUG,
  pauseOver: BUG,
  startResolved: BUG,
  deadLettersSafe: BUG,
}
/** Next state and effects of each event, where the journal says that the claim is head; BUG where it cannot come. */
const TABLE: Record<ClaimState['kind'], Record<ClaimEvent['kind'], string>> = {
  following: { ...NOTHING, begin: 'following: readToEnd', journalRead: 'claiming: append claim' },
  claiming: { ...NOTHING, appended: 'confirming: readToEnd' },
  confirming: { ...NOTHING, journalRead: 'finalizing: finalize' },
  finalizing: {
    ...NOTHING,
    finalized: 'folding: readToEnd behind a barrier',
    streamGone: 'folding: readToEnd behind a barrier',
  },
  folding: { ...NOTHING, journalRead: 'loggingLetters: append intent' },
  loggingLetters: { ...NOTHING, appended: 'confirmingLetters: readToEnd' },
  confirmingLetters: { ...NOTHING, journalRead: 'savingDeadLetters: saveDeadLetters' },
  pausing: { ...NOTHING, pauseOver: 'finalizing: finalize' },
  resolvingStart: { ...NOTHING, startResolved: 'settling: append settled' },
  savingDeadLetters: { ...NOTHING, deadLettersSafe: 'settling: append settled' },
  settling: { ...NOTHING, appended: 'confirmingSettled: readToEnd' },
  confirmingSettled: { ...NOTHING, journalRead: 'owning: deleteKeys' },
  owning: NOTHING,
  altered: NOTHING,
  fenced: NOTHING,
  inDoubt: NOTHING,
}

const named = (effect: ClaimEffect): string => {
  if (effect.kind === 'append') return `append ${effect.record.kind}`
  if (effect.kind === 'readToEnd' && effect.barrier) return 'readToEnd behind a barrier'
  return effect.kind
}
function outcome(state: ClaimState, event: ClaimEvent): string {
  try {
    const step = stepClaim(state, event)
    return `${step.state.kind}: ${step.effects.map(named).join(', ')}`
  } catch (error) {
    return isMillraceError(error) ? error.code : String(error)
  }
}

for (const kind of Object.keys(TABLE) as ClaimState['kind'][])
  test(`claim ${kind}: every event`, () => {
    assert.equal(SAMPLES[kind].kind, kind)
    const actual = Object.fromEntries(
      Object.entries(EVENTS).map(([name, event]) => [name, outcome(SAMPLES[kind], event)]),
    )
    assert.deepEqual(actual, TABLE[kind])
  })

// ── fences ──

test('Fenced: every read that finds another head, or Deleted, ends the claim without an effect', () => {
  for (const kind of ['confirming', 'folding', 'confirmingSettled'] as const) {
    for (const [later, deleted] of [
      [claimOf('other', 3), false],
      [{ kind: 'deleted', claimId: 'x', epoch: 9, by: 'x' } satisfies JournalRecord, true],
    ] as const) {
      const step = stepClaim(SAMPLES[kind], read(headed(later)))
      assert.deepEqual(step, { state: { kind: 'fenced', deleted }, effects: [] }, kind)
    }
  }
  assert.deepEqual(
    outcome(SAMPLES.following, read(journalOf({ kind: 'deleted', claimId: 'x', epoch: 9, by: 'x' }))),
    'fenced: ',
  )
})

test('a claim of the same epoch that is earlier in the log wins', () => {
  const lost = stepClaim(SAMPLES.confirming, read(journalOf(...LEFT, claimOf('rival', 2), MINE)))
  assert.equal(lost.state.kind, 'fenced')
  const won = stepClaim(SAMPLES.confirming, read(journalOf(...LEFT, MINE, claimOf('rival', 2))))
  assert.equal(won.state.kind, 'finalizing')
})

// ── what is asked of BigQuery ──

const claimed = (...records: readonly JournalRecord[]): ClaimStep => {
  const journal = journalOf(claimOf('a', 1), settledOf('a', 1, 0), ...records)
  return start(
    read(journal),
    { kind: 'appended' },
    read(journalOf(claimOf('a', 1), settledOf('a', 1, 0), ...records, MINE)),
  )
}

test('several lanes: every stream that was not released is finalized, released ones are not', () => {
  const step = claimed(openOf('a', 1, S1), openOf('a', 1, S2), releaseRecord('a', 1, S2, 4, 4))
  assert.deepEqual(step.effects, [{ kind: 'finalize', stream: S1 }])
})

test('a handover in order asks BigQuery nothing, and offers the stream with its row', () => {
  const records = [claimOf('a', 1), settledOf('a', 1, 4), openOf('a', 1, S1), releaseRecord('a', 1, S1, 4, 4), MINE]
  const journal = read(journalOf(...records))
  const { state } = start(
    read(journalOf(...records.slice(0, -1))),
    { kind: 'appended' },
    journal,
    journal,
    { kind: 'appended' },
    journal,
  )
  assert(state.kind === 'owning')
  const { adoptable, finalized: counted, wasTakeover, progress } = state.ownership
  assert.deepEqual(
    adoptable.map(a => [a.stream, a.row]),
    [[S1, 4n]],
  )
  assert.deepEqual([counted.size, wasTakeover, settledUpTo(progress)], [0, false, '<4'])
})

test('a Release that lands after the stream was finalized does not make it adoptable', () => {
  const release = releaseRecord('a', 1, S1, 1, 1)
  const { state } = start(
    ...toFolding,
    read(headed(release)),
    ...lettersLogged(headed(release)),
    { kind: 'deadLettersSafe' },
    { kind: 'appended' },
    read(headed(release)),
  )
  assert(state.kind === 'owning')
  assert.deepEqual(state.ownership.adoptable, [])
  assert.deepEqual([...state.ownership.finalized], [[S1, 1n]])
})

test('an Open that lands after our Claim is of somebody fenced: its stream is not waited for', () => {
  const step = stepClaim(SAMPLES.folding, read(headed(openOf('a', 1, S2))))
  assert.equal(step.state.kind, 'loggingLetters')
})

test('a Settled that lands meanwhile becomes the base: what it settled needs no count', () => {
  const settled = settledOf('a', 1, 3)
  const step = start(
    ...toFolding.slice(0, 3),
    finalized(7),
    read(headed()),
    { kind: 'pauseOver' },
    finalized(7),
    read(headed(settled)),
  )
  assert.equal(step.state.kind, 'pausing', 'the stream is still one of the base epoch')
  const journal = headed(claimOf('b', 1.5), settledOf('b', 1.5, 3))
  assert.equal(stepClaim(SAMPLES.folding, read(journal)).state.kind, 'settling')
})

// ── doubt ──

function misalignedTimes(times: number): ClaimStep {
  let step = start(...toFolding.slice(0, 3), finalized(7), read(headed()))
  for (let i = 1; i < times; i++) step = run(step.state, { kind: 'pauseOver' }, finalized(7), read(headed()))
  return step
}

test('Aligned: a count that is no boundary is asked again a few times, then IN_DOUBT names stream and count', () => {
  assert.deepEqual(misalignedTimes(1).effects, [{ kind: 'pause', ms: 2_000 }])
  assert.equal(misalignedTimes(5).state.kind, 'pausing')
  assert.deepEqual(misalignedTimes(6).state, {
    kind: 'inDoubt',
    doubts: [{ stream: S1, saw: '7 rows, which is no boundary of a logged batch' }],
  })
})

test('a count that becomes a boundary ends the asking', () => {
  const step = run(misalignedTimes(3).state, { kind: 'pauseOver' }, finalized(2), read(headed()))
  assert.equal(step.state.kind, 'loggingLetters')
})

const goneAt = (state: ClaimState, nowMs: number): ClaimStep =>
  run(state, { kind: 'streamGone', stream: S1, nowMs }, read(headed()))

test('STREAM_NOT_FOUND with batches open must persist for 10 minutes', () => {
  let step = goneAt(SAMPLES.finalizing, 1_000)
  assert.deepEqual(step.effects, [{ kind: 'pause', ms: 10_000 }])
  step = goneAt(stepClaim(step.state, { kind: 'pauseOver' }).state, 600_999)
  assert.equal(step.state.kind, 'pausing')
  step = goneAt(stepClaim(step.state, { kind: 'pauseOver' }).state, 601_000)
  assert(step.state.kind === 'inDoubt')
  assert.match(step.state.doubts[0]?.saw ?? '', /STREAM_NOT_FOUND/)
})

test('where somebody waits for the answer, STREAM_NOT_FOUND is doubt after 5 seconds, and says which rows are open', () => {
  const { state: begun } = stepClaim(beginClaim({ ...ME, isAwaited: true }), { kind: 'begin' })
  let step = goneAt(run(begun, ...toFolding.slice(0, 3)).state, 1_000)
  assert.deepEqual(step.effects, [{ kind: 'pause', ms: 1_000 }])
  step = goneAt(stepClaim(step.state, { kind: 'pauseOver' }).state, 5_999)
  assert.equal(step.state.kind, 'pausing')
  step = goneAt(stepClaim(step.state, { kind: 'pauseOver' }).state, 6_000)
  assert.deepEqual(step.state, {
    kind: 'inDoubt',
    doubts: [{ stream: S1, saw: 'STREAM_NOT_FOUND although batches on it are open (rows 0 to 2)' }],
  })
})

test('a stream that is found again counts by its rows, and one that is gone with nothing open counts as nothing', () => {
  const gone = goneAt(SAMPLES.finalizing, 0)
  const found = run(stepClaim(gone.state, { kind: 'pauseOver' }).state, finalized(1), read(headed()))
  assert.equal(found.state.kind, 'loggingLetters')
  const settled = run(
    SAMPLES.finalizing,
    { kind: 'streamGone', stream: S1, nowMs: 0 },
    read(headed(intentOf('a', 1, S1, 3))),
  )
  assert.equal(settled.state.kind, 'settling')
})

test('a Verdict given before or during the claim takes the place of the count, aligned or not', () => {
  const verdict = (rows: number): JournalRecord => ({
    kind: 'verdict',
    claimId: 'a',
    stream: S1,
    rows: streamOffset(rows),
    by: 'operator',
  })
  const before = start(read(journalOf(...LEFT, verdict(1))), { kind: 'appended' }, read(headed(verdict(1))))
  assert.deepEqual(before.effects.map(named), ['readToEnd behind a barrier'])
  const during = run(
    goneAt(SAMPLES.finalizing, 0).state,
    { kind: 'pauseOver' },
    { kind: 'streamGone', stream: S1, nowMs: 1 },
    read(headed(verdict(7))),
    ...lettersLogged(headed(verdict(7))),
  )
  assert(during.state.kind === 'savingDeadLetters')
  assert.equal(settledUpTo(during.state.progress), '<3')
  const owning = run(during.state, { kind: 'deadLettersSafe' }, { kind: 'appended' }, read(headed(verdict(7))))
  assert(owning.state.kind === 'owning')
  assert.deepEqual([...owning.state.ownership.finalized], [], 'a stream with a Verdict is not finalized once more')
})

// ── what it leaves ──

test('OneOutcome: logged dead letters are saved before Settled says so', () => {
  const step = start(...toSaving)
  assert.deepEqual(step.effects, [{ kind: 'saveDeadLetters', offsets: [{ from: 2n, to: 3n }] }])
  const settled = stepClaim(step.state, { kind: 'deadLettersSafe' }).effects[0]
  assert(settled?.kind === 'append' && settled.record.kind === 'settled')
  assert.equal(settledUpTo(settled.record.progress), '<1 2..2')
})

const logged = (step: ClaimStep): JournalRecord => {
  const effect = step.effects[0]
  assert(effect?.kind === 'append')
  return effect.record
}

test('OneOutcome: letters are logged under the own claim before they go out, so that a late Settled hides none of them', () => {
  const letters = logged(start(...toFolding, read(headed())))
  assert(letters.kind === 'intent' && letters.stream === null && letters.claimId === 'me')
  // A claim between the two, which folded before the Intent of the first was there: its Settled lands last of all.
  const between = [claimOf('b', 2), claimOf('me', 3), { ...letters, epoch: 3 }, settledOf('b', 2, 1)] as const
  const { deadLetters, progress } = fold(journalOf(...LEFT, ...between), 4, new Map(), null)
  assert.deepEqual(deadLetters, [{ from: 2n, to: 3n }])
  assert.equal(settledUpTo(progress), '<1 2..2')
})

test('whoever is overtaken before that is read back produces no letter', () => {
  const overtaken = headed(claimOf('z', 9))
  assert.equal(start(...toFolding, read(headed()), ...lettersLogged(overtaken)).state.kind, 'fenced')
})

test('letters that an alteration logged are not above what it then settled', () => {
  const letters = logged(altering(0, ...toFolding, read(headed())))
  const moved = settledIn(altering(0, ...toSettling))
  const { progress, deadLetters } = fold(journalOf(...LEFT, MINE, letters, moved), 3, new Map(), null)
  assert.deepEqual([settledUpTo(progress), deadLetters], ['<0', []])
})

test('records of lower epochs are deleted last of all, and only those', () => {
  const effect = stepClaim(SAMPLES.confirmingSettled, read(headed(settledOf('me', 2, 1)))).effects[0]
  assert(effect?.kind === 'deleteKeys')
  assert.deepEqual([...effect.keys].sort(), LEFT.map(recordKey).sort())
})

test('the first claim of all resolves the start position, and its Settled carries it', () => {
  const step = stepClaim(SAMPLES.resolvingStart, { kind: 'startResolved', start: kafkaOffset(42) })
  assert.deepEqual(step.effects, [{ kind: 'append', record: { ...settledOf('me', 1, 42), epoch: 1 } }])
})

// ── alterations ──

const settledIn = (step: ClaimStep): Extract<JournalRecord, { kind: 'settled' }> => {
  const effect = step.effects.find(({ kind }) => kind === 'append')
  assert(effect?.kind === 'append' && effect.record.kind === 'settled')
  return effect.record
}

test('an alteration finalizes and saves what the old claim left, then settles what the operator said instead of the fold', () => {
  const finalizing = altering(1, ...toFolding.slice(0, 3))
  assert.deepEqual(finalizing.effects, [{ kind: 'finalize', stream: S1 }])
  const saving = altering(1, ...toSaving)
  assert.deepEqual(saving.effects.map(named), ['saveDeadLetters'])
  for (const to of [0, 1, 5, 900]) {
    const record = settledIn(altering(to, ...toSettling))
    assert.equal(settledUpTo(record.progress), `<${to}`)
    assert.equal(record.progress?.fingerprint, null, 'the operator speaks of the log as it is now')
    assert.deepEqual(record.altered, { by: 'operator', atMs: 7, from: 1n })
  }
  const forgotten = settledIn(altering(null, ...toSettling))
  assert.deepEqual([forgotten.progress, forgotten.altered?.from], [null, 1n])
})

test('an alteration needs no start: where nothing has begun it states the position itself', () => {
  const step = altering(9, read(EMPTY_KEY_SPACE), { kind: 'appended' }, read(journalOf(MINE)), read(journalOf(MINE)))
  assert.equal(settledUpTo(settledIn(step).progress), '<9')
  assert.equal(settledIn(step).altered?.from, null)
  const end = run(step.state, { kind: 'appended' }, read(journalOf(MINE)))
  assert.deepEqual(end.state, { kind: 'altered', from: null })
})

test('the claim after a forgotten position resolves a start, and is told that the position was forgotten', () => {
  const forgotten: JournalRecord = {
    kind: 'settled',
    claimId: 'a',
    epoch: 1,
    progress: null,
    altered: { by: 'operator', atMs: 7, from: kafkaOffset(4) },
  }
  const journal = journalOf(claimOf('a', 1), forgotten, MINE)
  const step = start(read(journalOf(claimOf('a', 1), forgotten)), { kind: 'appended' }, read(journal), read(journal))
  assert.deepEqual(step.effects, [{ kind: 'resolveStart', forgotten: true }])
  const fresh = start(read(EMPTY_KEY_SPACE), { kind: 'appended' }, read(journalOf(MINE)), read(journalOf(MINE)))
  assert.deepEqual(fresh.effects, [{ kind: 'resolveStart', forgotten: false }])
})
