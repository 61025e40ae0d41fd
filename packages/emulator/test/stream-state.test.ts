// The stream machine: a table of what every kind of stream answers to everything, and random operations against a plain list of rows.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  isExpired,
  newStream,
  refuseAppend,
  refuseCommit,
  refuseFlush,
  type StreamEvent,
  type StreamState,
  type StreamType,
  step,
} from '../src/streams/stream-state.ts'

const fresh = (type: StreamType): StreamState => newStream({ name: 's', type, tableKey: 't', incarnation: 'i' }, 1000)
const rows = (stream: StreamState, rowCount: number): StreamEvent => ({
  kind: 'rowsAccepted',
  firstRow: stream.end,
  rowCount,
  nowMs: 2000,
})
const finalize: StreamEvent = { kind: 'finalize', nowMs: 2000 }
const withRows = (type: StreamType): StreamState => step(fresh(type), rows(fresh(type), 3))

type Situation = `${StreamType} ${'open' | 'finalized'}` | 'PENDING committed'
type Operation = 'append' | 'flush' | 'commit'
const SITUATIONS: Record<Situation, StreamState> = {
  'COMMITTED open': withRows('COMMITTED'),
  'COMMITTED finalized': step(withRows('COMMITTED'), finalize),
  'PENDING open': withRows('PENDING'),
  'PENDING finalized': step(withRows('PENDING'), finalize),
  'PENDING committed': step(step(withRows('PENDING'), finalize), { kind: 'commit', nowMs: 2500 }),
  'BUFFERED open': withRows('BUFFERED'),
  'BUFFERED finalized': step(withRows('BUFFERED'), finalize),
}
/** The StorageError code, or what else happens. A new kind of stream or operation does not compile until it is said here. */
const TABLE: Record<Situation, Record<Operation, string>> = {
  'COMMITTED open': { append: 'taken', flush: 'INVALID_STREAM_TYPE', commit: 'INVALID_STREAM_TYPE' },
  'COMMITTED finalized': { append: 'STREAM_FINALIZED', flush: 'INVALID_STREAM_TYPE', commit: 'INVALID_STREAM_TYPE' },
  'PENDING open': { append: 'taken', flush: 'INVALID_STREAM_TYPE', commit: 'INVALID_STREAM_STATE' },
  'PENDING finalized': { append: 'STREAM_FINALIZED', flush: 'INVALID_STREAM_TYPE', commit: 'done' },
  'PENDING committed': {
    append: 'STREAM_FINALIZED',
    flush: 'INVALID_STREAM_TYPE',
    commit: 'STREAM_ALREADY_COMMITTED',
  },
  'BUFFERED open': { append: 'taken', flush: 'done', commit: 'INVALID_STREAM_TYPE' },
  'BUFFERED finalized': { append: 'STREAM_FINALIZED', flush: 'STREAM_FINALIZED', commit: 'INVALID_STREAM_TYPE' },
}

describe('a stream', () => {
  for (const [situation, expected] of Object.entries(TABLE) as [Situation, Record<Operation, string>][]) {
    const stream = SITUATIONS[situation]
    it(`${situation}: append ${expected.append}, flush ${expected.flush}, commit ${expected.commit}`, () => {
      assert.equal(refuseAppend(stream, 3n)?.storage?.code ?? 'taken', expected.append)
      assert.equal(refuseFlush(stream, 1n)?.storage?.code ?? 'done', expected.flush)
      assert.equal(refuseCommit(stream)?.storage?.code ?? 'done', expected.commit)
      // Where it is refused, doing it all the same is a bug; where not, it does what it says.
      const attempt = (event: StreamEvent, allowed: boolean): StreamState | undefined => {
        if (allowed) return step(stream, event)
        assert.throws(() => step(stream, event))
        return undefined
      }
      const appended = attempt(rows(stream, 2), expected.append === 'taken')
      if (appended) assert.deepEqual(appended, { ...stream, end: 5n })
      const flushed = attempt({ kind: 'flush', offset: 1n, nowMs: 2000 }, expected.flush === 'done')
      if (flushed) assert.deepEqual(flushed, { ...stream, flushed: 2n })
      const committed = attempt({ kind: 'commit', nowMs: 2000 }, expected.commit === 'done')
      if (committed) assert.deepEqual(committed, { ...stream, kind: 'committed', committedMs: 2000 })
      assert.equal(step(stream, finalize).kind, stream.kind === 'open' ? 'finalized' : stream.kind)
    })
  }

  it('takes rows at its end and nowhere else, until it is finalized, and shows what was flushed', () => {
    const operation = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant('append' as const),
          delta: fc.constantFrom(undefined, 0, 0, 0, -2, -1, 1, 5),
          count: fc.integer({ min: 1, max: 4 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant('flush' as const), back: fc.integer({ min: -2, max: 5 }) }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'finalize' as const }) },
    )
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), operations => {
        let stream = fresh('BUFFERED')
        let count = 0
        let visible = 0
        let isFinal = false
        for (const op of operations) {
          if (op.kind === 'finalize') {
            stream = step(stream, finalize)
            isFinal = true
          } else if (op.kind === 'flush') {
            const offset = count - 1 - op.back
            const refusal = refuseFlush(stream, BigInt(offset))
            const code: string =
              isFinal || offset < 0 ? 'INVALID_ARGUMENT' : offset >= count ? 'OUT_OF_RANGE' : 'ALREADY_EXISTS'
            assert.equal(refusal?.code, !isFinal && offset >= visible && offset < count ? undefined : code)
            if (!refusal) {
              stream = step(stream, { kind: 'flush', offset: BigInt(offset), nowMs: 2000 })
              visible = offset + 1
            }
          } else {
            const offset = op.delta === undefined ? undefined : BigInt(count + op.delta)
            const refusal = refuseAppend(stream, offset)
            const code: string | undefined = isFinal
              ? 'STREAM_FINALIZED'
              : offset === undefined || op.delta === 0
                ? undefined
                : op.delta! > 0
                  ? 'OFFSET_OUT_OF_RANGE'
                  : 'OFFSET_ALREADY_EXISTS'
            if (offset !== undefined && offset < 0n && !isFinal) assert.equal(refusal?.code, 'INVALID_ARGUMENT')
            else assert.equal(refusal?.storage?.code, code)
            if (!refusal) {
              stream = step(stream, rows(stream, op.count))
              count += op.count
            }
          }
          assert.equal(stream.end, BigInt(count))
          assert.equal(stream.flushed, BigInt(visible))
          assert.equal(stream.kind, isFinal ? 'finalized' : 'open')
        }
      }),
    )
  })

  it('treats rows anywhere but at its end as a bug', () => {
    assert.throws(() => step(fresh('COMMITTED'), { kind: 'rowsAccepted', firstRow: 1n, rowCount: 1, nowMs: 0 }))
    assert.throws(() => step(fresh('COMMITTED'), rows(fresh('COMMITTED'), 0)))
  })

  it('outlives its time only with traffic, and for ever where there is no limit', () => {
    const ttlMs = { committed: 100, buffered: 200, pending: 0 }
    assert.equal(isExpired(fresh('COMMITTED'), ttlMs, 1100), false)
    assert.equal(isExpired(fresh('COMMITTED'), ttlMs, 1101), true)
    assert.equal(isExpired(fresh('BUFFERED'), ttlMs, 1101), false)
    assert.equal(isExpired(fresh('BUFFERED'), ttlMs, 1201), true)
    assert.equal(isExpired(fresh('PENDING'), ttlMs, 1e15), false)
    assert.equal(isExpired(withRows('COMMITTED'), ttlMs, 2100), false)
  })
})
