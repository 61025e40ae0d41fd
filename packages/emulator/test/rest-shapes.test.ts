// Bodies of the wrong shape: every member of every request with every JSON type it is not. A 400 that names it each time, never a 500.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DATASET, INSERT_ALL, JOB, QUERY_REQUEST, TABLE } from '../src/rest/resource-shapes.ts'
import type { Shape } from '../src/rest/wire-shape.ts'
import { type Answer, type Harness, startHarness } from './harness.ts'

type Place = { readonly path: readonly (string | number)[]; readonly wrong: readonly unknown[]; readonly named: string }

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  string: [5, true, [], {}, ['x']],
  int64: ['x', 1.5, true, [], {}, '9223372036854775808', ''],
  bool: ['yes', 5, [], {}],
  list: ['x', 5, true, { a: 1 }],
  object: ['x', 5, true, [1]],
  any: [],
}
/** Columns in columns in columns: as deep as this is deep enough. */
const DEPTH_MAX = 6

function* places(shape: Shape, path: (string | number)[]): Generator<Place> {
  const named = path.map(part => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('')
  const place = (kind: string): Place => ({ path, wrong: WRONG[kind]!, named: named.slice(1) })
  if (path.length > DEPTH_MAX) return
  if (typeof shape === 'function') return yield* places(shape(), path)
  if (typeof shape === 'string') return yield place(shape)
  if ('list' in shape) {
    yield place('list')
    return yield* places(shape.list, [...path, 0])
  }
  if (path.length > 0) yield place('object')
  if ('map' in shape) return yield* places(shape.map, [...path, 'key'])
  for (const [name, member] of Object.entries(shape.object)) yield* places(member, [...path, name])
}

/** A body with nothing but the one member. */
const bodyWith = ([first, ...rest]: readonly (string | number)[], value: unknown): unknown => {
  if (first === undefined) return value
  return typeof first === 'number' ? [bodyWith(rest, value)] : { [first]: bodyWith(rest, value) }
}

describe('requests of the wrong shape', () => {
  let harness: Harness
  before(async () => {
    harness = await startHarness({ behavior: { tableUpdatesPer10s: 0 } })
    await harness.rest.createTable('t', [{ name: 'id', type: 'INTEGER' }])
  })
  after(() => harness.close())

  const targets: [method: string, path: string, members: Readonly<Record<string, Shape>>][] = [
    ['POST', '/datasets', DATASET],
    ['PATCH', '/datasets/d', DATASET],
    ['POST', '/datasets/d/tables', TABLE],
    ['PATCH', '/datasets/d/tables/t', TABLE],
    ['PUT', '/datasets/d/tables/t', TABLE],
    ['POST', '/queries', QUERY_REQUEST],
    ['POST', '/jobs', JOB],
    ['POST', '/datasets/d/tables/t/insertAll', INSERT_ALL],
  ]
  for (const [method, path, members] of targets)
    it(`${method} ${path}`, async () => {
      const all = [...places({ object: members }, [])]
      assert.ok(all.length >= 6)
      const asked = all.flatMap(({ path: at, wrong, named }) => wrong.map(value => ({ at, value, named })))
      const check = async ({ at, value, named }: (typeof asked)[number]): Promise<void> => {
        const answer = await harness.rest.api(method, path, bodyWith(at, value))
        const what = `${named} = ${JSON.stringify(value)}: ${JSON.stringify(answer.body)}`
        assert.equal(answer.status, 400, what)
        assert.ok(messageOf(answer).includes(`'${named}'`), what)
      }
      for (let start = 0; start < asked.length; start += 20)
        await Promise.all(asked.slice(start, start + 20).map(check))
    })

  it('a body that is no object, no JSON, too deep or too large', async () => {
    for (const [method, path] of targets) {
      for (const body of [5, 'x', [], [1], true]) {
        const answer = await harness.rest.api(method, path, body)
        assert.equal(answer.status, 400, JSON.stringify(answer.body))
      }
      const send = async (body: string | Buffer): Promise<number> =>
        (await fetch(`http://${harness.emulator.restAddress}/bigquery/v2/projects/p${path}`, { method, body })).status
      assert.equal(await send('{"a":'), 400)
      assert.equal(await send(Buffer.from([0xff, 0xfe, 0])), 400)
      assert.equal((await send(`{"schema":{"fields":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`)) < 500, true)
    }
    let fields: unknown = [{ name: 'x', type: 'STRING' }]
    for (let depth = 0; depth < 40; depth++) fields = [{ name: 'r', type: 'RECORD', fields }]
    const deep = await harness.rest.api('POST', '/datasets/d/tables', {
      tableReference: { tableId: 'x' },
      schema: { fields },
    })
    assert.equal(deep.status, 400)
    const large = await harness.rest.api('POST', '/queries', { query: 'x'.repeat(17 * 1024 * 1024) })
    assert.equal(large.status, 413)
  })

  it('null members are as good as none', async () => {
    const nothing = Object.fromEntries(Object.keys(TABLE).map(name => [name, null]))
    const answer = await harness.rest.api('POST', '/datasets/d/tables', {
      ...nothing,
      tableReference: { tableId: 'nulls' },
      schema: { fields: [{ name: 'a', type: 'STRING', mode: null, description: null, maxLength: null, fields: null }] },
    })
    assert.equal(answer.status, 200, JSON.stringify(answer.body))
    assert.equal(answer.body.labels, undefined)
    const query = Object.fromEntries(Object.keys(QUERY_REQUEST).map(name => [name, null]))
    const asked = await harness.rest.api('POST', '/queries', { ...query, query: 'SELECT 1' })
    assert.equal(asked.status, 200, JSON.stringify(asked.body))
  })

  it('query strings that make no sense', async () => {
    for (const path of [
      '/datasets?maxResults=x',
      '/datasets?pageToken=-1',
      '/datasets?filter=a&filter=b',
      '/jobs?minCreationTime=x',
      '/datasets/d/tables/t/data?startIndex=1.5',
      '/datasets/d/tables/t/data?selectedFields=nope',
      '/datasets/d/tables/t/data?formatOptions.timestampOutputFormat=ROMAN',
    ]) {
      const answer = await harness.rest.api('GET', path)
      assert.equal(answer.status, 400, `${path}: ${JSON.stringify(answer.body)}`)
    }
    assert.equal((await harness.rest.api('GET', '/datasets/%00/tables/%F0%9F%A6%86')).status, 404)
    assert.ok((await harness.rest.api('GET', '/datasets/%')).status < 500)
  })
})

const messageOf = (answer: Answer): string => (answer.body.error as { message: string }).message
