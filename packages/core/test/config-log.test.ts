// The config log: whatever writers race, appends arrive late or get lost and compaction removes, all readers agree, and one writer
// wins per version. The rule of journal.md, on the whole log, is the judge.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type CompactedRecord,
  type ConfigLogState,
  type ConfigRecord,
  type ConnectorEntry,
  controlStateOf,
  decodeConfigRecord,
  EMPTY_CONFIG_LOG,
  encodeConfigRecord,
  foldConfigLog,
  type Incarnation,
  isMillraceError,
  keyOf,
  nameOfKey,
  outcomeOf,
  planChange,
  successor,
  versionOf,
} from '../src/index.ts'

const NAME = 'a/b'

describe('the fold of the config log', () => {
  test('of two writes that replace the same one the first in the log wins', () => {
    const topic = new Topic()
    const parent = topic.write(EMPTY_CONFIG_LOG, 'w0')
    const state = topic.read()
    const [first, second] = [recordAfter(state, 'w1'), recordAfter(state, 'w2')]
    topic.land(second)
    topic.land(first)
    assert.equal(versionOf(first), versionOf(parent) + 1)
    assert.equal(topic.read().get(NAME)?.head.writeId, 'w2')
    assert.equal(outcomeOf(topic.read().get(NAME), 2, new Set(['w1'])), 'lost')
    assert.equal(outcomeOf(topic.read().get(NAME), 2, new Set(['w2'])), 'won')
  })

  test('a winner knows that it won even when others have replaced it and it is compacted away', () => {
    const topic = new Topic()
    topic.write(EMPTY_CONFIG_LOG, 'w0')
    topic.write(topic.read(), 'w1')
    topic.write(topic.read(), 'w2')
    topic.deleteSuperseded(topic.read())
    topic.compact(true)
    assert.deepEqual(
      topic.records.map(({ key }) => key),
      [`${NAME}/1/w0`, `${NAME}/3/w2`],
      'the head, and the record that brought its config',
    )
    assert.equal(outcomeOf(topic.read().get(NAME), 2, new Set(['w1'])), 'won')
    assert.equal(outcomeOf(topic.read().get(NAME), 2, new Set(['wX'])), 'lost')
  })

  test('a deleted connector stays deleted when a write about it arrives late', () => {
    const topic = new Topic()
    topic.write(EMPTY_CONFIG_LOG, 'w0')
    const late = recordAfter(topic.read(), 'late')
    const plan = planChange(controlStateOf(topic.read()), { kind: 'delete', name: NAME }, { nowMs: 5 })
    assert.equal(plan.kind, 'write')
    topic.land(successor(topic.read().get(NAME), 'del', plan.kind === 'write' ? plan.body : bodyOf(1)))
    topic.deleteSuperseded(topic.read())
    topic.compact(true)
    topic.land(late)
    const state = controlStateOf(topic.read())
    assert.equal(state.connectors.has(NAME), false)
    assert.deepEqual(state.deleted.get(NAME)?.incarnations, ['inc'])
  })

  test('the valid record read twice is not superfluous', () => {
    const topic = new Topic()
    topic.land(topic.write(EMPTY_CONFIG_LOG, 'w0'))
    assert.deepEqual(topic.read().get(NAME)?.superseded, new Set())
  })

  test('a tombstone on the valid record is refused: readers would disagree from then on', () => {
    const topic = new Topic()
    const head = topic.write(EMPTY_CONFIG_LOG, 'w0')
    topic.append(keyOf(head), null)
    assert.throws(() => topic.read(), hasCode('JOURNAL_TOPIC_UNSAFE'))
  })

  test('foreign records are refused, whatever they are', () => {
    const key = `${NAME}/1/w`
    for (const value of [
      '',
      'x',
      'null',
      '[]',
      '{}',
      '{"format":2}',
      '{"format":1,"writeId":"w","lineage":[],"body":{}}',
    ]) {
      assert.throws(() => decodeConfigRecord(key, value), hasCode('JOURNAL_TOPIC_UNSAFE'), value)
    }
    const good = encodeConfigRecord({ writeId: 'w', lineage: [], history: [], body: bodyOf(1) })
    assert.equal(keyOf(decodeConfigRecord(key, good)), key)
    assert.throws(() => decodeConfigRecord('other/1/w', good), hasCode('JOURNAL_TOPIC_UNSAFE'))
    assert.throws(
      () => decodeConfigRecord(key, good.replace('"STARTED"', '"STARTLED"')),
      hasCode('JOURNAL_TOPIC_UNSAFE'),
    )
  })

  test('every record survives encoding, any name and any config key included', () => {
    const text = fc.string({ unit: 'grapheme' })
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.dictionary(text, text, { noNullPrototype: true }), (name, config) => {
        const item = { version: 2, writeId: 'v', configGeneration: 1, chars: 7 }
        const record: ConfigRecord = {
          writeId: 'w',
          lineage: ['v'],
          history: [item],
          by: 'me',
          body: bodyOf(3, name, config),
        }
        const key = keyOf(record)
        assert.deepEqual(decodeConfigRecord(key, encodeConfigRecord(record)), record)
        assert.equal(nameOfKey(key), name)
      }),
    )
    const hostile = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>
    const record: ConfigRecord = { writeId: 'w', lineage: [], history: [], body: bodyOf(1, NAME, hostile) }
    const decoded = decodeConfigRecord(keyOf(record), encodeConfigRecord(record))
    assert.deepEqual(Object.keys(decoded.body.kind === 'connector' ? decoded.body.entry.config : {}), [
      '__proto__',
      'constructor',
    ])
  })
})

describe('racing writers', () => {
  test('all readers agree with the rule on the whole log, and exactly one write wins per version', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 80 }), steps => checkRace(steps)),
      { numRuns: 1500 },
    )
  })

  test('the same check catches a fold that lets the last of equals win', () => {
    assert.throws(() =>
      fc.assert(
        fc.property(fc.array(STEP, { maxLength: 80 }), steps => checkRace(steps, lastOfEqualsWins)),
        { numRuns: 1500 },
      ),
    )
  })

  test('the same check catches a writer that stores one write twice', () => {
    assert.throws(() =>
      fc.assert(
        fc.property(fc.array(STEP, { maxLength: 80 }), steps => checkRace(steps, foldConfigLog, true)),
        { numRuns: 3000 },
      ),
    )
  })
})

/** What can happen next. Writers are numbered; what a writer may do depends on where it is. */
type Step =
  | { readonly kind: 'writer'; readonly writer: number; readonly isLate: boolean }
  | { readonly kind: 'landLate' }
  | { readonly kind: 'compact'; readonly dropTombstones: boolean }
const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('writer' as const), writer: fc.nat(3), isLate: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'landLate' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('compact' as const), dropTombstones: fc.boolean() }) },
)

type Fold = (state: ConfigLogState, records: readonly CompactedRecord[]) => ConfigLogState

type Writer = {
  state: ConfigLogState
  position: bigint
  pending: { readonly version: number; readonly ids: Set<string> } | null
  garbage: string[]
}

function checkRace(steps: readonly Step[], fold: Fold = foldConfigLog, storesTwice = false): void {
  const topic = new Topic()
  const late: ConfigRecord[] = []
  const winners = new Map<number, string>()
  const writers = [0, 1, 2, 3].map(
    (): Writer => ({ state: EMPTY_CONFIG_LOG, position: 0n, pending: null, garbage: [] }),
  )
  let ids = 0
  const catchUp = (writer: Writer): void => {
    writer.state = fold(writer.state, topic.since(writer.position))
    writer.position = topic.end
  }
  for (const step of steps) {
    if (step.kind === 'compact') topic.compact(step.dropTombstones)
    else if (step.kind === 'landLate') for (const record of late.splice(0)) topic.land(record)
    else {
      const writer = writers[step.writer]!
      const doomed = writer.garbage.shift()
      if (doomed !== undefined) topic.append(doomed, null)
      else if (writer.pending === null) {
        catchUp(writer)
        const record = recordAfter(writer.state, `w${ids++}`)
        writer.pending = { version: versionOf(record), ids: new Set([record.writeId]) }
        if (step.isLate) late.push(record)
        else topic.land(record)
        if (storesTwice) late.push(record)
      } else {
        catchUp(writer)
        const { version, ids: own } = writer.pending
        const slot = writer.state.get(NAME)
        const outcome = outcomeOf(slot, version, own)
        if (outcome === 'notYet') {
          const again = recordAfter(writer.state, `w${ids++}`)
          own.add(again.writeId)
          topic.land(again)
        } else {
          writer.pending = null
          if (outcome === 'won') {
            assert.equal(winners.has(version), false, `version ${version} was won twice`)
            winners.set(version, [...own].join())
            writer.garbage = [...(slot?.superseded ?? [])]
          }
        }
      }
    }
    assertAgreement(topic, fold, writers)
  }
  for (const [version, own] of winners)
    assert.ok(own.split(',').includes(topic.chain()[version - 1]?.writeId ?? ''), 'a loser thinks it won')
}

/** A reader that starts now, one that followed all along, and the rule on the log as it was before any compaction. */
function assertAgreement(topic: Topic, fold: Fold, writers: readonly Writer[]): void {
  const head = topic.chain().at(-1)?.writeId
  const fresh = fold(EMPTY_CONFIG_LOG, topic.records).get(NAME)
  assert.equal(fresh?.head.writeId, head, 'a fresh reader')
  for (const writer of writers) {
    const followed = fold(writer.state, topic.since(writer.position)).get(NAME)
    assert.equal(followed?.head.writeId, head, 'a follower')
    if (followed !== undefined) assert.ok(!followed.superseded.has(keyOf(followed.head)))
  }
}

/** A wrong fold, to see that the check sees. */
function lastOfEqualsWins(state: ConfigLogState, records: readonly CompactedRecord[]): ConfigLogState {
  const next = new Map(state)
  for (const record of records) {
    if (record.value === null) continue
    const head = decodeConfigRecord(record.key, record.value)
    const known = next.get(NAME)
    if (known === undefined || versionOf(head) >= versionOf(known.head)) {
      next.set(NAME, { head, headKafkaOffset: record.offset, below: new Map(), superseded: new Set() })
    }
  }
  return next
}

class Topic {
  records: CompactedRecord[] = []
  readonly #whole: ConfigRecord[] = []
  end = 0n

  append(key: string, value: string | null): void {
    this.records.push({ offset: this.end++, key, value })
  }

  land(record: ConfigRecord): void {
    this.#whole.push(record)
    this.append(keyOf(record), encodeConfigRecord(record))
  }

  write(state: ConfigLogState, writeId: string): ConfigRecord {
    const record = recordAfter(state, writeId)
    this.land(record)
    return record
  }

  deleteSuperseded(state: ConfigLogState): void {
    for (const key of state.get(NAME)?.superseded ?? []) this.append(key, null)
  }

  compact(dropTombstones: boolean): void {
    const last = new Map(this.records.map(record => [record.key, record.offset]))
    this.records = this.records.filter(
      record => last.get(record.key) === record.offset && !(dropTombstones && record.value === null),
    )
  }

  since(position: bigint): CompactedRecord[] {
    return this.records.filter(record => record.offset >= position)
  }

  read(): ConfigLogState {
    return foldConfigLog(EMPTY_CONFIG_LOG, this.records)
  }

  /** The rule itself: valid is the first whose parent is the valid head. */
  chain(): readonly ConfigRecord[] {
    const valid: ConfigRecord[] = []
    for (const record of this.#whole) if (record.lineage[0] === valid.at(-1)?.writeId) valid.push(record)
    return valid
  }
}

function recordAfter(state: ConfigLogState, writeId: string): ConfigRecord {
  const slot = state.get(NAME)
  return successor(slot, writeId, bodyOf(slot === undefined ? 1 : versionOf(slot.head) + 1))
}

function bodyOf(version: number, name = NAME, config: Record<string, string> = { name }): ConfigRecord['body'] {
  const entry: ConnectorEntry = {
    name,
    incarnation: 'inc' as Incarnation,
    version,
    configGeneration: 1,
    config,
    targetState: 'STARTED',
    hasTasks: true,
    restarts: { connector: 0, allTasks: 0, tasks: { '1': 2 } },
    journalId: 'j',
    predecessors: [],
    topicsResetAtMs: 0,
    createdAtMs: 1,
    updatedAtMs: 2,
  }
  return { kind: 'connector', entry }
}

const hasCode =
  (code: string) =>
  (error: unknown): boolean =>
    isMillraceError(error) && error.code === code
