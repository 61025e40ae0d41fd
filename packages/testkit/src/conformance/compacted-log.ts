// What every CompactedLog must do. Run on the twin and on a real topic.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { CompactedLog, CompactedRecord } from '@millrace/core'

export type CompactedLogSubject = AsyncDisposable & {
  /** Another client of the same, at first empty, topic. */
  client(): Promise<CompactedLog>
}

const WAIT_MAX_MS = 20_000

export function describeCompactedLog(name: string, open: () => Promise<CompactedLogSubject>): void {
  const check = (title: string, body: (subject: CompactedLogSubject, signal: AbortSignal) => Promise<void>): void => {
    test(title, async () => {
      await using subject = await open()
      await body(subject, AbortSignal.timeout(WAIT_MAX_MS))
    })
  }

  describe(`${name}: compacted log`, () => {
    check('an empty log reads as nothing', async (subject, signal) => {
      const log = await subject.client()
      assert.deepEqual(await log.readToEnd({ signal }), [])
      assert.deepEqual(await log.readToEnd({ signal }), [])
    })

    check('a read holds everything acknowledged before it, to anybody, once and in order', async (subject, signal) => {
      const [one, two] = [await subject.client(), await subject.client()]
      const first = await one.append('k1', 'v1', { signal })
      const second = await two.append('k2', 'v2', { signal })
      assert.ok(second > first)
      for (const log of [one, two]) assert.deepEqual(keysAndValues(await log.readToEnd({ signal })), ['k1=v1', 'k2=v2'])
      const third = await one.append('k3', 'ü€😀', { signal })
      const more = await two.readToEnd({ signal })
      assert.deepEqual(more, [{ offset: third, key: 'k3', value: 'ü€😀' }])
      assert.deepEqual(await two.readToEnd({ signal }), [])
    })

    check('tombstones are read as null, and a new client reads from the beginning', async (subject, signal) => {
      const one = await subject.client()
      await one.append('k1', 'v1', { signal })
      await one.append('k1', null, { signal })
      await one.append('k2', 'v2', { signal })
      const late = await subject.client()
      const records = await late.readToEnd({ signal })
      assert.deepEqual(keysAndValues(records).slice(-2), ['k1=null', 'k2=v2'])
    })

    check('many appends at once are all stored, each once', async (subject, signal) => {
      const log = await subject.client()
      const keys = Array.from({ length: 50 }, (_, i) => `k${i}`)
      const offsets = await Promise.all(keys.map(key => log.append(key, 'x', { signal })))
      assert.equal(new Set(offsets).size, keys.length)
      const records = await log.readToEnd({ signal })
      assert.deepEqual(records.map(record => record.key).sort(), [...keys].sort())
      const offsetOf = new Map(records.map(record => [record.key, record.offset]))
      keys.forEach((key, i) => {
        assert.equal(offsetOf.get(key), offsets[i])
      })
    })

    check(
      'waiting ends when another client writes, and at once when there is something already',
      async (subject, signal) => {
        const [one, two] = [await subject.client(), await subject.client()]
        await two.readToEnd({ signal })
        const waiting = two.waitForMore({ signal })
        await one.append('k1', 'v1', { signal })
        await waiting
        await two.waitForMore({ signal })
        assert.deepEqual(keysAndValues(await two.readToEnd({ signal })), ['k1=v1'])
      },
    )

    check('an abort ends a wait with its reason', async (subject, signal) => {
      const log = await subject.client()
      await log.readToEnd({ signal })
      const abort = new AbortController()
      const waiting = log.waitForMore({ signal: abort.signal })
      const reason = new Error('enough')
      abort.abort(reason)
      await assert.rejects(waiting, error => error === reason)
    })

    check('a value near the limit of a record comes back whole', async (subject, signal) => {
      const log = await subject.client()
      const value = 'x'.repeat(900_000)
      await log.append('big', value, { signal })
      assert.equal((await log.readToEnd({ signal }))[0]?.value, value)
    })
  })
}

const keysAndValues = (records: readonly CompactedRecord[]): readonly string[] =>
  records.map(record => `${record.key}=${record.value}`)
