// REST v2: datasets, tables, data, queries, errors; and who may call.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { startEmulator } from '../src/index.ts'
import { type Answer, type Harness, Rest, startHarness } from './harness.ts'
import { type Failure, type Message, RawClient, rowsOf, writer } from './raw-client.ts'

const errorOf = (answer: Answer) =>
  answer.body.error as { code: number; message: string; status: string; errors: { reason: string }[] }

describe('REST v2', () => {
  let harness: Harness
  let rest: Rest
  before(async () => {
    harness = await startHarness()
    rest = harness.rest
  })
  after(() => harness.close())

  it('creates, shows, lists and deletes datasets', async () => {
    const created = await rest.api('POST', '/datasets', {
      datasetReference: { datasetId: 'other' },
      location: 'us-east1',
      labels: { a: 'b' },
    })
    assert.equal(created.status, 200)
    assert.equal(created.body.id, 'p:other')
    const { body } = await rest.api('GET', '/datasets/other')
    assert.deepEqual([body.location, body.labels, body.etag], ['us-east1', { a: 'b' }, created.body.etag])
    const list = (await rest.api('GET', '/datasets')).body.datasets as { datasetReference: Message }[]
    assert.deepEqual(
      list.map(dataset => dataset.datasetReference.datasetId),
      ['d', 'other'],
    )
    const again = await rest.api('POST', '/datasets', { datasetReference: { datasetId: 'other' } })
    assert.deepEqual(
      [again.status, errorOf(again).errors[0]!.reason, errorOf(again).status],
      [409, 'duplicate', 'ALREADY_EXISTS'],
    )
    await rest.api('POST', '/datasets/other/tables', {
      tableReference: { tableId: 't' },
      schema: { fields: [{ name: 'a', type: 'INTEGER' }] },
    })
    const inUse = await rest.api('DELETE', '/datasets/other')
    assert.deepEqual([inUse.status, errorOf(inUse).errors[0]!.reason], [400, 'resourceInUse'])
    assert.equal((await rest.api('DELETE', '/datasets/other?deleteContents=true')).status, 204)
    assert.equal((await rest.api('GET', '/datasets/other')).status, 404)
  })

  it('answers what is missing in Google’s shape', async () => {
    const missing = await rest.api('GET', '/datasets/d/tables/nothing')
    assert.deepEqual(missing.body, {
      error: {
        code: 404,
        message: 'Not found: Table p:d.nothing',
        errors: [{ message: 'Not found: Table p:d.nothing', domain: 'global', reason: 'notFound' }],
        status: 'NOT_FOUND',
      },
    })
    assert.equal((await rest.api('POST', '/datasets/nothing/tables', { tableReference: { tableId: 't' } })).status, 404)
    assert.equal(errorOf(await rest.api('GET', '/models')).code, 404)
  })

  it('lets one of two creators of a table win', async () => {
    const create = () =>
      rest.api('POST', '/datasets/d/tables', {
        tableReference: { tableId: 'raced' },
        schema: { fields: [{ name: 'a', type: 'STRING' }] },
      })
    const statuses = (await Promise.all([create(), create(), create()])).map(answer => answer.status)
    assert.deepEqual(statuses.sort(), [200, 409, 409])
  })

  it('keeps what tables are created with', async () => {
    const fields = [
      { name: 'n', type: 'NUMERIC', mode: 'REQUIRED', precision: '10', scale: '2' },
      { name: 's', type: 'STRUCT', mode: 'REPEATED', fields: [{ name: 'x', type: 'FLOAT64', description: 'an x' }] },
      { name: 'b', type: 'BYTES', maxLength: '5' },
    ]
    const body = {
      tableReference: { tableId: 'kept' },
      schema: { fields },
      timePartitioning: { type: 'DAY' },
      clustering: { fields: ['n'] },
      description: 'kept',
    }
    await rest.api('POST', '/datasets/d/tables', body)
    const table = (await rest.api('GET', '/datasets/d/tables/kept')).body
    assert.deepEqual(table.schema, {
      fields: [
        { name: 'n', type: 'NUMERIC', mode: 'REQUIRED', precision: '10', scale: '2' },
        {
          name: 's',
          type: 'RECORD',
          mode: 'REPEATED',
          fields: [{ name: 'x', type: 'FLOAT', mode: 'NULLABLE', description: 'an x' }],
        },
        { name: 'b', type: 'BYTES', mode: 'NULLABLE', maxLength: '5' },
      ],
    })
    assert.deepEqual(
      [table.timePartitioning, table.clustering, table.description, table.numRows],
      [{ type: 'DAY' }, { fields: ['n'] }, 'kept', '0'],
    )
    assert.ok(Math.abs(Number(table.creationTime) - Date.now()) < 60_000)
    const list = (await rest.api('GET', '/datasets/d/tables?maxResults=1')).body
    assert.equal((list.tables as unknown[]).length, 1)
    assert.ok(list.nextPageToken)
  })

  it('adds and relaxes columns, nested ones too, and refuses other changes', async () => {
    const inner = { name: 'r', type: 'RECORD', mode: 'REPEATED', fields: [{ name: 'x', type: 'STRING' }] }
    const name = await rest.createTable('evolving', [{ name: 'id', type: 'INT64', mode: 'REQUIRED' }, inner])
    const call = harness.client.append()
    await call.ask({
      writeStream: `${name}/_default`,
      protoRows: rowsOf(
        writer('optional int64 id = 1; repeated R r = 2; message R { optional string x = 1; }'),
        [{ id: 1, r: [{ x: 'old' }] }],
        true,
      ),
    })
    const patch = (fields: unknown[], headers = {}) =>
      rest.api('PATCH', '/datasets/d/tables/evolving', { schema: { fields } }, headers)
    const etag = String((await rest.api('GET', '/datasets/d/tables/evolving')).body.etag)
    const wider = [
      { name: 'id', type: 'INT64' },
      { ...inner, fields: [...inner.fields, { name: 'y', type: 'INT64' }] },
      { name: 'added', type: 'BOOL' },
    ]
    assert.equal((await patch(wider, { 'if-match': etag })).status, 200)
    assert.equal((await patch(wider, { 'if-match': etag })).status, 412)
    assert.deepEqual(await rest.query('SELECT * FROM p.d.evolving'), [
      ['1', [{ v: { f: [{ v: 'old' }, { v: null }] } }], null],
    ])
    for (const [fields, message] of [
      [[{ name: 'id', type: 'INT64' }], /Field r is missing in new schema/],
      [[{ ...wider[0], type: 'STRING' }, wider[1], wider[2]], /changed type/],
      [[...wider, { name: 'more', type: 'STRING', mode: 'REQUIRED' }], /Cannot add required fields/],
      [[{ ...wider[0], mode: 'REQUIRED' }, wider[1], wider[2]], /changed mode/],
    ] as const) {
      const refused = await patch([...fields])
      assert.equal(refused.status, 400)
      assert.match(errorOf(refused).message, message)
    }
  })

  it('refuses by name what it does not have', async () => {
    const create = (schema: unknown, more = {}) =>
      rest.api('POST', '/datasets/d/tables', { tableReference: { tableId: 'x' }, schema, ...more })
    for (const [answer, message] of [
      [await create({ fields: [{ name: 'g', type: 'FOREIGN' }] }), /type FOREIGN is not supported/],
      [
        await create({
          fields: [
            { name: 'a', type: 'INT64' },
            { name: 'A', type: 'INT64' },
          ],
        }),
        /Duplicate field name A/,
      ],
      [await create(undefined, { view: { query: 'SELECT 1' } }), /view is not supported/],
    ] as const) {
      assert.ok(answer.status >= 400 && answer.status <= 501)
      assert.match(errorOf(answer).message, message)
    }
  })

  it('lists table data in the order it was appended, by pages', async () => {
    const name = await rest.createTable('listed', [
      { name: 'id', type: 'INT64' },
      { name: 'at', type: 'TIMESTAMP' },
    ])
    const call = harness.client.append()
    const values = Array.from({ length: 5 }, (_, i) => ({ id: i, at: String(1_600_000_000_000_000 + i) }))
    await call.ask({
      writeStream: `${name}/_default`,
      protoRows: rowsOf(writer('optional int64 id = 1; optional int64 at = 2;'), values, true),
    })
    const seen: string[] = []
    let token = ''
    do {
      const { body } = await rest.api(
        'GET',
        `/datasets/d/tables/listed/data?maxResults=2${token && `&pageToken=${token}`}`,
      )
      assert.equal(body.totalRows, '5')
      for (const row of body.rows as { f: { v: string }[] }[]) seen.push(row.f.map(cell => cell.v).join('@'))
      token = String(body.pageToken ?? '')
    } while (token !== '')
    assert.deepEqual(
      seen,
      [0, 1, 2, 3, 4].map(i => `${i}@${i === 0 ? '1.6' : `1.60000000000000${i}`}E9`),
    )
  })

  it('pages through query results', async () => {
    const first = await rest.api('POST', '/queries', {
      query: 'SELECT x FROM UNNEST(GENERATE_ARRAY(1, 5)) AS x',
      maxResults: 2,
    })
    assert.deepEqual([(first.body.rows as unknown[]).length, first.body.totalRows, first.body.pageToken], [2, '5', '2'])
    const job = (first.body.jobReference as Message).jobId
    const second = await rest.api('GET', `/queries/${job}?pageToken=2`)
    assert.deepEqual(
      second.body.rows,
      [3, 4, 5].map(x => ({ f: [{ v: String(x) }] })),
    )
    assert.equal((await rest.api('GET', '/queries/nobody')).status, 404)
  })

  describe('SQL', () => {
    before(async () => {
      const name = await rest.createTable('orders', [
        { name: 'id', type: 'INT64' },
        { name: 'city', type: 'STRING' },
        { name: 'price', type: 'NUMERIC' },
        { name: 'placed', type: 'TIMESTAMP' },
      ])
      const values = [
        { id: 1, city: 'Łódź', price: '1.10', placed: '1600000000000000' },
        { id: 2, city: 'Rome', price: '2.20', placed: '1600086400000000' },
        { id: 3, city: 'Rome', price: '3.30', placed: '1600090000000000' },
      ]
      const call = harness.client.append()
      await call.ask({
        writeStream: `${name}/_default`,
        protoRows: rowsOf(
          writer(
            'optional int64 id = 1; optional string city = 2; optional string price = 3; optional int64 placed = 4;',
          ),
          values,
          true,
        ),
      })
    })

    const cases: [sql: string, rows: unknown[][]][] = [
      ['SELECT COUNT(*), SUM(id), SUM(price), COUNT(DISTINCT city) FROM `p.d.orders`', [['3', '6', '6.6', '2']]],
      ['SELECT o.id FROM `p`.`d`.`orders` AS o WHERE o.city = "Rome" ORDER BY o.id DESC; ', [['3'], ['2']]],
      ["SELECT city, COUNT(*) AS n FROM d.orders GROUP BY city HAVING n > 1 -- comment ' here", [['Rome', '2']]],
      ["SELECT orders.id FROM p.d.orders WHERE CAST(id AS STRING) = '2' # the other comment", [['2']]],
      ['WITH big AS (SELECT * FROM p.d.orders WHERE price > 2) SELECT COUNTIF(city = "Rome") FROM big', [['2']]],
      [
        'SELECT a.id, b.id AS other FROM p.d.orders a JOIN `p.d.orders` b ON a.id = b.id + 1 ORDER BY 1',
        [
          ['2', '1'],
          ['3', '2'],
        ],
      ],
      ['SELECT (SELECT MAX(id) FROM p.d.orders), EXTRACT(YEAR FROM placed) FROM p.d.orders LIMIT 1', [['3', '2020']]],
      ['SELECT * EXCEPT (city, placed) FROM p.d.orders WHERE id = 1', [['1', '1.1']]],
      [
        "SELECT UNIX_MICROS(placed), DATE(placed), TIMESTAMP_DIFF(placed, TIMESTAMP '2020-09-13 12:26:40', HOUR) FROM p.d.orders WHERE id = 3",
        [['1600090000000000', '2020-09-14', '25']],
      ],
      [
        'SELECT DIV(7, 2), MOD(7, 2), SAFE_CAST("x" AS INT64), IF(TRUE, 1, 2), IFNULL(NULL, 5)',
        [['3', '1', null, '1', '5']],
      ],
      [
        String.raw`SELECT 'it''s', "a \"quote\"", r'\d', '''tri'ple''', 'tab\x41'`.replace("'it''s'", '"it\'s"'),
        [["it's", 'a "quote"', '\\d', "tri'ple", 'tabA']],
      ],
      ['SELECT check.id AS only FROM p.d.orders AS check WHERE check.id = 1', [['1']]],
      ['SELECT id FROM p.d.orders WHERE city IS DISTINCT FROM "Rome"', [['1']]],
      [
        'SELECT APPROX_COUNT_DISTINCT(city) > 0, STRING_AGG(city, "+" ORDER BY id) FROM p.d.orders',
        [['true', 'Łódź+Rome+Rome']],
      ],
    ]
    for (const [sql, expected] of cases) it(sql, async () => assert.deepEqual(await rest.query(sql), expected))

    const refused: [sql: string, status: number, message: RegExp][] = [
      ['SELECT * FROM p.d.nothing', 404, /Not found: Table p:d\.nothing was not found/],
      ['SELECT * FROM orders', 400, /must be qualified with a dataset/],
      ['SELECT FARM_FINGERPRINT(city) FROM p.d.orders', 400, /FARM_FINGERPRINT is not translated/],
      ["SELECT * FROM read_csv('/etc/passwd')", 400, /read_csv is not translated/],
      ["SELECT * FROM '/tmp/x.csv'", 400, /Unexpected "\/tmp\/x\.csv"/],
      ['SELECT 1; SELECT 2', 400, /More than one statement/],
      ['SELECT @p', 400, /Query parameter 'p' not found/],
      ['SELECT * FROM d.INFORMATION_SCHEMA.PARTITIONS', 400, /INFORMATION_SCHEMA/],
      ['SELECT nope FROM p.d.orders', 400, /nope/],
      ['SELECT "open', 400, /Unclosed string literal/],
      ['', 400, /Required parameter is missing: query/],
    ]
    for (const [sql, status, message] of refused)
      it(`refuses ${sql || 'an empty statement'}`, async () => {
        const answer = await rest.api('POST', '/queries', { query: sql })
        assert.equal(answer.status, status, JSON.stringify(answer.body))
        assert.match(errorOf(answer).message, message)
      })

    it('takes a default dataset', async () => {
      const { body } = await rest.api('POST', '/queries', {
        query: 'SELECT COUNT(*) AS n FROM orders',
        defaultDataset: { datasetId: 'd' },
      })
      assert.deepEqual(body.rows, [{ f: [{ v: '3' }] }])
    })
  })
})

describe('null storage', () => {
  it('checks offsets and descriptors, counts rows and keeps none', async () => {
    const { client, rest, close } = await startHarness({ storage: 'null' })
    const name = await rest.createTable('t', [{ name: 'id', type: 'INT64' }])
    const stream = await client.createStream(name)
    const schema = writer('optional int64 id = 1;')
    const call = client.append()
    const append = (offset: number, ids: number[]) =>
      call.ask({
        writeStream: stream,
        offset: { value: String(offset) },
        protoRows: rowsOf(
          schema,
          ids.map(id => ({ id })),
          true,
        ),
      })
    assert.ok((await append(0, [1, 2, 3])).appendResult)
    assert.equal(((await append(0, [1])).error as { code: number }).code, 6)
    assert.equal((await rest.api('GET', '/datasets/d/tables/t')).body.numRows, '3')
    assert.equal((await rest.api('POST', '/queries', { query: 'SELECT 1' })).status, 400)
    const extra = client.append()
    extra.send({ writeStream: stream, protoRows: rowsOf(writer('optional int64 nope = 1;'), [{}], true) })
    assert.equal((await extra.ended)?.storage?.code, 'SCHEMA_MISMATCH_EXTRA_FIELDS')
    await close()
  })
})

describe('access', () => {
  const folder = mkdtempSync(join(tmpdir(), 'access-'))
  after(() => rmSync(folder, { recursive: true }))
  const failure = (promise: Promise<unknown>): Promise<Failure> =>
    promise.then(
      () => assert.fail('was allowed'),
      (caught: Failure) => caught,
    )

  it('follows a token file as it changes: unknown, good, expired, forbidden', async () => {
    const tokenFile = join(folder, 'tokens.json')
    writeFileSync(tokenFile, JSON.stringify({ good: 'ok', old: 'expired', poor: 'forbidden' }))
    await using emulator = await startEmulator({ grpcPort: 0, restPort: 0, project: 'p', dataset: 'd', tokenFile })
    const grpcCode = async (token?: string): Promise<number> => {
      const client = new RawClient(emulator.grpcAddress, token ? { token } : {})
      const { code } = await failure(
        client.unary('GetWriteStream', { name: 'projects/p/datasets/d/tables/none/_default' }),
      )
      const call = client.append()
      call.call.end()
      const ended = await call.ended
      client.close()
      // An allowed caller fails for what he asks: a missing table (7), a call without a request (3).
      assert.ok(ended!.code === code || (code === 7 && ended!.code === 3), `${code} and ${ended!.code}`)
      return ended!.code
    }
    const restStatus = async (token?: string): Promise<number> =>
      (await new Rest(emulator.restAddress, token ? { authorization: `Bearer ${token}` } : {}).api('GET', '/datasets'))
        .status
    for (const [token, code, status] of [
      [undefined, 16, 401],
      ['unknown', 16, 401],
      ['old', 16, 401],
      ['poor', 7, 403],
      ['good', 3, 200],
    ] as const)
      assert.deepEqual([token, await grpcCode(token), await restStatus(token)], [token, code, status])
    writeFileSync(tokenFile, JSON.stringify({ good: 'expired', fresh: 'ok' }))
    assert.deepEqual([await restStatus('good'), await restStatus('fresh')], [401, 200])
  })

  it('serves both ports over TLS and checks one required token', async () => {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
        '-keyout',
        key,
        '-out',
        cert,
        ...subject,
      ],
      { stdio: 'ignore' },
    )
    await using emulator = await startEmulator({
      grpcPort: 0,
      restPort: 0,
      tlsCert: cert,
      tlsKey: key,
      requireToken: 'secret',
    })
    const channel = credentials.createSsl(readFileSync(cert))
    const codes: number[] = []
    for (const token of ['secret', 'wrong']) {
      const client = new RawClient(emulator.grpcAddress, { channel, token })
      codes.push((await failure(client.unary('GetWriteStream', { name: 'nonsense' }))).code)
      client.close()
    }
    assert.deepEqual(codes, [3, 16])
    const status = await new Promise<number | undefined>((resolve, reject) =>
      httpsRequest(
        {
          host: '127.0.0.1',
          port: emulator.restPort,
          path: '/bigquery/v2/projects/p/datasets',
          ca: readFileSync(cert),
          headers: { authorization: 'Bearer secret' },
        },
        response => resolve(response.resume().statusCode),
      )
        .on('error', reject)
        .end(),
    )
    assert.equal(status, 200)
  })
})
