// REST v2 in detail: what changes and what does not, quotas, times, jobs, and the ways clients spell their requests.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Answer, type Harness, type Rest, startHarness } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import type { Message } from './raw-client.ts'

const SCHEMA = { fields: [{ name: 'id', type: 'INTEGER' }] }
const errorOf = (answer: Answer) =>
  answer.body.error as { code: number; message: string; status: string; errors: { reason: string }[] }
const reasonOf = (answer: Answer): [number, string] => [answer.status, errorOf(answer).errors[0]!.reason]
const ok = (answer: Answer): Message => {
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return answer.body
}

describe('REST resources', () => {
  let harness: Harness
  let rest: Rest
  const clock = new ManualClock()
  before(async () => {
    harness = await startHarness({ clock })
    rest = harness.rest
  })
  after(() => harness.close())

  const createTable = async (tableId: string, more: Message = {}): Promise<Message> =>
    ok(await rest.api('POST', '/datasets/d/tables', { tableReference: { tableId }, schema: SCHEMA, ...more }))

  describe('changes', () => {
    it('PATCH merges and deletes by null, PUT replaces, of a dataset and of a table', async () => {
      await createTable('changing', { description: 'first', labels: { a: '1', b: '2' }, friendlyName: 'f' })
      ok(
        await rest.api('POST', '/datasets', {
          datasetReference: { datasetId: 'changing' },
          description: 'first',
          labels: { a: '1', b: '2' },
        }),
      )
      for (const path of ['/datasets/changing', '/datasets/d/tables/changing']) {
        const patched = ok(await rest.api('PATCH', path, { labels: { a: null, c: '3' }, friendlyName: null }))
        assert.deepEqual(
          [patched.description, patched.labels, patched.friendlyName],
          ['first', { b: '2', c: '3' }, undefined],
        )
        const replaced = ok(await rest.api('PUT', path, { description: 'second' }))
        assert.deepEqual([replaced.description, replaced.labels], ['second', undefined])
        assert.deepEqual(ok(await rest.api('GET', path)).etag, replaced.etag)
      }
      assert.deepEqual(ok(await rest.api('GET', '/datasets/d/tables/changing')).schema, {
        fields: [{ name: 'id', type: 'INTEGER', mode: 'NULLABLE' }],
      })
    })

    it('an If-Match that no longer holds is 412, for datasets and tables', async () => {
      await createTable('guarded')
      ok(await rest.api('POST', '/datasets', { datasetReference: { datasetId: 'guarded' } }))
      for (const path of ['/datasets/guarded', '/datasets/d/tables/guarded']) {
        const { etag } = ok(await rest.api('GET', path))
        const ifMatch = { 'if-match': String(etag) }
        ok(await rest.api('PATCH', path, { description: 'mine' }, ifMatch))
        const late = await rest.api('PATCH', path, { description: 'late' }, ifMatch)
        assert.deepEqual(reasonOf(late), [412, 'conditionNotMet'])
        assert.equal(errorOf(late).status, 'FAILED_PRECONDITION')
        assert.equal(ok(await rest.api('GET', path)).description, 'mine')
        ok(await rest.api('PATCH', path, { description: 'any' }, { 'if-match': '*' }))
      }
    })

    it('columns given in another order stay where they are, and rows with them', async () => {
      await createTable('ordered', {
        schema: {
          fields: [
            { name: 'a', type: 'STRING' },
            { name: 'b', type: 'INTEGER' },
          ],
        },
      })
      const insert = async (json: Message): Promise<void> =>
        assert.equal(
          ok(await rest.api('POST', '/datasets/d/tables/ordered/insertAll', { rows: [{ json }] })).insertErrors,
          undefined,
        )
      await insert({ a: 'x', b: 1 })
      const fields = [
        { name: 'c', type: 'FLOAT' },
        { name: 'B', type: 'INTEGER' },
        { name: 'a', type: 'STRING' },
      ]
      const { schema } = ok(await rest.api('PATCH', '/datasets/d/tables/ordered', { schema: { fields } }))
      assert.deepEqual(
        (schema as typeof SCHEMA).fields.map(({ name }) => name),
        ['a', 'b', 'c'],
      )
      await insert({ c: 0.5, b: 2, a: 'y' })
      assert.deepEqual(await rest.query('SELECT a, b, c FROM d.ordered ORDER BY b'), [
        ['x', '1', null],
        ['y', '2', '0.5'],
      ])
    })

    it('a table may be made without a schema and get columns later', async () => {
      await createTable('bare', { schema: undefined })
      const path = '/datasets/d/tables/bare'
      const shown = ok(await rest.api('GET', path))
      assert.deepEqual([shown.schema, shown.numRows], [undefined, '0'])
      assert.equal((await rest.api('POST', `${path}/insertAll`, { rows: [{ json: {} }] })).status, 400)
      assert.equal(ok(await rest.api('GET', `${path}/data`)).totalRows, '0')
      assert.match(
        errorOf(await rest.api('POST', '/queries', { query: 'SELECT * FROM d.bare' })).message,
        /does not have a schema/,
      )
      ok(await rest.api('PATCH', path, { schema: SCHEMA }))
      ok(await rest.api('POST', `${path}/insertAll`, { rows: [{ json: { id: 7 } }] }))
      assert.deepEqual(await rest.query('SELECT * FROM d.bare'), [['7']])
      await createTable('bare2', { schema: { fields: [] } })
      assert.equal((await rest.api('DELETE', '/datasets/d/tables/bare2')).status, 204)
    })

    it('partitioning, clustering and keys that do not fit are refused by name', async () => {
      const fields = [
        { name: 'id', type: 'INTEGER' },
        { name: 'at', type: 'TIMESTAMP' },
        { name: 'day', type: 'DATE' },
        { name: 'x', type: 'FLOAT' },
        { name: 'tags', type: 'STRING', mode: 'REPEATED' },
      ]
      const range = { start: 0, end: 100, interval: 10 }
      const many = Array.from({ length: 17 }, (_, i) => ({ name: `k${i}`, type: 'INTEGER' }))
      const key = (columns: string[]): Message => ({ tableConstraints: { primaryKey: { columns } } })
      const cases: [Message, RegExp][] = [
        [{ timePartitioning: { type: 'DAY', field: 'nope' } }, /cannot be found in the schema: nope/],
        [{ timePartitioning: { type: 'WEEK' } }, /Invalid time partitioning type WEEK/],
        [{ timePartitioning: {} }, /Invalid time partitioning type/],
        [{ timePartitioning: { type: 'DAY', field: 'id' } }, /must be a DATE, DATETIME or TIMESTAMP/],
        [{ timePartitioning: { type: 'HOUR', field: 'day' } }, /Hourly/],
        [{ rangePartitioning: { field: 'x', range } }, /must be an INTEGER/],
        [{ rangePartitioning: { field: 'id', range: { start: 5, end: 5, interval: 1 } } }, /start < end/],
        [{ rangePartitioning: { field: 'id', range: { start: 0, end: 20_000, interval: 1 } } }, /more than 10000/],
        [{ rangePartitioning: { field: 'id', range }, timePartitioning: { type: 'DAY' } }, /Only one of/],
        [{ clustering: { fields: ['id', 'at', 'day', 'x', 'tags'] } }, /Too many clustering fields: 5/],
        [{ clustering: { fields: ['nope'] } }, /clustering cannot be found in the schema: nope/],
        [{ clustering: { fields: ['tags'] } }, /not possible on tags/],
        [{ clustering: { fields: [] } }, /must not be empty/],
        [key(['nope']), /Primary key column nope cannot be found/],
        [key(['id', 'ID']), /Duplicate primary key column ID/],
        [key(['tags']), /Primary key column tags cannot be/],
        [{ ...key(many.map(({ name }) => name)), schema: { fields: many } }, /Too many primary key columns: 17/],
        [{ labels: { 'Not Allowed': 'x' } }, /Label key "Not Allowed"/],
        [{ expirationTime: '1' }, /expirationTime 1: it must be in the future/],
      ]
      for (const [more, message] of cases) {
        const answer = await rest.api('POST', '/datasets/d/tables', {
          tableReference: { tableId: 'misfit' },
          schema: { fields },
          ...more,
        })
        assert.match(errorOf(answer).message, message)
        assert.equal(answer.status, 400)
        clock.advance(11_000)
      }
      await createTable('keyed', { ...key(['id']), timePartitioning: { type: 'DAY' }, clustering: { fields: ['id'] } })
      const path = '/datasets/d/tables/keyed'
      const moved = await rest.api('PATCH', path, { timePartitioning: { type: 'HOUR' } })
      assert.match(errorOf(moved).message, /Cannot change partitioning/)
      const kept = ok(await rest.api('PATCH', path, { timePartitioning: { expirationMs: '1000' } }))
      assert.deepEqual(kept.timePartitioning, { type: 'DAY', expirationMs: '1000' })
      assert.deepEqual(kept.tableConstraints, { primaryKey: { columns: ['id'] } })
    })
  })

  describe('quota and time', () => {
    it('a sixth change of a table within ten seconds is 403 rateLimitExceeded, and others are not', async () => {
      await createTable('busy')
      const patch = (table = 'busy') => rest.api('PATCH', `/datasets/d/tables/${table}`, { description: 'x' })
      for (let n = 0; n < 4; n++) ok(await patch())
      const sixth = await patch()
      assert.deepEqual(reasonOf(sixth), [403, 'rateLimitExceeded'])
      assert.match(errorOf(sixth).message, /^Exceeded rate limits: too many table update operations for this table/)
      await createTable('calm')
      ok(await patch('calm'))
      clock.advance(10_001)
      ok(await patch())
    })

    it('sixteen racers for one table: one makes it, the others are told it exists or to slow down', async () => {
      const answers = await Promise.all(
        Array.from({ length: 16 }, () =>
          rest.api('POST', '/datasets/d/tables', { tableReference: { tableId: 'raced' }, schema: SCHEMA }),
        ),
      )
      assert.equal(answers.filter(({ status }) => status === 200).length, 1)
      const reasons = new Set(answers.filter(({ status }) => status !== 200).map(answer => reasonOf(answer)[1]))
      for (const reason of reasons) assert.ok(reason === 'duplicate' || reason === 'rateLimitExceeded', reason)
    })

    it('a table past its expirationTime is gone, and its name free', async () => {
      const expirationTime = String(clock.nowMs() + 60_000)
      assert.equal((await createTable('fleeting', { expirationTime })).expirationTime, expirationTime)
      ok(
        await rest.api('POST', '/datasets', {
          datasetReference: { datasetId: 'short' },
          defaultTableExpirationMs: 3_600_000,
        }),
      )
      const inherited = ok(
        await rest.api('POST', '/datasets/short/tables', { tableReference: { tableId: 't' }, schema: SCHEMA }),
      )
      assert.equal(inherited.expirationTime, String(clock.nowMs() + 3_600_000))
      clock.advance(60_000)
      assert.equal((await rest.api('GET', '/datasets/d/tables/fleeting')).status, 404)
      assert.equal((await rest.api('POST', '/queries', { query: 'SELECT * FROM d.fleeting' })).status, 404)
      await createTable('fleeting')
      ok(await rest.api('GET', '/datasets/short/tables/t'))
      clock.advance(3_600_000)
      assert.equal((await rest.api('DELETE', '/datasets/short')).status, 204)
    })
  })

  describe('spellings', () => {
    it('gzipped bodies, X-HTTP-Method-Override and paths without the prefix do the same', async () => {
      const base = `http://${harness.emulator.restAddress}`
      const created = await fetch(`${base}/projects/p/datasets?alt=json&prettyPrint=false`, {
        method: 'POST',
        headers: { 'content-type': 'application/json; charset=utf-8', 'content-encoding': 'gzip' },
        body: gzipSync(JSON.stringify({ datasetReference: { projectId: 'p', datasetId: 'spelled' } })),
      })
      assert.equal(created.status, 200)
      const path = '/bigquery/v2/projects/p/datasets/spelled'
      const patched = await rest.call('POST', path, { description: 'x' }, { 'x-http-method-override': 'PATCH' })
      assert.equal(ok(patched).description, 'x')
      assert.equal(ok(await rest.call('GET', '//bigquery/v2/projects/p/datasets/spelled')).description, 'x')
      const broken = await fetch(`${base}${path}`, {
        method: 'PATCH',
        headers: { 'content-encoding': 'gzip' },
        body: 'no gzip',
      })
      assert.equal(broken.status, 400)
      const bomb = await fetch(`${base}${path}`, {
        method: 'PATCH',
        headers: { 'content-encoding': 'gzip' },
        body: gzipSync(Buffer.alloc(64 * 1024 * 1024, 32)),
      })
      assert.equal(bomb.status, 400)
    })

    it('discovery names what is served, on the address it was asked at', async () => {
      for (const path of ['/discovery/v1/apis/bigquery/v2/rest', '/$discovery/rest?version=v2']) {
        const { body } = await rest.call('GET', path)
        assert.equal(body.rootUrl, `http://${harness.emulator.restAddress}/`)
        const { tables } = body.resources as Record<string, { methods: Record<string, { path: string }> }>
        assert.equal(tables!.methods.get!.path, 'projects/{+projectId}/datasets/{+datasetId}/tables/{+tableId}')
      }
    })

    it('projects, datasets by label and hidden ones are listed', async () => {
      for (const [datasetId, labels] of [
        ['_hidden', {}],
        ['labelled', { env: 'test' }],
      ] as const)
        ok(await rest.api('POST', '/datasets', { datasetReference: { datasetId }, labels }))
      const names = async (query: string): Promise<string[]> =>
        ((ok(await rest.api('GET', `/datasets${query}`)).datasets ?? []) as { id: string }[]).map(({ id }) => id)
      assert.ok(!(await names('')).includes('p:_hidden'))
      assert.ok((await names('?all=true')).includes('p:_hidden'))
      assert.deepEqual(await names('?filter=labels.env:test'), ['p:labelled'])
      assert.deepEqual(await names('?filter=labels.env:other'), [])
      assert.equal((await rest.api('GET', '/datasets?filter=name:x')).status, 400)
      const { projects } = (await rest.call('GET', '/bigquery/v2/projects')).body as { projects: { id: string }[] }
      assert.deepEqual(
        projects.map(({ id }) => id),
        ['p'],
      )
    })
  })

  describe('jobs', () => {
    const query = 'SELECT 1 AS one'
    const insert = (configuration: Message, jobReference?: Message) =>
      rest.api('POST', '/jobs', { configuration, jobReference })

    it('a job that fails is DONE with its errorResult; its results are that error', async () => {
      const job = ok(await insert({ query: { query: 'SELECT nope FROM d.nothing' } }, { jobId: 'failing' }))
      const { state, errorResult } = job.status as { state: string; errorResult: Message }
      assert.deepEqual([state, errorResult.reason], ['DONE', 'notFound'])
      assert.equal((await rest.api('GET', '/queries/failing')).status, 404)
      assert.equal(ok(await rest.api('GET', '/jobs/failing')).id, 'p:US.failing')
      assert.deepEqual(reasonOf(await insert({ query: { query } }, { jobId: 'failing' })), [409, 'duplicate'])
      assert.deepEqual(reasonOf(await insert({ query: { query: 'SELECT nope(' }, dryRun: true })), [
        400,
        'invalidQuery',
      ])
    })

    it('its result can be listed as the table it names', async () => {
      const job = ok(await insert({ query: { query } }, { jobId: 'listed', location: 'EU' }))
      const { destinationTable } = (job.configuration as { query: { destinationTable: Record<string, string> } }).query
      const path = `/datasets/${destinationTable.datasetId}/tables/${destinationTable.tableId}`
      assert.deepEqual(ok(await rest.api('GET', `${path}/data`)).rows, [{ f: [{ v: '1' }] }])
      assert.deepEqual((ok(await rest.api('GET', path)).schema as typeof SCHEMA).fields[0]!.name, 'one')
      assert.equal((await rest.api('GET', '/jobs/listed?location=US')).status, 404)
      ok(await rest.api('GET', '/jobs/listed?location=eu'))
      const jobs = ok(await rest.api('GET', '/jobs?stateFilter=done&maxResults=1')).jobs as Message[]
      assert.equal(jobs.length, 1)
      assert.equal(ok(await rest.api('POST', '/jobs/listed/cancel')).kind, 'bigquery#jobCancelResponse')
      assert.equal((await rest.api('DELETE', '/jobs/listed/delete')).status, 204)
      assert.equal((await rest.api('GET', '/jobs/listed')).status, 404)
    })

    it('a repeated requestId is the same job; a job that needs not be has none', async () => {
      const ask = async (more: Message) => ok(await rest.api('POST', '/queries', { query, ...more }))
      const first = await ask({ requestId: 'again' })
      const second = await ask({ requestId: 'again' })
      assert.deepEqual(second.jobReference, first.jobReference)
      assert.notDeepEqual((await ask({ requestId: 'other' })).jobReference, first.jobReference)
      const jobless = await ask({ jobCreationMode: 'JOB_CREATION_OPTIONAL' })
      assert.deepEqual([jobless.jobReference, typeof jobless.queryId], [undefined, 'string'])
      const paged = await ask({
        query: 'SELECT 1 AS x UNION ALL SELECT 2',
        maxResults: 1,
        jobCreationMode: 'JOB_CREATION_OPTIONAL',
      })
      assert.ok(paged.jobReference && paged.pageToken)
    })

    it('a query that takes its time is polled for, and can be cancelled', async () => {
      const numbers = 'UNNEST(GENERATE_ARRAY(1, 4000))'
      const slow = `SELECT COUNT(*) AS n FROM ${numbers} AS a CROSS JOIN ${numbers} AS b WHERE MOD(a * b, 7) = 1`
      const asked = ok(await rest.api('POST', '/queries', { query: slow, timeoutMs: 1 }))
      assert.deepEqual([asked.jobComplete, asked.rows], [false, undefined])
      const { jobId } = asked.jobReference as { jobId: string }
      assert.equal((ok(await rest.api('GET', `/jobs/${jobId}`)).status as Message).state, 'RUNNING')
      const polled = ok(await rest.api('GET', `/queries/${jobId}?timeoutMs=60000`))
      assert.deepEqual([polled.jobComplete, (polled.rows as unknown[]).length], [true, 1])

      const other = ok(await rest.api('POST', '/queries', { query: slow, timeoutMs: 1 })).jobReference as Message
      const { job } = ok(await rest.api('POST', `/jobs/${other.jobId}/cancel`))
      assert.deepEqual((job as { status: Message }).status, {
        state: 'DONE',
        errorResult: { reason: 'stopped', message: 'Job execution was cancelled: User requested cancellation' },
        errors: [{ reason: 'stopped', message: 'Job execution was cancelled: User requested cancellation' }],
      })
      assert.equal((await rest.api('GET', `/queries/${other.jobId}`)).status, 499)
    })

    it('load, extract and copy jobs, uploads and legacy SQL are refused by name', async () => {
      for (const [answer, message] of [
        [await insert({ load: {} }), /load job/],
        [await insert({ extract: {} }), /extract job/],
        [await insert({ copy: {} }), /copy job/],
        [await rest.call('POST', '/upload/bigquery/v2/projects/p/jobs?uploadType=multipart', {}), /Upload/],
        [await insert({ query: { query, useLegacySql: true } }), /Legacy SQL/],
        [await rest.api('POST', '/queries', { query: '#legacySQL\nSELECT 1' }), /Legacy SQL/],
      ] as const) {
        assert.deepEqual(reasonOf(answer), [501, 'notImplemented'])
        assert.match(errorOf(answer).message, message)
      }
    })
  })

  describe('insertAll', () => {
    it('takes all rows or none, or the good ones; repeated insertIds once', async () => {
      await createTable('streamed', {
        schema: {
          fields: [
            { name: 'id', type: 'INTEGER', mode: 'REQUIRED' },
            { name: 's', type: 'STRING', maxLength: '3' },
          ],
        },
      })
      const path = '/datasets/d/tables/streamed'
      const insert = async (rows: Message[], more: Message = {}) =>
        (ok(await rest.api('POST', `${path}/insertAll`, { rows, ...more })).insertErrors ?? []) as {
          index: number
          errors: { reason: string; message: string }[]
        }[]
      const mixed = [{ json: { id: 1 } }, { json: { id: 2, s: 'long!' } }, { json: { nope: 1, id: 3 } }]
      const reasons = (await insert(mixed)).map(({ index, errors }) => [index, errors[0]!.reason])
      assert.deepEqual(reasons, [
        [2, 'invalid'],
        [0, 'stopped'],
        [1, 'stopped'],
      ])
      assert.equal(await rest.count('streamed'), 0)
      const partial = await insert(mixed, { skipInvalidRows: true })
      assert.deepEqual(partial.map(({ index }) => index).sort(), [1, 2])
      const lenient = await insert([{ json: { id: 3, nope: 1 } }], { ignoreUnknownValues: true })
      assert.deepEqual(lenient, [])
      assert.deepEqual(await rest.query('SELECT id FROM d.streamed ORDER BY id'), [['1'], ['3']])
      await insert([{ insertId: 'a', json: { id: 4 } }])
      await insert([
        { insertId: 'a', json: { id: 4 } },
        { insertId: 'b', json: { id: 5 } },
      ])
      assert.equal(await rest.count('streamed'), 4)
      assert.equal((await insert([{ json: {} }]))[0]!.index, 0)
      assert.equal((await rest.api('POST', `${path}/insertAll`, { rows: [] })).status, 400)
    })

    it('fills a column that is left out by its default, and leaves one that is null', async () => {
      await createTable('filled', {
        schema: {
          fields: [
            { name: 'id', type: 'INTEGER' },
            { name: 's', type: 'STRING', defaultValueExpression: "'default'" },
          ],
        },
      })
      const rows = [{ id: 1 }, { id: 2, s: null }, { id: 3, s: 'given' }, { id: 4 }].map(json => ({ json }))
      ok(await rest.api('POST', '/datasets/d/tables/filled/insertAll', { rows }))
      assert.deepEqual(await rest.query('SELECT s FROM d.filled ORDER BY id'), [
        ['default'],
        [null],
        ['given'],
        ['default'],
      ])
    })

    it('inserts no row of a refused request, and each good row once, when nulls meet defaults', async () => {
      const fields = [
        { name: 'id', type: 'INTEGER' },
        { name: 's', type: 'STRING', maxLength: '3', defaultValueExpression: "'d'" },
      ]
      await createTable('mixed', { schema: { fields } })
      const rows = [{ id: 1, s: null }, { id: 2, s: 'too long' }, { id: 3 }].map(json => ({ json }))
      const insert = async (more: Message): Promise<unknown[]> => {
        const answer = ok(await rest.api('POST', '/datasets/d/tables/mixed/insertAll', { rows, ...more }))
        return (answer.insertErrors as { index: number; errors: { reason: string }[] }[])
          .toSorted((a, b) => a.index - b.index)
          .map(({ index, errors }) => [index, errors[0]!.reason])
      }
      assert.deepEqual(await insert({}), [
        [0, 'stopped'],
        [1, 'invalid'],
        [2, 'stopped'],
      ])
      assert.equal(await rest.count('mixed'), 0)
      assert.deepEqual(await insert({ skipInvalidRows: true }), [[1, 'invalid']])
      assert.deepEqual(await rest.query('SELECT id, s FROM d.mixed ORDER BY id'), [
        ['1', null],
        ['3', 'd'],
      ])
    })

    it('shows timestamps as the service does unless asked otherwise: doubles with an exponent', async () => {
      const shown: Record<string, string> = {
        '2019-06-20T08:01:37.269367Z': '1.561017697269367E9',
        '2020-01-01T00:00:00Z': '1.5778368E9',
        '1970-01-01T00:00:00Z': '0.0',
        '1970-01-01T00:00:01.5Z': '1.5',
        '1970-01-01T00:00:00.000001Z': '1.0E-6',
        '1960-01-01T00:00:00Z': '-3.156192E8',
        '2001-09-09T01:46:40Z': '1.0E9',
      }
      const columns = Object.keys(shown).map(text => `TIMESTAMP '${text}'`)
      const { rows } = ok(await rest.api('POST', '/queries', { query: `SELECT ${columns.join(', ')}` })) as {
        rows: { f: { v: string }[] }[]
      }
      assert.deepEqual(
        rows[0]!.f.map(({ v }) => v),
        Object.values(shown),
      )
    })

    it('reads every type from JSON', async () => {
      const fields = [
        ['i', 'INTEGER', '-9223372036854775808', '-9223372036854775808'],
        ['f', 'FLOAT', 'Infinity', 'Infinity'],
        ['b', 'BOOLEAN', 'true', 'true'],
        ['y', 'BYTES', 'xYI=', 'xYI='],
        ['ts', 'TIMESTAMP', 1600000000.25, '1600000000250000'],
        ['before', 'TIMESTAMP', -1.25, '-1250000'],
        ['nanos', 'TIMESTAMP', '2020-09-13T12:26:40.123456789Z', '1600000000123456'],
        ['d', 'DATE', '2020-02-29', '2020-02-29'],
        ['t', 'TIME', '01:02:03.5', '01:02:03.500000'],
        ['dt', 'DATETIME', '2020-02-29 01:02:03', '2020-02-29T01:02:03'],
        ['n', 'NUMERIC', '1.50', '1.5'],
        ['j', 'JSON', { k: [1] }, '{"k":[1]}'],
        ['r', 'RANGE', '[2020-01-01, UNBOUNDED)', '[2020-01-01, UNBOUNDED)'],
      ] as const
      await createTable('typed', {
        schema: {
          fields: fields.map(([name, type]) => ({
            name,
            type,
            ...(type === 'RANGE' && { rangeElementType: { type: 'DATE' } }),
          })),
        },
      })
      const json = Object.fromEntries(fields.map(([name, , value]) => [name, value]))
      const path = '/datasets/d/tables/typed'
      assert.equal(ok(await rest.api('POST', `${path}/insertAll`, { rows: [{ json }] })).insertErrors, undefined)
      const { rows } = ok(await rest.api('GET', `${path}/data?formatOptions.useInt64Timestamp=True`)) as {
        rows: { f: { v: string }[] }[]
      }
      assert.deepEqual(
        rows[0]!.f.map(({ v }) => v),
        fields.map(([, , , shown]) => shown),
      )
      const some = ok(await rest.api('GET', `${path}/data?selectedFields=d,i`)) as { rows: { f: { v: string }[] }[] }
      assert.deepEqual(some.rows, [{ f: [{ v: '-9223372036854775808' }, { v: '2020-02-29' }] }])
      for (const [name, value] of [
        ['i', 1.5],
        ['i', '9223372036854775808'],
        ['f', 'x'],
        ['b', 'maybe'],
        ['y', '***'],
        ['ts', 'yesterday'],
        ['ts', 1e300],
        ['d', '2021-02-29'],
        ['n', {}],
        ['r', 'all'],
        ['i', [1]],
      ] as const) {
        const answer = ok(await rest.api('POST', `${path}/insertAll`, { rows: [{ json: { [name]: value } }] }))
        assert.ok(answer.insertErrors, `${name} ${JSON.stringify(value)}`)
      }
    })
  })
})
