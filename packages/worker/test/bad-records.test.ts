// Records that cannot become rows: dead letters, drops or a FAILED partition, by errors.tolerance and the dead letter queue.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMillraceError, kafkaOffset, MillraceError } from '@millrace/core'
import { traceOf } from '../src/index.ts'
import { DLQ, describeEnd, QUIET, type Run, TP, World } from './support/world.ts'

const errorOf = (run: Run): MillraceError => {
  assert(run.end?.kind === 'failed' && isMillraceError(run.end.error), describeEnd(run))
  return run.end.error
}

test('a record that does not convert becomes a dead letter with its identity and its original bytes', async () => {
  const world = await World.open()
  world.records.produce('row', 'row', 'unreadable', 'row')
  const run = world.begin()
  await world.delivered(run)
  const [letter] = world.letterList()
  assert(letter !== undefined)
  assert.deepEqual(letter.tp, TP)
  assert.equal(letter.kafkaOffset, 2n)
  assert.equal(letter.record?.key?.toString(), 'k2')
  assert.equal(letter.record?.value?.toString(), '{"id": "no number", "name": "n2"}')
  assert.equal(letter.record?.timestampMs, 1_002)
  assert.match(letter.error.message, /flights-0@2/)
  await world.letGo(run)
  world.assertExactlyOnce()
  assert.equal(world.letterList().length, 1)
  assert.equal(run.partition.view().deadLettersTotal, 1)
})

test('the Intent with the dead letter is in the journal before the letter is produced', async () => {
  const world = await World.open()
  world.records.produce('unreadable', 'row', 'unreadable')
  const process = world.process()
  const logged: boolean[] = []
  const run = world.begin(
    {
      produceDeadLetters: (letters, options) => {
        const intents = world.journalRecords().filter(record => record.kind === 'intent')
        for (const letter of letters)
          logged.push(
            intents.some(({ window }) =>
              window.some(batch =>
                batch.dead.some(r => BigInt(r.from) <= letter.kafkaOffset && letter.kafkaOffset < BigInt(r.to)),
              ),
            ),
          )
        return process.deadLetters.produce(
          { topic: 'dead', connector: 'c', taskId: 0, contextHeaders: false, replicationFactor: 1 },
          letters,
          options,
        )
      },
    },
    process,
  )
  await world.delivered(run)
  await world.letGo(run)
  assert.deepEqual(logged, [true, true])
  world.assertExactlyOnce()
})

test('without a dead letter queue bad records are dropped and counted', async () => {
  const world = await World.open()
  world.records.produce('unreadable', 'row', 'refused', 'row', 'unreadable')
  const run = world.begin({ policy: 'drop' })
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce('drop')
  assert.equal(run.partition.view().droppedTotal, 3)
  assert.equal(run.partition.view().rowsTotal, 2)
})

test('with tolerance none everything before the bad record is delivered, then FAILED names its offset', async () => {
  const world = await World.open()
  world.records.rows(7)
  world.records.produce('unreadable')
  world.records.rows(3)
  const run = world.begin({ policy: 'fail' })
  await world.ended(run)
  assert.equal(errorOf(run).code, 'RECORD_NOT_CONVERTIBLE')
  assert.match(traceOf(errorOf(run)), /flights-0@7/)
  assert.deepEqual(world.rowIds(), [0n, 1n, 2n, 3n, 4n, 5n, 6n])
  world.assertBudgetsEmpty()
  const again = world.begin({ policy: 'fail' })
  await world.ended(again)
  assert.match(errorOf(again).message, /flights-0@7/)
  await world.finish() // tolerance=all now: the bad one is a letter, nothing is lost or twice
  world.assertExactlyOnce()
})

test('rows the table refuses are cut out in place: no new stream', async () => {
  const world = await World.open()
  world.records.produce('row', 'refused', 'row', 'row', 'refused', 'refused', 'row', 'row', 'row')
  const run = world.begin()
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
  assert.equal(run.process.counts.create, 1)
  assert.equal(run.partition.view().rowsTotal, 6)
  assert.equal(run.partition.view().deadLettersTotal, 3)
  assert.match(world.letterList()[0]?.error.message ?? '', /flights-0@1/)
})

test('a refused row with tolerance none fails the partition at that row, and nothing of its batch is lost', async () => {
  const world = await World.open()
  world.records.produce('row', 'row', 'row', 'row', 'refused', 'row')
  const run = world.begin({ policy: 'fail' })
  await world.ended(run)
  assert.equal(errorOf(run).code, 'ROW_REFUSED')
  assert.match(errorOf(run).message, /flights-0@4/)
  world.assertBudgetsEmpty()
  await world.finish()
  world.assertExactlyOnce()
})

test('a row larger than a request can hold is a bad record', async () => {
  const world = await World.open()
  world.records.rows(2)
  world.records.large(6_000, 'unreadable')
  world.records.rows(1)
  const limits = { bytesMax: 2_000, rowsMax: 100, rowBytesMax: 5_000 }
  const run = world.begin({ limits })
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  assert.match(world.letterList()[0]?.error.message ?? '', /flights-0@2: its row has 6\d{3} bytes; the limit is 5000/)
})

test('a batch never grows beyond what one request can hold, however large its last row is', async () => {
  const world = await World.open()
  const sizes: number[] = []
  world.fateOf = ({ request }) => {
    sizes.push(request.rows.end - request.rows.start)
    return { kind: 'apply' }
  }
  for (let i = 0; i < 4; i++) {
    world.records.large(1_500, 'row')
    world.records.large(4_900, 'row')
  }
  const run = world.begin({ limits: { bytesMax: 2_000, rowsMax: 100, rowBytesMax: 5_000 } })
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  assert.ok(Math.max(...sizes) <= 5_000 + 16, `requests of ${sizes} bytes`)
})

test('a dead letter queue that is down holds its batch back and nothing else, until it is up', async () => {
  const world = await World.open()
  world.records.produce('row', 'row', 'row', 'unreadable', 'row', 'row')
  for (let i = 0; i < 4; i++) world.letters.failNextProduce(i % 2 === 0 ? 'lost' : 'landed')
  const run = world.begin()
  await world.until('the rows before the letter are there', () => world.rowIds().length >= 3)
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
  world.assertBudgetsEmpty()
})

test('letters logged before a crash are produced by the next owner, from the source', async () => {
  const world = await World.open()
  world.records.produce('row', 'unreadable', 'row', 'unreadable')
  const run = world.begin({}, world.process({ diesAt: { step: 'deadLetters', nth: 1, when: 'before' } }))
  await world.ended(run)
  assert.equal(world.letterList().length, 0)
  for (let i = 0; i < 4; i++) world.letters.failNextProduce('lost') // the takeover waits for the queue
  await world.finish()
  world.assertExactlyOnce()
  assert.equal(world.letterList()[0]?.record?.value?.toString(), '{"id": "no number", "name": "n1"}')
})

test('is the source gone, a letter that is in the queue already is found there, and only a missing one says so', async () => {
  const world = await World.open()
  world.records.produce('unreadable', 'unreadable', 'unreadable')
  const run = world.begin({}, world.process({ diesAt: { step: 'deadLetters', nth: 1, when: 'after' } }))
  await world.ended(run)
  assert.equal(world.letterList().length, 3)
  world.records.rows(3)
  world.topics.deleteBefore(TP, kafkaOffset(3))
  await world.finish()
  world.assertExactlyOnce()
  assert.equal(world.letterList().length, 3)

  const other = await World.open()
  other.records.produce('unreadable', 'unreadable')
  const dying = other.begin({}, other.process({ diesAt: { step: 'deadLetters', nth: 1, when: 'before' } }))
  await other.ended(dying)
  other.topics.deleteBefore(TP, kafkaOffset(2))
  await other.finish()
  other.assertExactlyOnce()
  assert.deepEqual(
    other.letterList().map(l => l.record),
    [null, null],
  )
  assert.match(other.letterList()[0]?.error.message ?? '', /no longer holds/)
})

test('is the log cut off below a letter that is to be produced, nobody waits for records to come: the letter says so', async () => {
  const world = await World.open()
  world.records.produce('row', 'unreadable', 'unreadable')
  const dying = world.begin({}, world.process({ diesAt: { step: 'deadLetters', nth: 1, when: 'before' } }))
  await world.ended(dying)
  world.topics.truncate(TP, kafkaOffset(1))
  const next = world.begin()
  await world.ended(next)
  assert.equal(errorOf(next).code, 'SOURCE_CHANGED')
  assert.deepEqual(
    world.letterList().map(l => l.record),
    [null, null],
  )
})

test('a gap before a refused row moves the frontier, also when its owner dies before the letter is out', async () => {
  for (const step of ['journal', 'deadLetters'] as const)
    for (let nth = 1; nth <= 12; nth++) {
      const world = await World.open({ seed: nth })
      world.records.rows(3)
      world.records.gap(3)
      world.records.produce('refused')
      world.records.rows(4)
      const run = world.begin({ lingerMs: 0 }, world.process({ diesAt: { step, nth, when: 'after' } }))
      await world.until(
        'it dies or delivers',
        () => run.end !== null || run.partition.view().nextKafkaOffset === world.records.end,
      )
      run.process.die()
      await world.finish()
      world.assertExactlyOnce()
    }
})

test('a gap before a dead letter is none: with the source gone there is a letter for the record alone', async () => {
  const world = await World.open()
  world.records.gap(1_000)
  world.records.produce('unreadable')
  const run = world.begin({}, world.process({ diesAt: { step: 'deadLetters', nth: 1, when: 'before' } }))
  await world.ended(run)
  world.topics.deleteBefore(TP, world.records.end)
  await world.finish()
  assert.deepEqual(world.deadOffsets(), [1_000n])
  world.assertExactlyOnce()
})

test('a batch torn into more pieces than an Intent can hold fails the partition; smaller batches get through', async () => {
  const world = await World.open()
  for (let i = 0; i < 200; i++) world.records.produce('row', 'refused')
  const limits = { bytesMax: 2_000_000, rowsMax: 400, rowBytesMax: 9_000_000 }
  const run = world.begin({ limits, intentBytesMax: 20_000 })
  await world.ended(run)
  assert.equal(errorOf(run).code, 'ROW_REFUSED')
  assert.match(errorOf(run).message, /flights-0@0: .*append\.max\.rows/)
  world.assertBudgetsEmpty()
  await world.finish({ limits: { ...limits, rowsMax: 100 }, intentBytesMax: 20_000 })
  world.assertExactlyOnce()
})

test('what does not succeed for long is said once in the log', async () => {
  const world = await World.open()
  world.records.produce('row', 'unreadable', 'row')
  let isDown = true
  const said: string[] = []
  const logger = { ...QUIET, warn: (fields: object) => void said.push(String('err' in fields && fields.err)) }
  const process = world.process()
  const run = world.begin(
    {
      logger,
      produceDeadLetters: (letters, options) =>
        isDown
          ? Promise.reject(new MillraceError('DEAD_LETTER_FAILED', 'retry', 'MESSAGE_TOO_LARGE'))
          : process.deadLetters.produce(DLQ, letters, options),
    },
    process,
  )
  await world.time.advance(120_000)
  assert.deepEqual(said, ['MillraceError: MESSAGE_TOO_LARGE'])
  isDown = false
  await world.delivered(run)
  await world.letGo(run)
  world.assertExactlyOnce()
})
