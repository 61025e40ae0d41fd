// The checker is what everything else is believed by: each thing that can be wrong is put before it once.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { plainRecord, textOf } from '../e2e/support/stage.ts'
import { ABORTED_FROM, Ledger, POISON_FROM } from './ledger.ts'
import { compare, type Found, type FoundGap, type FoundLetter, type FoundRow, type Verdict } from './verdict.ts'

const TOPIC = 'flights'
const row = (id: number): FoundRow => ({ id, text: textOf(id) })
/** Of poison and good records alike: what it says is what stood in the record. */
const recordValue = (id: number): string =>
  id < POISON_FROM ? String(plainRecord(id, 0).value) : JSON.stringify({ id: `no number ${id}` })
const letter = (id: number): FoundLetter => ({ id, identity: `${TOPIC}/0/${id - POISON_FROM}`, value: recordValue(id) })
const gap = (from: bigint, to: bigint, partition = 0): FoundGap => ({
  id: `x/${partition}@${from}..${to}`,
  partition,
  from,
  to,
})

/** Ids 0–9 were committed, five aborted, two are poison, three were deleted unread at offsets 20–22 of partition 0. */
function produced(): Ledger {
  const ledger = new Ledger()
  for (const [kind, count] of [
    ['committed', 10],
    ['aborted', 5],
    ['poison', 2],
  ] as const)
    ledger.acknowledged(ledger.take(kind, count))
  for (const id of ledger.poison) ledger.values.set(id, recordValue(id))
  for (const [i, id] of [500, 501, 502].entries()) ledger.deleted.set(id, { partition: 0, offset: 20n + BigInt(i) })
  return ledger
}

/** As it should be. */
const RIGHT: Found = {
  topic: TOPIC,
  rows: Array.from({ length: 10 }, (_, id) => row(id)),
  letters: [letter(POISON_FROM), letter(POISON_FROM + 1)],
  gaps: [gap(20n, 23n)],
  inTopic: null,
  unproduced: 0,
}
const given = (over: Partial<Found>): Verdict => compare(produced(), { ...RIGHT, ...over })

type Wrong = 'missing' | 'duplicates' | 'doubleOutcomes' | 'phantoms' | 'torn' | 'falseGaps'
const NOTHING: Readonly<Record<Wrong, number>> = {
  missing: 0,
  duplicates: 0,
  doubleOutcomes: 0,
  phantoms: 0,
  torn: 0,
  falseGaps: 0,
}

/** These counts, no others, and a sentence for each list. */
function assertReported(
  verdict: Verdict,
  wrong: Partial<Record<Wrong, number>>,
  ...sentences: readonly RegExp[]
): void {
  const { missing, duplicates, doubleOutcomes, phantoms, torn, falseGaps } = verdict
  assert.deepEqual({ missing, duplicates, doubleOutcomes, phantoms, torn, falseGaps }, { ...NOTHING, ...wrong })
  assert.equal(verdict.differences.length, sentences.length, verdict.differences.join('; '))
  for (const [i, sentence] of sentences.entries()) assert.match(verdict.differences[i] ?? '', sentence)
}

describe('what is right', () => {
  test('every record with its one outcome is no difference', () => {
    const verdict = given({})
    assertReported(verdict, {})
    const { committed, aborted, rows, deadLetters, letterCopies, gaps } = verdict
    assert.deepEqual(
      { committed, aborted, rows, deadLetters, letterCopies, gaps },
      { committed: 15, aborted: 5, rows: 10, deadLetters: 2, letterCopies: 0, gaps: 3 },
    )
  })

  test('a copy of a letter with the same identity is counted, and no difference', () => {
    const verdict = given({ letters: [...RIGHT.letters, letter(POISON_FROM)] })
    assertReported(verdict, {})
    assert.equal(verdict.letterCopies, 1)
  })

  test('a gap that is audited twice under one id is one gap', () => {
    const verdict = given({ gaps: [...RIGHT.gaps, ...RIGHT.gaps] })
    assertReported(verdict, {})
    assert.equal(verdict.gaps, 3)
  })

  test('an id that its producer sent twice has two rows', () => {
    const inTopic = new Map([...RIGHT.rows, ...RIGHT.letters].map(({ id }) => [id, id === 4 ? 2 : 1] as const))
    assertReported(given({ inTopic, rows: [...RIGHT.rows, row(4)] }), {})
  })
})

describe('what is wrong is reported', () => {
  test('a missing row', () => {
    assertReported(given({ rows: RIGHT.rows.slice(1) }), { missing: 1 }, /^1 missing, such as 0$/)
  })

  test('a missing letter', () => {
    assertReported(given({ letters: RIGHT.letters.slice(1) }), { missing: 1 }, /^1 missing, such as 2000000000$/)
  })

  test('one row of an id that is in the topic twice', () => {
    const inTopic = new Map([...RIGHT.rows, ...RIGHT.letters].map(({ id }) => [id, id === 4 ? 2 : 1] as const))
    assertReported(given({ inTopic }), { missing: 1 }, /^1 missing, such as 4$/)
  })

  test('a duplicate row, and each further one', () => {
    assertReported(given({ rows: [...RIGHT.rows, row(3)] }), { duplicates: 1 }, /^1 duplicates, such as 3$/)
    const three = [...RIGHT.rows, row(3), row(3), row(8)]
    assertReported(given({ rows: three }), { duplicates: 3 }, /^2 duplicates, such as 3, 8$/)
  })

  test('a duplicate beside as many rows as there should be', () => {
    const rows = [...RIGHT.rows.slice(1), row(3)]
    assertReported(given({ rows }), { missing: 1, duplicates: 1 }, /^1 missing/, /^1 duplicates/)
  })

  test('a row of an aborted transaction', () => {
    const rows = [...RIGHT.rows, row(ABORTED_FROM + 2)]
    assertReported(given({ rows }), { phantoms: 1 }, /^1 rows of aborted transactions, such as 1000000002$/)
  })

  test('a row that nobody produced, also one without an id', () => {
    const rows = [...RIGHT.rows, row(77), row(Number.NaN)]
    assertReported(given({ rows }), { phantoms: 2 }, /^2 rows of what was never produced, such as 77, NaN$/)
  })

  test('a row that is also a dead letter', () => {
    const both = { ...letter(POISON_FROM), id: 5, value: recordValue(5) }
    const verdict = given({ letters: [...RIGHT.letters, both] })
    const sentences = [/^1 double outcomes, such as 5$/, /^1 letters of what is no poison, such as 5$/]
    assertReported(verdict, { doubleOutcomes: 1, phantoms: 1 }, ...sentences)
  })

  test('a letter instead of the row of a good record', () => {
    const instead = { ...letter(POISON_FROM), id: 5, value: recordValue(5) }
    const verdict = given({ letters: [...RIGHT.letters, instead], rows: RIGHT.rows.filter(({ id }) => id !== 5) })
    assertReported(verdict, { phantoms: 1 }, /^1 letters of what is no poison, such as 5$/)
  })

  test('poison that became a row as well', () => {
    const rows = [...RIGHT.rows, row(POISON_FROM)]
    const sentences = [/^1 double outcomes, such as 2000000000$/, /^1 rows of what was never produced/]
    assertReported(given({ rows }), { doubleOutcomes: 1, phantoms: 1 }, ...sentences)
  })

  test('deleted records that no gap tells of: none at all, or one that is too short, or of another partition', () => {
    assertReported(given({ gaps: [] }), { missing: 3 }, /^3 deleted and not audited, such as 500, 501, 502$/)
    const short = given({ gaps: [gap(20n, 22n)] })
    assertReported(short, { missing: 1 }, /^1 deleted and not audited, such as 502$/)
    assertReported(given({ gaps: [gap(21n, 23n)] }), { missing: 1 }, /^1 deleted and not audited, such as 500$/)
    const elsewhere = given({ gaps: [gap(20n, 23n, 1)] })
    const sentences = [/^3 deleted and not audited/, /^1 gaps without a loss, such as partition 1 \[20, 23\)$/]
    assertReported(elsewhere, { missing: 3, falseGaps: 3 }, ...sentences)
  })

  test('a gap that tells of more than was deleted', () => {
    const verdict = given({ gaps: [gap(19n, 24n)] })
    assertReported(verdict, { falseGaps: 2 }, /^1 gaps without a loss, such as partition 0 \[19, 24\)$/)
    const two = given({ gaps: [gap(15n, 21n), gap(21n, 22n), gap(22n, 25n)] })
    assertReported(
      two,
      { falseGaps: 7 },
      /^2 gaps without a loss, such as partition 0 \[15, 21\), partition 0 \[22, 25\)$/,
    )
  })

  test('a row of what an audited gap calls lost', () => {
    assertReported(
      given({ rows: [...RIGHT.rows, row(501)] }),
      { doubleOutcomes: 1 },
      /^1 double outcomes, such as 501$/,
    )
  })

  test('wrong content of a row, and of a letter', () => {
    const rows = RIGHT.rows.map(each => (each.id === 6 ? { id: 6, text: textOf(7) } : each))
    assertReported(given({ rows }), { torn: 1 }, /^1 torn, such as 6$/)
    const letters = RIGHT.letters.map(each => ({ ...each, value: recordValue(POISON_FROM) }))
    assertReported(given({ letters }), { torn: 1 }, /^1 torn, such as 2000000001$/)
  })

  test('a letter that says it comes from elsewhere, or a copy from another offset', () => {
    const foreign = RIGHT.letters.map(each => ({ ...each, identity: `other${each.identity}` }))
    assertReported(given({ letters: foreign }), { torn: 2 }, /^2 torn/)
    const copy = { ...letter(POISON_FROM), identity: `${TOPIC}/0/9` }
    assertReported(given({ letters: [...RIGHT.letters, copy] }), { torn: 1 }, /^1 torn, such as 2000000000$/)
  })
})

describe('what the topic decides', () => {
  const inTopic = new Map([...RIGHT.rows, ...RIGHT.letters].map(({ id }) => [id, 1] as const))

  test('a bad record that its producer sent twice needs a letter for each place', () => {
    const twice = new Map([...inTopic, [POISON_FROM, 2]])
    const other = { ...letter(POISON_FROM), identity: `${TOPIC}/0/9` }
    assertReported(given({ inTopic: twice, letters: [...RIGHT.letters, other] }), {})
    assertReported(given({ inTopic: twice }), { missing: 1 }, /^1 missing, such as 2000000000$/)
    const third = { ...other, identity: `${TOPIC}/0/10` }
    assertReported(
      given({ inTopic: twice, letters: [...RIGHT.letters, other, third] }),
      { torn: 1 },
      /^1 torn, such as 2000000000$/,
    )
  })

  test('a send without an answer that is in the topic needs its row', () => {
    const ledger = produced()
    ledger.unanswered([10])
    const found = new Map([...inTopic, [10, 1]])
    const unproduced = ledger.settle(found)
    assertReported(compare(ledger, { ...RIGHT, inTopic: found, unproduced }), { missing: 1 }, /^1 missing, such as 10$/)
  })

  test('a send without an answer that is not in the topic has no row, and a row of it is one too many', () => {
    const ledger = produced()
    ledger.unanswered([10])
    const unproduced = ledger.settle(inTopic)
    assert.equal(unproduced, 0, 'its producer was not told that it is there')
    assertReported(compare(ledger, { ...RIGHT, inTopic, unproduced }), {})
    const rows = [...RIGHT.rows, row(10)]
    const verdict = compare(ledger, { ...RIGHT, rows, inTopic, unproduced })
    assertReported(verdict, { phantoms: 1 }, /^1 rows of what was never produced, such as 10$/)
  })

  test('what was acknowledged and is not in the topic is told, and missed from no table', () => {
    const ledger = produced()
    const found = new Map([...inTopic].filter(([id]) => id !== 2))
    const unproduced = ledger.settle(found)
    const rows = RIGHT.rows.filter(({ id }) => id !== 2)
    const verdict = compare(ledger, { ...RIGHT, rows, inTopic: found, unproduced })
    assertReported(verdict, {})
    assert.equal(verdict.unproduced, 1)
  })
})
