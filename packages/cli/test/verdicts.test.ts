// An operator's answer to IN_DOUBT: where it is written, and what it is not taken for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ConnectorEntry,
  type Incarnation,
  type JournalRecord,
  kafkaOffset,
  type StreamName,
  startAt,
  streamOffset,
  type TableName,
  verdictFor,
  type WorkerId,
} from '@millrace/core'
import { JournalTwin } from '@millrace/testkit'
import { giveVerdict } from '../src/worker/verdicts.ts'

const { signal } = new AbortController()
const TP = { topic: 'flights', partition: 0 }
const TABLE = 'projects/p/datasets/d/tables/t' as TableName
const STREAM = `${TABLE}/streams/s` as StreamName
const ENTRY = { name: 'c', incarnation: 'new' as Incarnation, predecessors: ['old' as Incarnation] }
const VERDICT = { tp: TP, stream: STREAM, rows: streamOffset(3) }

const opened: JournalRecord = {
  kind: 'open',
  claimId: 'a',
  epoch: 1,
  table: TABLE,
  tableCreationTime: '1',
  stream: STREAM,
  row: streamOffset(0),
}
const claimed: JournalRecord = { kind: 'claim', claimId: 'a', epoch: 1, workerId: 'w' as WorkerId, generation: 1 }
const released: JournalRecord = {
  kind: 'release',
  claimId: 'a',
  epoch: 1,
  stream: STREAM,
  row: streamOffset(2),
  progress: startAt(kafkaOffset(2)),
  releasedAtMs: 0,
}

test('a verdict stands in the journal that has the stream: that of the connector, or of an earlier one of its name', async () => {
  for (const incarnation of [ENTRY.incarnation, 'old' as Incarnation]) {
    const journal = new JournalTwin().client()
    const space = { ...TP, incarnation }
    await journal.append(space, [claimed, opened])
    await giveVerdict(journal, ENTRY as unknown as ConnectorEntry, VERDICT, { signal })
    assert.equal(verdictFor(await journal.readToEnd(space, { signal }), STREAM), 3n, incarnation)
  }
})

test('a stream nobody opened, or that was let go of in order, is in no doubt: refused by name', async () => {
  for (const records of [[claimed], [claimed, opened, released]]) {
    const journal = new JournalTwin().client()
    await journal.append({ ...TP, incarnation: ENTRY.incarnation }, records)
    await assert.rejects(giveVerdict(journal, ENTRY as unknown as ConnectorEntry, VERDICT, { signal }), {
      code: 'CONFIG_INVALID',
      message: /flights-0 of connector c has no stream .*streams\/s whose rows are in doubt/,
    })
  }
})
