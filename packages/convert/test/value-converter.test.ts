// From configuration to records kept, dropped and converted: filters, headers, fingerprints, refusals of config.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ErrorCode, isMillraceError, kafkaOffset, type RecordSlice, type TableSchema } from '@millrace/core'
import { compileFilter, compileValueConverter, crcFingerprint, decodeHeaders, RowBuffer } from '../src/index.ts'

type TestRecord = {
  key?: string | null
  value?: string | null
  headers?: readonly (readonly [string, string | null])[]
}

function sliceOf(records: readonly TestRecord[]): RecordSlice {
  const parts: Buffer[] = []
  let at = 0
  const put = (bytes: Buffer | null): [number, number] => {
    if (bytes === null) return [-1, -1]
    parts.push(bytes)
    at += bytes.length
    return [at - bytes.length, at]
  }
  const columns = records.map(record => {
    const text = (value: string | null | undefined): Buffer | null => (value == null ? null : Buffer.from(value))
    return {
      key: put(text(record.key)),
      value: put(text(record.value)),
      headers: put(headersBytes(record.headers ?? [])),
    }
  })
  const ints = (pick: (column: (typeof columns)[number]) => number): Int32Array => Int32Array.from(columns, pick)
  return {
    count: records.length,
    startKafkaOffset: kafkaOffset(0),
    nextKafkaOffset: kafkaOffset(records.length),
    offsetDelta: Float64Array.from(records.keys()),
    timestampMs: new Float64Array(records.length),
    keyStart: ints(column => column.key[0]),
    keyEnd: ints(column => column.key[1]),
    valueStart: ints(column => column.value[0]),
    valueEnd: ints(column => column.value[1]),
    headersStart: ints(column => column.headers[0]),
    headersEnd: ints(column => column.headers[1]),
    bytes: Buffer.concat(parts),
  }
}

const zigzag = (value: number): Buffer => {
  const bytes: number[] = []
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}
const headersBytes = (headers: readonly (readonly [string, string | null])[]): Buffer =>
  Buffer.concat([
    zigzag(headers.length),
    ...headers.flatMap(([key, value]) => [
      zigzag(Buffer.byteLength(key)),
      Buffer.from(key),
      zigzag(value === null ? -1 : Buffer.byteLength(value)),
      Buffer.from(value ?? ''),
    ]),
  ])

const kept = (config: Record<string, string>, topic: string, records: readonly TestRecord[]): boolean[] => {
  const keep = compileFilter(config, topic)
  const slice = sliceOf(records)
  return records.map((_, i) => keep(slice, i))
}
const failsWith =
  (code: ErrorCode, message: RegExp) =>
  (error: unknown): boolean =>
    isMillraceError(error) && error.code === code && message.test(error.message)

test('headers are decoded in order, null values and empty sections included', () => {
  const long = 'h'.repeat(300)
  const slice = sliceOf([
    {
      headers: [
        ['a', '1'],
        ['b', null],
        ['a', ''],
        [long, 'é'],
      ],
    },
    {},
  ])
  assert.deepEqual(
    decodeHeaders(slice, 0).map(({ key, value }) => [key, value?.toString() ?? null]),
    [
      ['a', '1'],
      ['b', null],
      ['a', ''],
      [long, 'é'],
    ],
  )
  assert.deepEqual(decodeHeaders(slice, 1), [])
})

test('a damaged headers section is an error, not a read beyond it', () => {
  const slice = sliceOf([{ headers: [['key', 'value']] }])
  slice.headersEnd[0] = slice.headersEnd[0]! - 1
  assert.throws(() => decodeHeaders(slice, 0), failsWith('SOURCE_CORRUPT', /headers/))
})

test('without transforms everything but null values is kept', () => {
  assert.deepEqual(kept({}, 't', [{ value: '{}' }, { value: null }, { value: '' }]), [true, false, true])
})

test('Filter drops what its predicate finds, or the rest when negated', () => {
  const config = (predicate: Record<string, string>, negate = 'false'): Record<string, string> => ({
    transforms: 'f',
    'transforms.f.type': 'org.apache.kafka.connect.transforms.Filter',
    'transforms.f.predicate': 'p',
    'transforms.f.negate': negate,
    predicates: 'p',
    ...Object.fromEntries(Object.entries(predicate).map(([key, value]) => [`predicates.p.${key}`, value])),
  })
  const header = { type: 'org.apache.kafka.connect.transforms.predicates.HasHeaderKey', name: 'skip' }
  const records = [
    { value: '1', headers: [['skip', null]] as const },
    { value: '1', headers: [['skipped', 'x']] as const },
    { value: '1' },
  ]
  assert.deepEqual(kept(config(header), 't', records), [false, true, true])
  assert.deepEqual(kept(config(header, 'true'), 't', records), [true, false, false])
  const topic = { type: 'org.apache.kafka.connect.transforms.predicates.TopicNameMatches', pattern: 'a|b' }
  assert.deepEqual(kept(config(topic), 'a', [{ value: '1' }]), [false])
  assert.deepEqual(kept(config(topic), 'ab', [{ value: '1' }]), [true])
  const tombstone = { type: 'org.apache.kafka.connect.transforms.predicates.RecordIsTombstone' }
  assert.deepEqual(kept(config(tombstone), 't', [{ value: null }, { value: '1' }]), [false, true])
  assert.deepEqual(kept(config(tombstone, 'true'), 't', [{ value: null }, { value: '1' }]), [false, false])
})

test('a pattern that would keep a backtracking engine busy for years is answered at once', () => {
  const evil = { predicates: 'p', 'predicates.p.type': 'TopicNameMatches', 'predicates.p.pattern': '(a+)+' }
  const filter = { transforms: 'f', 'transforms.f.type': 'Filter', 'transforms.f.predicate': 'p' }
  assert.deepEqual(kept({ ...filter, ...evil }, `${'a'.repeat(200)}_`, [{ value: '1' }]), [true])
  assert.deepEqual(kept({ ...filter, ...evil }, 'a'.repeat(200), [{ value: '1' }]), [false])
})

test('Filter without a predicate drops everything', () => {
  assert.deepEqual(kept({ transforms: 'f', 'transforms.f.type': 'Filter' }, 't', [{ value: '1' }]), [false])
})

test('what a filter config gets wrong is named by its key', () => {
  const base = { transforms: 'f', 'transforms.f.type': 'org.apache.kafka.connect.transforms.Filter' }
  const cases: [Record<string, string>, ErrorCode, RegExp][] = [
    [{ transforms: 'f' }, 'CONFIG_INVALID', /transforms\.f\.type is missing/],
    [
      { transforms: 'f', 'transforms.f.type': 'org.apache.kafka.connect.transforms.Cast$Value' },
      'NOT_SUPPORTED',
      /transforms\.f\.type/,
    ],
    [
      { ...base, 'transforms.f.predicate': 'p' },
      'CONFIG_INVALID',
      /transforms\.f\.predicate names the unknown predicate p/,
    ],
    [{ ...base, 'transforms.f.negate': 'true' }, 'CONFIG_INVALID', /transforms\.f\.negate/],
    [
      { predicates: 'p', 'predicates.p.type': 'TopicNameMatches', 'predicates.p.pattern': '(' },
      'CONFIG_INVALID',
      /predicates\.p\.pattern/,
    ],
    [{ predicates: 'p', 'predicates.p.type': 'Other' }, 'NOT_SUPPORTED', /predicates\.p\.type/],
    [
      { predicates: 'p,p', 'predicates.p.type': 'RecordIsTombstone' },
      'CONFIG_INVALID',
      /predicates names an alias twice/,
    ],
  ]
  for (const [config, code, message] of cases) assert.throws(() => compileFilter(config, 't'), failsWith(code, message))
})

const table: TableSchema = { columns: [{ name: 'a', type: 'INT64', mode: 'NULLABLE' }] }
const json = { 'value.converter': 'org.apache.kafka.connect.json.JsonConverter' }

test('the converter follows schemas.enable, whose default is true', () => {
  const convert = (config: Record<string, string>, value: string): [number, boolean] => {
    const converter = compileValueConverter(config, table, 't')
    const length = converter.encode(Buffer.from(value), 0, Buffer.byteLength(value), new RowBuffer(1024))
    return [length, converter.isTombstone]
  }
  const schemaless = { ...json, 'value.converter.schemas.enable': 'false' }
  assert.deepEqual(convert(schemaless, '{"a":1}'), [2, false])
  assert.deepEqual(convert(schemaless, 'null'), [-2, true])
  assert.deepEqual(convert(json, '{"a":1}'), [-1, false])
  assert.deepEqual(convert(json, '{"schema":null,"payload":{"a":1}}'), [2, false])
  assert.deepEqual(convert(json, '{"schema":null,"payload":null}'), [-2, true])
})

test('converters that are not built are refused by key and name', () => {
  for (const converter of [
    'io.confluent.connect.avro.AvroConverter',
    'org.apache.kafka.connect.storage.StringConverter',
  ]) {
    assert.throws(
      () => compileValueConverter({ 'value.converter': converter }, table, 't'),
      failsWith('NOT_SUPPORTED', /value\.converter.*not/),
    )
  }
  assert.throws(
    () => compileValueConverter({ ...json, ignoreUnknownFields: 'maybe' }, table, 't'),
    failsWith('CONFIG_INVALID', /ignoreUnknownFields/),
  )
})

test('a fingerprint changes with key, value, and null for empty', () => {
  const records: TestRecord[] = [
    { key: 'a', value: 'b' },
    { key: 'ab', value: '' },
    { key: '', value: 'ab' },
    { key: null, value: 'ab' },
    { key: 'ab', value: null },
    { key: 'b', value: 'a' },
  ]
  const slice = sliceOf([...records, records[0]!])
  const prints = [...records.keys()].map(i => crcFingerprint(slice, i))
  assert.equal(new Set(prints).size, records.length)
  assert.equal(crcFingerprint(slice, records.length), prints[0])
  for (const print of prints) assert.ok(Number.isInteger(print) && print >= 0 && print < 2 ** 32)
})
