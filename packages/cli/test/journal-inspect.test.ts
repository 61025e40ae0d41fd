// `millrace journal inspect`: which partitions are told of, and in which words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applyRecord,
  type ConnectorEntry,
  type ControlState,
  EMPTY_CONTROL_STATE,
  EMPTY_KEY_SPACE,
  type Incarnation,
  type JournalRecord,
  type KeySpaceState,
  kafkaOffset,
  rangeOf,
  recordKey,
  type StreamName,
  startAt,
  streamOffset,
  type TableName,
  type TopicPartition,
  type WorkerId,
} from '@millrace/core'
import { type FollowedJournal, inspectAll, shown } from '../src/journal/inspect-command.ts'

const TABLE = 'projects/p/datasets/d/tables/orders' as TableName
const STREAM = `${TABLE}/streams/s1` as StreamName
const CONFIG = { config: 'worker.properties' }

const CONTROL: ControlState = {
  connectors: new Map([['c', { name: 'c', incarnation: 'two', predecessors: ['one'] } as unknown as ConnectorEntry]]),
  deleted: new Map([['gone', { name: 'gone', version: 1, incarnations: ['three' as Incarnation], deletedAtMs: 0 }]]),
}

const claim: JournalRecord = { kind: 'claim', claimId: 'a', epoch: 4, workerId: 'w1' as WorkerId, generation: 2 }
const settled = (to: number): JournalRecord => ({
  kind: 'settled',
  claimId: 'a',
  epoch: 4,
  progress: startAt(kafkaOffset(to)),
})
const open: JournalRecord = {
  kind: 'open',
  claimId: 'a',
  epoch: 4,
  table: TABLE,
  tableCreationTime: '1',
  stream: STREAM,
  row: streamOffset(0),
}
const range = (from: number, to: number) => rangeOf(kafkaOffset(from), kafkaOffset(to))
const intent: JournalRecord = {
  kind: 'intent',
  claimId: 'a',
  epoch: 4,
  stream: STREAM,
  progress: startAt(kafkaOffset(100)),
  window: [
    {
      firstRow: streamOffset(100),
      rowCount: 10,
      rows: range(100, 110),
      dead: range(110, 111),
      drop: range(111, 113),
      generation: 2,
      fingerprint: null,
    },
  ],
}

/** Key spaces by `incarnation/topic-partition`. */
function journalOf(spaces: Readonly<Record<string, readonly JournalRecord[]>>): FollowedJournal {
  const states = new Map<string, KeySpaceState>()
  const partitions = new Map<string, TopicPartition[]>()
  for (const [name, records] of Object.entries(spaces)) {
    const [incarnation = '', topic = '', partition] = name.split(/\/|-(?=\d+$)/)
    partitions.set(incarnation, [...(partitions.get(incarnation) ?? []), { topic, partition: Number(partition) }])
    states.set(
      name,
      records.reduce((state, r, i) => applyRecord(state, recordKey(r), r, BigInt(i)), EMPTY_KEY_SPACE),
    )
  }
  return {
    partitionsOf: incarnation => partitions.get(incarnation) ?? [],
    peek: ({ incarnation, topic, partition }) => states.get(`${incarnation}/${topic}-${partition}`) ?? EMPTY_KEY_SPACE,
  }
}

const JOURNAL = journalOf({
  'two/orders-10': [claim, settled(50)],
  'two/orders-2': [claim, settled(90), open, intent],
  'one/orders-2': [{ kind: 'deleted', claimId: 'a', epoch: 4, by: 'w1' }],
  'three/other-0': [claim],
})

test('without a name every partition gets a line, a connector’s present self before its earlier ones', () => {
  const lines = shown(inspectAll(CONTROL, JOURNAL, {}), CONFIG).split('\n')
  assert.deepEqual(lines.slice(0, 4), [
    'c  orders-2  epoch 4  settled below 100  1 stream open',
    'c  orders-10  epoch 4  settled below 50  0 streams open',
    'c (deleted)  orders-2  ended  no position  0 streams open',
    'gone (deleted)  other-0  epoch 4  no position  0 streams open',
  ])
})

test('of one partition: claim, position, stream, what its last Intent laid out, and what each verdict would do', () => {
  const asked = { ...CONFIG, connector: 'c', partition: 'orders-2' }
  const found = inspectAll(CONTROL, JOURNAL, asked).slice(0, 1)
  assert.deepEqual(shown(found, asked).split('\n'), [
    'orders-2 of connector c (incarnation two)',
    '  Claimed by worker w1 (claim a, epoch 4, config generation 2).',
    '  Every offset below 100 is settled (the owner may know a window more than it has logged).',
    `  Stream ${STREAM}`,
    '    of table p.d.orders, opened empty by claim a (epoch 4).',
    '    Last Intent: 1 batch, rows 100 up to 110; offsets 100–109 as rows, 110 as dead letters, 111–112 dropped (filter, tombstone).',
    '    Should its owner die, BigQuery is asked for the row count. IN_DOUBT, it is yours to state (PUT … /verdict):',
    '      rows 100: none landed, offsets 100–109 are delivered again',
    '      rows 110: all landed, offsets 100–109 count as delivered',
    '',
  ])
})

test('as JSON offsets are decimal strings', () => {
  const [first] = JSON.parse(shown(inspectAll(CONTROL, JOURNAL, {}), { ...CONFIG, json: true }))
  assert.deepEqual(
    [first.connector, first.view.progress.frontier, first.view.streams[0].choices[0].rows],
    ['c', '100', '100'],
  )
})

test('nothing found is said by name; a partition that is none is refused', () => {
  const asked = { ...CONFIG, connector: 'd', partition: 'orders-2' }
  assert.equal(
    shown(inspectAll(CONTROL, JOURNAL, asked), asked),
    'The journal knows nothing of partition orders-2 of connector d.\n',
  )
  assert.equal(
    shown(inspectAll(EMPTY_CONTROL_STATE, JOURNAL, {}), CONFIG),
    'The journal knows nothing of any connector.\n',
  )
  assert.throws(() => inspectAll(CONTROL, JOURNAL, { partition: 'orders' }), { code: 'CONFIG_INVALID' })
})
