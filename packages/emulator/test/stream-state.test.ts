// The stream machine against a model: a plain list of rows.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { refuseAppend, type StreamState, step } from '../src/streams/stream-state.ts'

const fresh: StreamState = {
  kind: 'open',
  name: 's',
  type: 'COMMITTED',
  tableKey: 't',
  incarnation: 'i',
  createdMs: 0,
  end: 0n,
}

describe('a stream', () => {
  it('takes rows at its end and nowhere else, until it is finalized', () => {
    const operation = fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant('append' as const),
          delta: fc.constantFrom(undefined, 0, 0, 0, -2, -1, 1, 5),
          count: fc.integer({ min: 1, max: 4 }),
        }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: 'finalize' as const }) },
    )
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), operations => {
        let stream = fresh
        let rows = 0
        let isFinal = false
        for (const op of operations) {
          if (op.kind === 'finalize') {
            stream = step(stream, op)
            isFinal = true
          } else {
            const offset = op.delta === undefined ? undefined : BigInt(rows + op.delta)
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
              stream = step(stream, { kind: 'rowsAccepted', firstRow: stream.end, rowCount: op.count })
              rows += op.count
            }
          }
          assert.equal(stream.end, BigInt(rows))
          assert.equal(stream.kind, isFinal ? 'finalized' : 'open')
        }
      }),
    )
  })

  it('treats rows anywhere but at its end as a bug', () => {
    assert.throws(() => step(fresh, { kind: 'rowsAccepted', firstRow: 1n, rowCount: 1 }))
    assert.throws(() => step(step(fresh, { kind: 'finalize' }), { kind: 'rowsAccepted', firstRow: 0n, rowCount: 1 }))
  })
})
