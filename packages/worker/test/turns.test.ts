// So many at once, the others in the order they came; who leaves takes nobody's turn.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../src/turns.ts'

const { signal } = new AbortController()
const later = (): Promise<void> => new Promise(resolve => void setImmediate(resolve))

test('the third of two waits until one of them ends, however often that one says so', async () => {
  const turns = new Turns(2)
  const [first] = await Promise.all([turns.take({ signal }), turns.take({ signal })])
  const begun: string[] = []
  const waiting = ['third', 'fourth'].map(name => turns.take({ signal }).then(() => begun.push(name)))
  await later()
  assert.deepEqual(begun, [])
  first()
  first()
  await later()
  assert.deepEqual(begun, ['third'])
  assert.equal(waiting.length, 2)
})

test('who is called off while waiting rejects with the reason, and the next one has the turn', async () => {
  const turns = new Turns(1)
  const end = await turns.take({ signal })
  const abort = new AbortController()
  const gone = turns.take({ signal: abort.signal })
  const next = turns.take({ signal })
  abort.abort(new Error('called off'))
  await assert.rejects(gone, /called off/)
  end()
  ;(await next)()
  await assert.rejects(turns.take({ signal: AbortSignal.abort(new Error('too late')) }), /too late/)
  ;(await turns.take({ signal }))()
})
