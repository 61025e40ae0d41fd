import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Secret } from '@millrace/core'
import { CONNECTOR_KEYS } from '../src/connector/connector-keys.ts'
import { deepFreeze } from '../src/definition/freeze.ts'
import type { KeyDef, KeyDefs, Values } from '../src/definition/key.ts'
import { complete, parseKeys } from '../src/definition/parse-keys.ts'
import { parseValue, valueText } from '../src/definition/parse-value.ts'
import type { Rule } from '../src/definition/rules.ts'
import { CLIENT_KEYS } from '../src/worker/client-keys.ts'
import { WORKER_KEYS } from '../src/worker/worker-keys.ts'

const def = (type: KeyDef['type'], rest: Partial<KeyDef> = {}): KeyDef => ({
  type,
  doc: '',
  importance: 'LOW',
  group: 'G',
  ...rest,
})
const message = (type: KeyDef['type'], text: string, rule: Rule = {}): string | null => {
  const parsed = parseValue('k', def(type, { rule }), text)
  return 'error' in parsed ? parsed.error.message : null
}
const value = (type: KeyDef['type'], text: string): unknown => {
  const parsed = parseValue('k', def(type), text)
  return 'error' in parsed ? parsed.error.message : parsed.value
}

test('values are trimmed and read as Kafka reads them', () => {
  assert.equal(value('BOOLEAN', ' TRUE '), true)
  assert.equal(value('BOOLEAN', 'false'), false)
  assert.equal(value('STRING', '  a b '), 'a b')
  assert.equal(value('INT', '+2147483647'), 2147483647)
  assert.equal(value('INT', '-2147483648'), -2147483648)
  assert.equal(value('SHORT', '-32768'), -32768)
  assert.equal(value('LONG', '9223372036854775807'), 2 ** 63)
  assert.equal(value('DOUBLE', '1.5e3'), 1500)
  assert.deepEqual(value('LIST', 'a , b,c'), ['a', 'b', 'c'])
  assert.deepEqual(value('LIST', '  '), [])
  assert.deepEqual(value('LIST', 'a,'), ['a', ''])
})

test('a value of the wrong type is named with its key, in Kafka’s words', () => {
  assert.equal(
    message('BOOLEAN', 'yes'),
    'Invalid value yes for configuration k: Expected value to be either true or false',
  )
  for (const [type, text] of [
    ['INT', '2147483648'],
    ['INT', '1.0'],
    ['INT', ''],
    ['INT', '0x10'],
    ['SHORT', '32768'],
    ['LONG', '9223372036854775808'],
    ['DOUBLE', 'Infinity!'],
  ] as const) {
    assert.equal(message(type, text), `Invalid value ${text} for configuration k: Not a number of type ${type}`)
  }
})

test('rules are checked in Kafka’s words', () => {
  assert.match(message('INT', '0', { atLeast: 1 }) ?? '', /k: Value must be at least 1$/)
  assert.match(message('INT', '9', { atLeast: 1, atMost: 8 }) ?? '', /k: Value must be no more than 8$/)
  assert.match(message('STRING', 'x', { oneOf: ['a', 'b'] }) ?? '', /k: String must be one of: a, b$/)
  assert.match(message('STRING', '', { nonEmpty: true }) ?? '', /k: String must be non-empty$/)
  assert.match(message('LIST', 'a,b,a', { uniqueItems: true }) ?? '', /Duplicate alias provided\.$/)
  assert.match(message('LIST', 'a,b', { maxItems: 1 }) ?? '', /at most 1 items$/)
  assert.match(message('LIST', 'ok,not ok', { format: 'topicName' }) ?? '', /topic name/)
  assert.equal(message('STRING', 'b', { oneOf: ['a', 'b'] }), null)
})

test('where letter case does not matter the value takes the listed spelling', () => {
  const parsed = parseValue('k', def('STRING', { rule: { oneOf: ['DAY', 'NONE'], ignoreCase: true } }), 'day')
  assert.deepEqual(parsed, { value: 'DAY' })
})

test('words beside the type are accepted as they are', () => {
  const tasks = def('INT', { also: ['auto'], rule: { atLeast: 1 } })
  assert.deepEqual(parseValue('tasks.max', tasks, 'auto'), { value: 'auto' })
  assert.deepEqual(parseValue('tasks.max', tasks, '3'), { value: 3 })
  const parsed = parseValue('tasks.max', tasks, 'automatic')
  assert.ok('error' in parsed && parsed.error.message.endsWith('Not a number of type INT or one of: auto'))
})

test('a password is a Secret, and its value is in no message', () => {
  const parsed = parseValue('k', def('PASSWORD', { rule: { format: 'redisUrl' } }), 'canary')
  assert.ok('error' in parsed)
  assert.equal(parsed.error.message.includes('canary'), false)
  const secret = value('PASSWORD', ' canary ')
  assert.ok(secret instanceof Secret)
  assert.equal(secret.reveal(), 'canary')
  assert.equal(valueText(secret), '[hidden]')
})

test('missing keys take their default; a required one is an error naming it', () => {
  const defs = {
    need: { type: 'STRING', doc: '', importance: 'HIGH', group: 'G' },
    have: { type: 'INT', default: 4, doc: '', importance: 'LOW', group: 'G' },
    none: { type: 'STRING', default: null, doc: '', importance: 'LOW', group: 'G' },
  } as const
  const missing = parseKeys(defs, {})
  assert.deepEqual(missing.errors, [
    {
      key: 'need',
      code: 'CONFIG_INVALID',
      message: 'Missing required configuration "need" which has no default value.',
    },
  ])
  assert.equal(complete(missing), null)
  const values: Values<typeof defs> | null = complete(parseKeys(defs, { need: 'x' }))
  assert.deepEqual(values, { need: 'x', have: 4, none: null })
})

test('types follow from the definition', () => {
  type Parsed = Values<typeof CONNECTOR_KEYS>
  // Compile-time checks: each line fails to compile when the derived type changes.
  const tasks: Parsed['tasks.max'] = 'auto' satisfies number | 'auto'
  const tolerance: 'none' | 'all' = 'all' satisfies Parsed['errors.tolerance']
  const keyfile: Parsed['keyfile'] = null
  // @ts-expect-error a required STRING is never null
  const name: Parsed['name'] = null
  assert.deepEqual([tasks, tolerance, keyfile, name], ['auto', 'all', null, null])
})

test('every definition uses only the known fields, and its default fits its own type and rule', () => {
  const fields = new Set([
    ...['type', 'default', 'rule', 'also', 'doc', 'importance', 'group', 'order', 'width', 'displayName'],
    ...['dependents', 'recommended', 'visibleWhen', 'ignored'],
  ])
  const tables: readonly KeyDefs[] = [CONNECTOR_KEYS, WORKER_KEYS, CLIENT_KEYS]
  for (const [key, entry] of tables.flatMap(table => Object.entries(table))) {
    for (const field of Object.keys(entry)) assert.ok(fields.has(field), `${key}: ${field}`)
    assert.ok(entry.doc.length > 10, `${key} has no description`)
    const text = valueText(entry.default)
    if (text !== null) assert.deepEqual(Object.keys(parseValue(key, entry, text)), ['value'], `${key}: default ${text}`)
    for (const dependent of [...(entry.dependents ?? []), entry.visibleWhen?.key ?? key]) {
      assert.ok(
        tables.some(table => Object.hasOwn(table, dependent)),
        `${key}: ${dependent} is not a key`,
      )
    }
  }
})

test('deepFreeze reaches nested objects and leaves secrets usable', () => {
  const frozen = deepFreeze({ a: { b: [1, { c: 2 }] }, secret: new Secret('canary') })
  assert.throws(() => Object.assign(frozen.a, { b: 1 }), TypeError)
  assert.throws(() => Object.assign(frozen.a.b[1] as object, { c: 1 }), TypeError)
  assert.equal(frozen.secret.reveal(), 'canary')
  assert.equal(inspect(frozen, { depth: 9, showHidden: true }).includes('canary'), false)
})
