// Nobody takes the last step before all have come, and one check decides for all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gate } from '../src/gate.ts'

const { signal } = new AbortController()
const turn = (): Promise<void> => new Promise(resolve => void setImmediate(resolve))

test('opens once, when the last has come', async () => {
  let checks = 0
  let passed = 0
  const gate = new Gate(3, async () => void checks++)
  const passing = [1, 2].map(() => gate.pass({ signal }).then(() => passed++))
  await turn()
  assert.deepEqual([checks, passed, gate.isOpen], [0, 0, false])
  await Promise.all([...passing, gate.pass({ signal })])
  assert.deepEqual([checks, passed, gate.isOpen], [1, 2, true])
})

test('stays closed for all when the check says so', async () => {
  const gate = new Gate(2, async () => {
    throw new Error('not stopped')
  })
  const results = await Promise.allSettled([gate.pass({ signal }), gate.pass({ signal })])
  assert.deepEqual(
    results.map(result => result.status === 'rejected' && result.reason.message),
    ['not stopped', 'not stopped'],
  )
  assert.equal(gate.isOpen, false)
})

test('one that is called off keeps it closed for those who wait and those who come', async () => {
  const abort = new AbortController()
  let checks = 0
  const gate = new Gate(2, async () => void checks++)
  const waiting = gate.pass({ signal: abort.signal })
  abort.abort(new Error('another was refused'))
  await assert.rejects(waiting, /another was refused/)
  await assert.rejects(gate.pass({ signal: abort.signal }), /another was refused/)
  await turn()
  assert.equal(gate.isOpen, false)
})
