// Whatever is submitted: an answer, never a crash, and the same one from both views.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CONNECTOR_KEYS } from '../src/connector/connector-keys.ts'
import { parseConnectorConfig, parseWorkerConfig, validateConnectorConfig } from '../src/index.ts'

const KEYS = [
  ...Object.keys(CONNECTOR_KEYS),
  ...['transforms.a.type', 'transforms.a.predicate', 'transforms.a.negate', 'predicates.p.type', 'predicates.p.name'],
  ...['predicates.p.pattern', 'value.converter.schemas.enable', 'key.converter.decimal.format', 'transforms..type'],
  ...['consumer.override.group.id', 'consumer.override.x', 'admin.override.', 'unknown.key', '', 'keyfil'],
  ...['__proto__', 'constructor', 'toString', 'transforms.__proto__.type'],
]
const VALUES = [
  ...['', ' ', 'true', 'false', '0', '-1', '1', '5', '99999999999999999999', '1e3', 'none', 'all', 'a', 'a,b', 'a,,b'],
  ...['p', 'a:b', 'a:b,c:d', 'x.y', '.*', '(a+)+', '(', '[', '\\', 'auto', 'DAY', 'none', 'JSON', 'FILE', '{', '{}'],
  ...['BigQuerySink', 'JsonConverter', 'Filter', 'HasHeaderKey', 'TopicNameMatches', 'InsertField$Value', 'Cast'],
  ...['$' + '{env:X}', '__proto__', 'constructor', 'null', '\u0000', '💥', 'exactly_once', 'pending'],
]
const config = fc
  .array(fc.tuple(fc.constantFrom(...KEYS), fc.oneof(fc.constantFrom(...VALUES), fc.string())), { maxLength: 25 })
  .map(entries => {
    const raw = { name: 'n', 'connector.class': 'BigQuerySink', topics: 't', project: 'p', defaultDataset: 'd' }
    return Object.fromEntries([...Object.entries(raw), ...entries])
  })

test('parse and validate answer every configuration, with the same errors', () => {
  fc.assert(
    fc.property(config, raw => {
      const parsed = parseConnectorConfig(raw)
      const errors = parsed.ok ? [] : parsed.errors.map(error => `${error.key}: ${error.message}`)
      const infos = validateConnectorConfig(raw)
      const shown = infos.configs.flatMap(({ value }) => value.errors.map(error => `${value.name}: ${error}`))
      assert.deepEqual(shown.toSorted(), errors.toSorted())
      assert.equal(infos.error_count, errors.length)
      for (const key of Object.keys(raw))
        assert.ok(
          infos.configs.some(info => info.value.name === key),
          key,
        )
    }),
    { numRuns: 300 },
  )
})

test('a worker answers every file', () => {
  const line = fc.tuple(fc.constantFrom('group.id', 'listeners', 'redis.url', 'x', '', 'sasl.mechanism'), fc.string())
  fc.assert(
    fc.property(
      fc.array(
        line.map(parts => parts.join('=')),
        { maxLength: 8 },
      ),
      lines => {
        const parsed = parseWorkerConfig({ file: { path: 'w.properties', text: lines.join('\n') } })
        assert.ok(parsed.ok || parsed.errors.length > 0)
      },
    ),
    { numRuns: 300 },
  )
})
