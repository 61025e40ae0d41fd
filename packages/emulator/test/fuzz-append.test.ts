// Hostile AppendRows: requests, descriptors and rows that no client writes. Each gets an error in words, never one that says the emulator
// was surprised; it goes on serving, and its memory stays bounded. EMULATOR_FUZZ=100 for the long form.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { endSpawned } from './command.ts'
import {
  delimited,
  fieldDescriptor,
  mutationsOf,
  repeated,
  request,
  rowList,
  scalar,
  Victim,
  varint,
} from './hostile.ts'
import { ROUNDS, runs } from './random-runs.ts'
import { encode, RawClient, writer } from './raw-client.ts'

const MANY = 100_000
const T = { DOUBLE: 1, INT64: 3, BOOL: 8, STRING: 9, GROUP: 10, MESSAGE: 11, BYTES: 12, ENUM: 14 }

const wide = writer(`
  optional int64 i = 1; optional double f = 2; optional string s = 3; optional bytes b = 4; optional bool o = 5;
  optional string n = 6; optional bytes n2 = 7; optional int32 d = 8; optional string ts = 9; optional int64 dt = 10;
  optional string t = 11; optional string j = 12; repeated int64 r = 13; optional Inner st = 14; repeated Inner rs = 15;
  message Inner { optional string x = 1; repeated double y = 2; }`)
const goodDescriptor = encode('google.protobuf.DescriptorProto', wide.descriptor)
const goodRow = wide.row({
  i: 1,
  f: 2.5,
  s: 'a text of more than twelve bytes',
  b: Buffer.from([1, 2, 3]),
  o: true,
  n: '12.5',
  n2: Buffer.from([1, 0, 1]),
  d: 19000,
  ts: '2026-11-22 10:00:00 UTC',
  dt: String(((2020n << 26n) + (10n << 22n) + (1n << 17n) + (12n << 12n) + 0n) << 20n),
  t: '10:11:12.5',
  j: '{"a": [1, 2]}',
  r: [1, 2, 3],
  st: { x: 'x', y: [1, 2] },
  rs: [{ x: 'y' }, {}],
})
const INNER = [
  { name: 'x', type: 'STRING' },
  { name: 'y', type: 'FLOAT64', mode: 'REPEATED' },
]

describe('hostile appends', { timeout: 110_000 * ROUNDS }, () => {
  let victim: Victim
  let stream: string
  const at = (descriptor: Buffer, rows: readonly Buffer[] = [goodRow]): Buffer =>
    request({ stream, descriptor, rows: rowList(rows) })

  before(async () => {
    victim = await Victim.start()
    const table = await victim.table('wide', [
      { name: 'i', type: 'INT64' },
      { name: 'f', type: 'FLOAT64' },
      { name: 's', type: 'STRING' },
      { name: 'b', type: 'BYTES' },
      { name: 'o', type: 'BOOL' },
      { name: 'n', type: 'NUMERIC' },
      { name: 'n2', type: 'BIGNUMERIC' },
      { name: 'd', type: 'DATE' },
      { name: 'ts', type: 'TIMESTAMP' },
      { name: 'dt', type: 'DATETIME' },
      { name: 't', type: 'TIME' },
      { name: 'j', type: 'JSON' },
      { name: 'r', type: 'INT64', mode: 'REPEATED' },
      { name: 'st', type: 'RECORD', fields: INNER },
      { name: 'rs', type: 'RECORD', mode: 'REPEATED', fields: INNER },
      { name: 'g', type: 'GEOGRAPHY' },
      { name: 'iv', type: 'INTERVAL' },
    ])
    stream = await victim.client.createStream(table)
  })
  afterEach(() => victim.stillServes())
  after(async () => {
    await victim.stop()
    RawClient.closeAll()
    endSpawned()
  })

  it('takes the good request that the bad ones are made of', async () => {
    const { response } = await victim.judge(at(goodDescriptor))
    assert.equal(response?.error, undefined, JSON.stringify(response))
  })

  it('survives mutated requests', () =>
    fc.assert(
      fc.asyncProperty(mutationsOf(at(goodDescriptor)), async bytes => void (await victim.judge(bytes))),
      runs(60),
    ))

  it('survives mutated descriptors', () =>
    fc.assert(
      fc.asyncProperty(mutationsOf(goodDescriptor), async bytes => void (await victim.judge(at(bytes)))),
      runs(60),
    ))

  it('survives mutated rows, and goes on on the same call', () =>
    fc.assert(
      fc.asyncProperty(fc.array(mutationsOf(goodRow), { minLength: 1, maxLength: 5 }), async rows => {
        const { failure } = await victim.judge(at(goodDescriptor, rows), request({ rows: rowList([goodRow]) }))
        assert.equal(failure, undefined)
      }),
      runs(60),
    ))

  const nestedTypes = (depth: number): Buffer => {
    let bytes = delimited(1, 'M')
    for (let i = 0; i < depth; i++) bytes = delimited(3, bytes)
    return bytes
  }
  const str = (name: string, number: number): Buffer => fieldDescriptor({ name, number, type: T.STRING })
  const descriptors: [what: string, descriptor: () => Buffer][] = [
    [
      'a message in itself',
      () =>
        Buffer.concat([
          delimited(1, 'Row'),
          fieldDescriptor({ name: 'st', number: 1, type: T.MESSAGE, typeName: '.Row' }),
        ]),
    ],
    ['types nested 2,000 deep', () => nestedTypes(2_000)],
    [`${MANY} fields`, () => Buffer.concat(Array.from({ length: MANY }, (_, i) => str(`c${i}`, i + 1)))],
    [
      `${MANY} nested types`,
      () =>
        Buffer.concat([
          repeated(delimited(3, delimited(1, 'N')), MANY),
          fieldDescriptor({ name: 'st', number: 1, type: T.MESSAGE, typeName: 'Q' }),
        ]),
    ],
    ['one number twice', () => Buffer.concat([str('s', 1), fieldDescriptor({ name: 'i', number: 1, type: T.INT64 })])],
    ['one column twice', () => Buffer.concat([str('s', 1), str('S', 2)])],
    ['field number 0', () => str('s', 0)],
    ['field number 2^29', () => str('s', 2 ** 29)],
    ['a group', () => fieldDescriptor({ name: 'st', number: 1, type: T.GROUP, typeName: 'G' })],
    ['type 99', () => fieldDescriptor({ name: 's', number: 1, type: 99 })],
    ['a name of a million letters', () => str('n'.repeat(1_000_000), 1)],
    [
      'a name that is no UTF-8',
      () => delimited(2, Buffer.concat([delimited(1, Buffer.from([0xff, 0xfe])), scalar(3, 1), scalar(5, T.STRING)])),
    ],
    ['__proto__ as a name', () => str('__proto__', 1)],
    [
      'a type name of 100,000 parts',
      () => fieldDescriptor({ name: 'st', number: 1, type: T.MESSAGE, typeName: 'a.'.repeat(MANY) }),
    ],
    [
      'a type name of dots',
      () => fieldDescriptor({ name: 'st', number: 1, type: T.MESSAGE, typeName: '.'.repeat(MANY) }),
    ],
    ['no type name', () => fieldDescriptor({ name: 'st', number: 1, type: T.MESSAGE })],
    ['an enum that is not there', () => fieldDescriptor({ name: 's', number: 1, type: T.ENUM, typeName: 'E' })],
    [
      'a default that is no number',
      () => fieldDescriptor({ name: 'i', number: 1, type: T.INT64, defaultValue: '9'.repeat(MANY) }),
    ],
    [
      'a column name of a million letters',
      () => fieldDescriptor({ name: 's', number: 1, type: T.STRING, columnName: 'x'.repeat(1_000_000) }),
    ],
    ['a descriptor of zeros', () => Buffer.alloc(1000)],
    ['an endless varint', () => Buffer.alloc(1000, 0xff)],
    ['100,000 groups opened', () => Buffer.alloc(MANY, 0x0b)],
  ]
  for (const [what, descriptor] of descriptors)
    it(`refuses a descriptor with ${what}`, async () => {
      const message = await victim.refuses(at(descriptor()))
      assert.ok(message.length < 5_000, `an error of ${message.length} letters`)
    })

  it('reads an enum of 100,000 aliases, and its rows', async () => {
    const values = Array.from({ length: MANY }, (_, i) =>
      delimited(2, Buffer.concat([delimited(1, `V${i}`), scalar(2, i % 7)])),
    )
    const enumType = delimited(4, Buffer.concat([delimited(1, 'E'), ...values]))
    const descriptor = Buffer.concat([fieldDescriptor({ name: 's', number: 1, type: T.ENUM, typeName: 'E' }), enumType])
    await victim.judge(at(descriptor, [scalar(1, 3), scalar(1, -5), scalar(1, 2 ** 40)]))
  })

  const rows: [what: string, row: () => Buffer][] = [
    ['a length of 4 GB', () => Buffer.concat([varint(3 * 8 + 2), varint(0xffffffff)])],
    ['a length of 2^63', () => Buffer.concat([varint(3 * 8 + 2), varint(2n ** 63n)])],
    ['a group', () => Buffer.concat([varint(3 * 8 + 3), varint(3 * 8 + 4)])],
    ['100,000 groups', () => Buffer.alloc(MANY, 0x1b)],
    ['packed values of an odd size', () => delimited(15, delimited(2, Buffer.alloc(13)))],
    ['an end group alone', () => varint(3 * 8 + 4)],
    ['field number 0', () => Buffer.from([0x02, 0x01, 0x41])],
    ['a nested message cut off', () => delimited(14, Buffer.from([0x0a, 0x05, 0x41]))],
    ['text that is no UTF-8', () => delimited(3, Buffer.from([0xc3, 0x28]))],
    ['a NUMERIC of a million digits', () => delimited(6, '9'.repeat(1_000_000))],
    ['a NUMERIC with an exponent of 9999', () => delimited(6, '1e9999')],
    ['a NUMERIC of a million digits after the point', () => delimited(6, `x.${'9'.repeat(1_000_000)}`)],
    ['a BIGNUMERIC of a million bytes', () => delimited(7, Buffer.alloc(1_000_000, 0x7f))],
    ['a TIMESTAMP of a million spaces', () => delimited(9, ' '.repeat(1_000_000))],
    ['a TIME of a million digits', () => delimited(11, '1'.repeat(1_000_000))],
    ['a DATETIME of all ones', () => scalar(10, -1n)],
    ['JSON 100,000 levels deep and open', () => delimited(12, '['.repeat(MANY))],
  ]
  for (const [what, row] of rows)
    it(`refuses a row with ${what}`, async () => {
      const message = await victim.refuses(at(goodDescriptor, [goodRow, row()]))
      assert.ok(message.length < 5_000, `an error of ${message.length} letters`)
    })

  it('refuses or keeps GEOGRAPHY and INTERVAL texts nobody writes', async () => {
    const descriptor = Buffer.concat([str('g', 1), str('iv', 2)])
    const texts = [
      `${'GEOMETRYCOLLECTION('.repeat(10_000)}POINT(1 2)${')'.repeat(10_000)}`,
      `{"type":"GeometryCollection","geometries":[`.repeat(5_000),
      `LINESTRING(${'1 2,'.repeat(200_000)}3 4)`,
      `POINT(${'1'.repeat(100_000)} 2)`,
      '('.repeat(MANY),
      '['.repeat(MANY),
    ]
    for (const text of texts) await victim.judge(at(descriptor, [delimited(1, text)]))
    for (const text of [
      '9'.repeat(MANY),
      `P${'1Y'.repeat(MANY)}`,
      `0-0 0 0:0:0.${'9'.repeat(MANY)}`,
      '1-'.repeat(MANY),
    ])
      await victim.judge(at(descriptor, [delimited(2, text)]))
  })

  it('keeps JSON 100,000 levels deep, and queries over it do not end it', async () => {
    const deep = '['.repeat(MANY) + ']'.repeat(MANY)
    await victim.judge(at(goodDescriptor, [delimited(12, deep)]))
    const queries = [
      'SELECT j FROM d.wide',
      'SELECT TO_JSON_STRING(j) FROM d.wide',
      "SELECT JSON_VALUE(j, '$.a') FROM d.wide",
    ]
    for (const query of queries) await victim.rest.api('POST', '/queries', { query, useLegacySql: false })
  })

  it('answers a million bad rows with a bounded list of errors', async () => {
    const bad = delimited(1, scalar(3, 1))
    const { response } = await victim.judge(
      request({ stream, descriptor: goodDescriptor, rows: repeated(bad, 1_000_000) }),
    )
    const errors = response?.rowErrors as unknown[]
    assert.ok(errors.length > 0 && errors.length <= 10_000, `${errors.length} row errors`)
  })

  it('takes two million empty rows or says why not', async () => {
    const rows = repeated(delimited(1, ''), 2_000_000)
    await victim.judge(request({ stream: await narrow('empty', 1), descriptor: str('c0', 1), rows }))
  })

  it('refuses rows times columns beyond its memory, and takes the next request', async () => {
    const wideStream = await narrow('many_columns', 2_000)
    const rows = repeated(delimited(1, ''), 1_000_000)
    assert.match(await victim.refuses(request({ stream: wideStream, descriptor: str('c0', 1), rows })), /rows/)
    const few = repeated(delimited(1, ''), 10)
    const { response } = await victim.judge(request({ stream: wideStream, descriptor: str('c0', 1), rows: few }))
    assert.equal(response?.error, undefined)
  })

  it('refuses repeated structs beyond its memory', async () => {
    const fields = Array.from({ length: 500 }, (_, i) => ({ name: `c${i}`, type: 'STRING' }))
    const table = await victim.table('many_structs', [{ name: 'r', type: 'RECORD', mode: 'REPEATED', fields }])
    const descriptor = Buffer.concat([
      fieldDescriptor({ name: 'r', number: 1, type: T.MESSAGE, label: 3, typeName: 'R' }),
      delimited(3, Buffer.concat([delimited(1, 'R'), str('c0', 1)])),
    ])
    const row = repeated(delimited(1, ''), 2_000_000)
    const structStream = await victim.client.createStream(table)
    await victim.refuses(request({ stream: structStream, descriptor, rows: delimited(1, row) }))
  })

  it('survives 100,000 missing-value interpretations and huge keys', async () => {
    const entry = (key: string, value: number): Buffer =>
      delimited(7, Buffer.concat([delimited(1, key), scalar(2, value)]))
    const rest = Buffer.concat(Array.from({ length: MANY }, (_, i) => entry(`c${i}`, 1 + (i % 2))))
    await victim.judge(request({ stream, descriptor: goodDescriptor, rows: rowList([goodRow]), rest }))
    for (const key of ['x'.repeat(1_000_000), '__proto__', 'i'])
      await victim.judge(request({ stream, descriptor: goodDescriptor, rows: rowList([goodRow]), rest: entry(key, 9) }))
  })

  const NAMES: [what: string, name: string][] = [
    ['of a million letters', 'x'.repeat(1_000_000)],
    ['of a million slashes', '/'.repeat(1_000_000)],
    ['with a table of a million letters', `projects/p/datasets/d/tables/${'t'.repeat(1_000_000)}/streams/_default`],
    ['with a table of 100,000 umlauts', `projects/p/datasets/d/tables/${'ü'.repeat(MANY)}/_default`],
    ['with a decorator of a million letters', `projects/p/datasets/d/tables/wide$${'2'.repeat(1_000_000)}/_default`],
    ['with an id of 9,000 letters', `projects/p/datasets/d/tables/wide/streams/${'s'.repeat(9_000)}`],
    ['with line breaks and zeros', 'projects/p/datasets/d/tables/wide/streams/\r\n\0'],
    ['with half a surrogate pair', 'projects/p/datasets/d/tables/\ud800/_default'],
  ]
  for (const [what, name] of NAMES)
    it(`refuses a stream name ${what}, in words that arrive`, async () => {
      const { failure } = await victim.judge(
        request({ stream: name, descriptor: goodDescriptor, rows: rowList([goodRow]) }),
      )
      assert.ok(
        failure && failure.message.length > 10 && failure.message.length < 4_000,
        failure?.message.slice(0, 300),
      )
      for (const method of ['GetWriteStream', 'FinalizeWriteStream'])
        await assert.rejects(victim.client.unary(method, { name }), (error: { code: number; message: string }) => {
          assert.ok(
            ![1, 2, 4, 13, 14].includes(error.code) && error.message !== '',
            JSON.stringify(error).slice(0, 300),
          )
          return true
        })
    })

  async function narrow(name: string, columns: number): Promise<string> {
    const fields = Array.from({ length: columns }, (_, i) => ({ name: `c${i}`, type: 'STRING' }))
    return victim.client.createStream(await victim.table(name, fields))
  }
})
