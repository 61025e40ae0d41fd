import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { COMPARING_STEPS_MAX, editDistance, judgeUnknownKeys, KnownKeys } from '../src/definition/near-miss.ts'

const KNOWN = ['topics', 'topics.regex', 'autoCreateTables', 'keyfile', 'errors.tolerance']

const nearMiss = (unknown: string, known: readonly string[]): string | null =>
  new KnownKeys(known).nearMiss(unknown, { steps: 0 })

test('a key within two edits of a known one is a near miss', () => {
  assert.equal(nearMiss('topic', KNOWN), 'topics')
  assert.equal(nearMiss('keyfiel', KNOWN), 'keyfile')
  assert.equal(nearMiss('errors.tolerence', KNOWN), 'errors.tolerance')
  assert.equal(nearMiss('topicsregexes', KNOWN), null)
  assert.equal(nearMiss('schema.registry.url', KNOWN), null)
})

test('a key that differs only in case, dots and hyphens is a near miss', () => {
  assert.equal(nearMiss('auto.create.tables', KNOWN), 'autoCreateTables')
  assert.equal(nearMiss('AUTO-CREATE-TABLES', KNOWN), 'autoCreateTables')
  assert.equal(nearMiss('topicsRegex', KNOWN), 'topics.regex')
})

test('a key far longer than any known one is no near miss, and is not compared with them', () => {
  const long = `topics${'.'.repeat(300)}`
  assert.equal(nearMiss(long, ['topics']), null)
  assert.equal(nearMiss(`topics${'.'.repeat(200)}`, ['topics']), 'topics')
})

test('the nearest known key is proposed', () => {
  assert.equal(nearMiss('topicss', ['topic', 'topics']), 'topics')
})

test('edit distance agrees with its definition and never passes its limit', () => {
  const slow = (a: string, b: string): number =>
    a === '' || b === ''
      ? a.length + b.length
      : Math.min(
          slow(a.slice(1), b) + 1,
          slow(a, b.slice(1)) + 1,
          slow(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1),
        )
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 5 })
  fc.assert(
    fc.property(word, word, fc.integer({ min: 1, max: 6 }), (a, b, limit) => {
      assert.equal(editDistance(a, b, limit), Math.min(slow(a, b), limit))
    }),
  )
})

test('near refuses near misses and warns of the rest, warn refuses nothing, error refuses everything unknown', () => {
  const judged = (rule: 'near' | 'warn' | 'error'): readonly [readonly string[], readonly string[]] => {
    const { errors, notices } = judgeUnknownKeys(['topic', 'my.own.key'], KNOWN, rule)
    assert.ok(errors.every(error => error.code === 'CONFIG_UNKNOWN_KEY'))
    return [errors.map(error => error.key), notices.map(notice => notice.key)]
  }
  assert.deepEqual(judged('near'), [['topic'], ['my.own.key']])
  assert.deepEqual(judged('warn'), [[], ['topic', 'my.own.key']])
  assert.deepEqual(judged('error'), [['topic', 'my.own.key'], []])
})

test('the message names the key meant and never a value', () => {
  const { errors } = judgeUnknownKeys(['topic'], KNOWN, 'near', () => ' (w.properties:3)')
  assert.match(errors[0]?.message ?? '', /topic \(w\.properties:3\): did you mean topics\?/)
})

test('looking at lengths and letters first misses nothing', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'A', '.', 'é', 'z'), minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(word, fc.uniqueArray(word, { minLength: 1, maxLength: 5 }), (unknown, known) => {
      const near = nearMiss(unknown, known)
      const least = Math.min(...known.map(key => editDistance(unknown, key, 3)))
      if (near === null) assert.equal(least, 3)
      else if (near.toLowerCase().replaceAll('.', '') !== unknown.toLowerCase().replaceAll('.', ''))
        assert.equal(editDistance(unknown, near, 3), least)
    }),
  )
})

test('keys of other lengths than known ones are not compared with them', () => {
  const work = { steps: 0 }
  assert.equal(new KnownKeys(['topics.regex', 'a']).nearMiss('topics', work), null)
  assert.equal(work.steps, 0)
})

test('hundreds of keys that resemble hundreds of others are refused when too much was compared', () => {
  const alike = (count: number, end: string): readonly string[] =>
    Array.from({ length: count }, (_, i) => `transforms.${'a'.repeat(200)}${i % 100}.${end}${i}`)
  const work = { steps: 0 }
  const known = new KnownKeys(alike(1_000, 'x'))
  for (const key of alike(900, 'other')) known.nearMiss(key, work)
  // The last comparison may go beyond: some characters, and five cells for each.
  assert.ok(work.steps < COMPARING_STEPS_MAX + 6 * 256, `${work.steps}`)
  const { errors } = judgeUnknownKeys(alike(900, 'y'), alike(1_000, 'xxx'), 'near')
  assert.match(errors.at(-1)?.message ?? '', /too many unknown keys .*config\.unknown\.keys=warn/)
  assert.deepEqual(judgeUnknownKeys(alike(900, 'y'), alike(1_000, 'xxx'), 'warn').errors, [])
})
