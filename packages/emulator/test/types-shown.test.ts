// Types of a form of their own, from the wire to what REST shows of them in queries and in tabledata.list.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Field, type Harness, startHarness } from './harness.ts'
import { type Message, rowsOf, writer } from './raw-client.ts'

type TypedField = Field & { rangeElementType?: { type: string }; timestampPrecision?: string }
const rangeOf = (type: string): Partial<TypedField> => ({ type: 'RANGE', rangeElementType: { type } })

describe('types as REST shows them', () => {
  let harness: Harness
  let tables = 0
  before(async () => {
    harness = await startHarness()
  })
  after(() => harness.close())

  async function shown(
    field: Omit<TypedField, 'name'>,
    proto: string,
    values: unknown[],
  ): Promise<[unknown[], unknown[]]> {
    const id = `t${++tables}`
    const name = await harness.rest.createTable(id, [{ name: 'v', ...field }])
    const call = harness.client.append()
    const protoRows = rowsOf(
      writer(proto),
      values.map(v => ({ v })),
      true,
    )
    const response = await call.ask({ writeStream: `${name}/streams/_default`, protoRows })
    assert.ok(response.appendResult, JSON.stringify(response))
    call.call.end()
    const listed = await harness.rest.api('GET', `/datasets/d/tables/${id}/data`)
    const rows = listed.body.rows as { f: { v: unknown }[] }[]
    const queried = await harness.rest.query(`SELECT * FROM p.d.${id}`)
    return [queried.map(([v]) => v), rows.map(row => row.f[0]!.v)]
  }

  const range = 'optional R v = 1; message R { optional int32 start = 1; optional int32 end = 2; }'
  const cases: [what: string, field: Omit<TypedField, 'name'>, proto: string, written: unknown[], shown: unknown[]][] =
    [
      [
        'case 42: RANGE with an end that is not set is unbounded',
        rangeOf('DATE') as TypedField,
        range,
        [{ start: 18262 }, { end: 18262 }, { start: 0, end: 1 }, {}],
        ['[2020-01-01, UNBOUNDED)', '[UNBOUNDED, 2020-01-01)', '[1970-01-01, 1970-01-02)', '[UNBOUNDED, UNBOUNDED)'],
      ],
      [
        'INTERVAL in canonical form',
        { type: 'INTERVAL' },
        'optional string v = 1;',
        ['1-2 3 4:5:6.789', '-0-1 0 -0:0:1', '0-0 0 0:0:0'],
        ['1-2 3 4:5:6.789', '-0-1 0 -0:0:1', '0-0 0 0:0:0'],
      ],
      [
        'GEOGRAPHY as WKT',
        { type: 'GEOGRAPHY' },
        'optional string v = 1;',
        ['{"type":"Point","coordinates":[1,2]}'],
        ['POINT(1 2)'],
      ],
    ]
  for (const [what, field, proto, written, expected] of cases)
    it(what, async () => {
      const [queried, listed] = await shown(field, proto, written)
      assert.deepEqual(queried, expected)
      assert.deepEqual(listed, expected)
    })

  it('TIMESTAMP(12) with its picoseconds', async () => {
    const field = { type: 'TIMESTAMP', timestampPrecision: '12' }
    const [queried] = await shown(field, 'optional string v = 1;', ['2026-01-31 12:00:00.123456789012'])
    assert.deepEqual(queried, ['2026-01-31T12:00:00.123456789012Z'])
  })

  it('keeps REPEATED RANGE in one cell', async () => {
    const field = { ...rangeOf('DATE'), mode: 'REPEATED' } as TypedField
    const [queried] = await shown(field, range.replace('optional R v', 'repeated R v'), [
      [{ start: 0 }, { end: 0 }] as unknown as Message,
    ])
    assert.deepEqual(queried, [[{ v: '[1970-01-01, UNBOUNDED)' }, { v: '[UNBOUNDED, 1970-01-01)' }]])
  })
})
