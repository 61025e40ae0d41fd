// Hostile REST: bodies that are no JSON or too deep, types that are wrong everywhere, keys of JavaScript's own, SQL without end.
// Every answer is a 4xx in words, the emulator goes on serving, and its memory stays bounded.
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { endSpawned } from './command.ts'
import { Victim } from './hostile.ts'
import { ROUNDS, runs } from './random-runs.ts'
import { RawClient } from './raw-client.ts'

const DEEP = 20_000
const JSON_TYPE = { 'content-type': 'application/json' }

describe('hostile REST', { timeout: 110_000 * ROUNDS }, () => {
  let victim: Victim
  let base: string

  before(async () => {
    victim = await Victim.start()
    base = `http://${victim.restAddress}`
  })
  afterEach(() => victim.stillServes())
  after(async () => {
    await victim.stop()
    RawClient.closeAll()
    endSpawned()
  })

  async function send(
    method: string,
    path: string,
    body?: string | Buffer,
    headers: Record<string, string> = JSON_TYPE,
  ) {
    const response = await fetch(base + path, {
      method,
      headers: body === undefined ? {} : headers,
      ...(body !== undefined && { body: typeof body === 'string' ? body : new Uint8Array(body) }),
      signal: AbortSignal.timeout(20_000),
    })
    return { status: response.status, text: await response.text() }
  }

  async function refused(
    method: string,
    path: string,
    body?: string | Buffer,
    headers?: Record<string, string>,
  ): Promise<string> {
    const { status, text } = await send(method, path, body, headers)
    assert.ok(status >= 400 && status < 500, `${method} ${path.slice(0, 100)}: ${status} ${text.slice(0, 500)}`)
    assert.ok(text.length < 20_000, `an error of ${text.length} letters`)
    return text
  }

  const P = '/bigquery/v2/projects/p'
  const TABLES = `${P}/datasets/d/tables`
  const table = (schema: unknown): string =>
    JSON.stringify({ tableReference: { projectId: 'p', datasetId: 'd', tableId: 'h' }, schema })
  const record = (depth: number): string =>
    `{"tableReference":{"tableId":"h"},"schema":{"fields":[${'{"name":"a","type":"RECORD","fields":['.repeat(depth)}${']}'.repeat(depth)}]}}`

  const bodies: [what: string, method: string, path: string, body: () => string | Buffer][] = [
    ['no JSON', 'POST', TABLES, () => '{'],
    ['an empty body', 'POST', TABLES, () => ''],
    ['bytes that are no UTF-8', 'POST', TABLES, () => Buffer.from([0xff, 0xfe, 0x7b])],
    ['a number', 'POST', TABLES, () => '17'],
    ['null', 'POST', TABLES, () => 'null'],
    ['a list', 'POST', TABLES, () => '[]'],
    ['arrays 20,000 deep', 'POST', TABLES, () => '['.repeat(DEEP) + ']'.repeat(DEEP)],
    ['objects 20,000 deep', 'POST', `${P}/queries`, () => `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`],
    ['records 20,000 deep', 'POST', TABLES, () => record(DEEP)],
    ['records 16 deep', 'POST', TABLES, () => record(16)],
    ['fields that are a number', 'POST', TABLES, () => table({ fields: 5 })],
    ['fields that are null', 'POST', TABLES, () => table({ fields: [null] })],
    ['a field without a name', 'POST', TABLES, () => table({ fields: [{ type: 'STRING' }] })],
    ['a field name that is an object', 'POST', TABLES, () => table({ fields: [{ name: {}, type: 'STRING' }] })],
    ['a type that is a list', 'POST', TABLES, () => table({ fields: [{ name: 'a', type: ['STRING'] }] })],
    ['a type from the prototype', 'POST', TABLES, () => table({ fields: [{ name: 'a', type: 'constructor' }] })],
    [
      'a mode from the prototype',
      'POST',
      TABLES,
      () => table({ fields: [{ name: 'a', type: 'STRING', mode: 'toString' }] }),
    ],
    [
      '100,000 fields',
      'POST',
      TABLES,
      () => table({ fields: Array.from({ length: 100_000 }, (_, i) => ({ name: `c${i}`, type: 'STRING' })) }),
    ],
    [
      'a maxLength of 1e400',
      'POST',
      TABLES,
      () => '{"tableReference":{"tableId":"h"},"schema":{"fields":[{"name":"a","type":"STRING","maxLength":1e400}]}}',
    ],
    [
      'a precision below zero',
      'POST',
      TABLES,
      () => table({ fields: [{ name: 'a', type: 'NUMERIC', precision: '-5' }] }),
    ],
    [
      'a name of a million letters',
      'POST',
      TABLES,
      () => table({ fields: [{ name: 'n'.repeat(1_000_000), type: 'STRING' }] }),
    ],
    [
      'a table id of a million letters',
      'POST',
      TABLES,
      () => JSON.stringify({ tableReference: { tableId: 't'.repeat(1_000_000) } }),
    ],
    [
      'a table id with a quote',
      'POST',
      TABLES,
      () => JSON.stringify({ tableReference: { tableId: 'a"; DROP SCHEMA x; --' } }),
    ],
    [
      'a dataset id that is a list',
      'POST',
      `${P}/datasets`,
      () => JSON.stringify({ datasetReference: { datasetId: ['x'] } }),
    ],
    ['a query that is a number', 'POST', `${P}/queries`, () => '{"query": 5}'],
    ['a query of nothing', 'POST', `${P}/queries`, () => '{"query": ""}'],
    [
      'a query of brackets',
      'POST',
      `${P}/queries`,
      () => JSON.stringify({ query: `SELECT ${'('.repeat(DEEP)}1${')'.repeat(DEEP)}` }),
    ],
    ['a query of open brackets', 'POST', `${P}/queries`, () => JSON.stringify({ query: `SELECT ${'['.repeat(DEEP)}` })],
    [
      'a query of selects in selects',
      'POST',
      `${P}/queries`,
      () => JSON.stringify({ query: `${'SELECT * FROM ('.repeat(DEEP)}SELECT 1${')'.repeat(DEEP)}` }),
    ],
    ['a query of open quotes', 'POST', `${P}/queries`, () => JSON.stringify({ query: `SELECT '${"''".repeat(DEEP)}` })],
    ['a query of comments', 'POST', `${P}/queries`, () => JSON.stringify({ query: '/*'.repeat(DEEP) })],
    [
      'a query of a type without end',
      'POST',
      `${P}/queries`,
      () => JSON.stringify({ query: `SELECT CAST(1 AS ${'ARRAY<'.repeat(DEEP)}` }),
    ],
    ['a query with zeros', 'POST', `${P}/queries`, () => JSON.stringify({ query: 'SELECT \u0000 FROM \u0000' })],
    [
      'a file to read',
      'POST',
      `${P}/queries`,
      () => JSON.stringify({ query: "SELECT * FROM read_text('/etc/passwd')" }),
    ],
    ['a setting to change', 'POST', `${P}/queries`, () => JSON.stringify({ query: "SET memory_limit = '1TB'" })],
    ['a job that is a list', 'POST', `${P}/jobs`, () => '[]'],
    ['a fault that is a number', 'POST', '/emulator/faults', () => '5'],
    [
      'a fault of a hundred keys',
      'POST',
      '/emulator/faults',
      () => JSON.stringify(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i]))),
    ],
    ['rows that are no list', 'POST', `${TABLES}/good/insertAll`, () => '{"rows": {"length": 1e9}}'],
  ]
  for (const [what, method, path, body] of bodies)
    it(`refuses ${what}`, async () => void (await refused(method, path, body())))

  it('keeps prototype keys out', async () => {
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      const body = `{"tableReference":{"tableId":"h_${key.length}"},"schema":{"fields":[]},"${key}":{"polluted":true},"labels":{"${key}":{"polluted":true}}}`
      const { status, text } = await send('POST', TABLES, body)
      assert.ok(status < 500, text)
    }
    assert.equal((await send('GET', `${P}/datasets/d`)).text.includes('polluted'), false)
  })

  it('refuses paths nobody has', async () => {
    const paths = [
      '/%00',
      '/%ff%fe',
      `/${'a'.repeat(10_000)}`,
      `/bigquery/v2/${'../'.repeat(1000)}etc`,
      `${P}/datasets/__proto__`,
      `${P}/datasets/${'d'.repeat(1400)}`,
      `${P}/datasets/%2e%2e%2f`,
      `${TABLES}/constructor`,
      `${TABLES}/good/data?maxResults=-1`,
      `${TABLES}/good/data?startIndex=1e99`,
      `${TABLES}/good/data?pageToken=%00`,
      `${P}/queries/nope?maxResults=x`,
    ]
    for (const path of paths) {
      const { status, text } = await send('GET', path)
      assert.ok(status < 500, `${path.slice(0, 80)}: ${status} ${text.slice(0, 300)}`)
    }
  })

  it('refuses a body of 40 MB without keeping it', async () => {
    const { status } = await send('POST', TABLES, Buffer.alloc(40 << 20, 0x20)).catch(() => ({ status: 413 }))
    assert.ok(status === 413 || status === 400, String(status))
  })

  it('survives JSON with wrong types everywhere', () => {
    const good = {
      tableReference: { projectId: 'p', datasetId: 'd', tableId: 'h' },
      schema: { fields: [{ name: 'a', type: 'NUMERIC', mode: 'NULLABLE', precision: '10', scale: '2', fields: [] }] },
      timePartitioning: { type: 'DAY', field: 'a', expirationMs: '1' },
      clustering: { fields: ['a'] },
      labels: { a: 'b' },
      tableConstraints: { primaryKey: { columns: ['a'] } },
      friendlyName: 'x',
    }
    const paths: (readonly (string | number)[])[] = [
      ['tableReference'],
      ['tableReference', 'tableId'],
      ['schema'],
      ['schema', 'fields'],
      ['schema', 'fields', 0],
      ...['name', 'type', 'mode', 'precision', 'scale', 'fields'].map(key => ['schema', 'fields', 0, key]),
      ['timePartitioning'],
      ...['type', 'field', 'expirationMs'].map(key => ['timePartitioning', key]),
      ['clustering'],
      ['clustering', 'fields'],
      ['labels'],
      ['tableConstraints'],
      ['tableConstraints', 'primaryKey'],
      ['tableConstraints', 'primaryKey', 'columns'],
      ['friendlyName'],
    ]
    return fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 2 }), async (path, value) => {
        const body = structuredClone(good) as unknown
        let holder = body as Record<string | number, unknown>
        for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>
        holder[path.at(-1)!] = value
        const { status, text } = await send('POST', TABLES, JSON.stringify(body))
        assert.ok(status < 500, `${status} ${text.slice(0, 500)}`)
        if (status === 200) await send('DELETE', `${TABLES}/${JSON.parse(text).tableReference.tableId}`)
      }),
      runs(60),
    )
  })

  it('survives mutated SQL', () => {
    const parts = [
      'SELECT',
      ' ',
      '(',
      ')',
      ',',
      '*',
      '`d.good`',
      "'",
      '"',
      'FROM',
      'n',
      '1e999',
      '@p',
      ';',
      '/*',
      '--',
      '\n',
      'WITH',
      'UNNEST',
      '[',
      ']',
      '<',
      '>',
      'ARRAY',
      'STRUCT',
      'CASE',
      'END',
      'OVER',
      'INTERVAL',
      'DATE',
      '\\',
      'r"',
      '`',
    ]
    return fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 30 }), async words => {
        const { status, text } = await send(
          'POST',
          `${P}/queries`,
          JSON.stringify({ query: words.join(' '), useLegacySql: false }),
        )
        assert.ok(status < 500, `${words.join(' ')}: ${status} ${text.slice(0, 300)}`)
      }),
      runs(80),
    )
  })
})
