// Whole statements: queries over tables, query parameters, DML and DDL.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Harness, startHarness } from './harness.ts'
import type { Message } from './raw-client.ts'

describe('SQL statements', () => {
  let harness: Harness
  const run = async (query: string, more: Message = {}): Promise<Message> => {
    const { status, body } = await harness.rest.api('POST', '/queries', {
      query,
      formatOptions: { useInt64Timestamp: true },
      ...more,
    })
    assert.equal(status, 200, `${query}: ${JSON.stringify(body)}`)
    return body
  }
  const rows = (query: string): Promise<unknown[][]> => harness.rest.query(query)
  const refusal = async (query: string): Promise<string> => {
    const { status, body } = await harness.rest.api('POST', '/queries', { query })
    assert.ok(status >= 400, query)
    return (body.error as { message: string }).message
  }

  before(async () => {
    harness = await startHarness()
    await run(`CREATE TABLE d.orders (
      id INT64 NOT NULL, city STRING DEFAULT 'Oslo', price NUMERIC, big BIGNUMERIC, tags ARRAY<STRING>,
      items ARRAY<STRUCT<sku STRING, n INT64>>, placed TIMESTAMP, j JSON, valid RANGE<DATE>
    ) PARTITION BY DATE(placed) CLUSTER BY city`)
    await run(`INSERT INTO d.orders VALUES
      (1, 'Rome', 1.5, BIGNUMERIC '1.50', ['a', 'b'], [('s1', 1), ('s2', 2)], TIMESTAMP '2020-01-01', JSON '{"k": 1}', RANGE<DATE> '[2020-01-01, UNBOUNDED)'),
      (2, 'Rome', 2.5, BIGNUMERIC '123456789012345678901234567890123456789.5', [], NULL, TIMESTAMP '2020-01-02', NULL, NULL),
      (3, DEFAULT, NULL, NULL, ['c'], [], NULL, JSON '5', NULL)`)
  })
  after(() => harness.close())

  const list = (...items: unknown[]): unknown => items.map(v => ({ v }))
  const record = (...items: unknown[]): unknown => ({ f: items.map(v => ({ v })) })
  const cases: [sql: string, rows: unknown[][]][] = [
    ['SELECT city, COUNT(*) AS n, SUM(id) FROM d.orders GROUP BY city HAVING n > 1', [['Rome', '2', '3']]],
    ['SELECT id FROM d.orders ORDER BY price', [['3'], ['1'], ['2']]],
    ['SELECT id FROM d.orders ORDER BY price DESC', [['2'], ['1'], ['3']]],
    ['SELECT id FROM d.orders ORDER BY price NULLS LAST LIMIT 1 OFFSET 1', [['2']]],
    ['SELECT AVG(price), SUM(price), MAX(price) FROM d.orders', [['2', '4', '2.5']]],
    [
      'SELECT id, tag FROM d.orders, UNNEST(tags) AS tag ORDER BY id, tag',
      [
        ['1', 'a'],
        ['1', 'b'],
        ['3', 'c'],
      ],
    ],
    ['SELECT id, tag, o FROM d.orders, UNNEST(tags) AS tag WITH OFFSET AS o WHERE o > 0', [['1', 'b', '1']]],
    ['SELECT id, tag FROM d.orders LEFT JOIN UNNEST(tags) AS tag WHERE id = 2', [['2', null]]],
    ['SELECT o.id, i.sku, n FROM d.orders o, o.items i WHERE i.n > 1', [['1', 's2', '2']]],
    [
      'SELECT id, (SELECT SUM(n) FROM UNNEST(items)) FROM d.orders ORDER BY id',
      [
        ['1', '3'],
        ['2', null],
        ['3', null],
      ],
    ],
    [
      'SELECT ARRAY(SELECT AS STRUCT sku, n FROM UNNEST(items) ORDER BY n DESC) FROM d.orders WHERE id = 1',
      [[list(record('s2', '2'), record('s1', '1'))]],
    ],
    [
      'SELECT ARRAY_AGG(city ORDER BY id DESC LIMIT 2), STRING_AGG(city, "+" ORDER BY id) FROM d.orders',
      [[list('Oslo', 'Rome'), 'Rome+Rome+Oslo']],
    ],
    ['SELECT ARRAY_AGG(price IGNORE NULLS ORDER BY id) FROM d.orders', [[list('1.5', '2.5')]]],
    [
      'SELECT COUNTIF(price IS NULL), LOGICAL_OR(id = 3), ANY_VALUE(city HAVING MAX id), COUNT(DISTINCT city) FROM d.orders',
      [['1', 'true', 'Oslo', '2']],
    ],
    [
      'SELECT id FROM d.orders QUALIFY ROW_NUMBER() OVER (PARTITION BY city ORDER BY id DESC) = 1 ORDER BY id',
      [['2'], ['3']],
    ],
    [
      'SELECT id, LAG(id) OVER w, SUM(id) OVER (w ROWS UNBOUNDED PRECEDING) FROM d.orders WINDOW w AS (ORDER BY id) ORDER BY id',
      [
        ['1', null, '1'],
        ['2', '1', '3'],
        ['3', '2', '6'],
      ],
    ],
    [
      'SELECT id, FIRST_VALUE(price IGNORE NULLS) OVER (ORDER BY id DESC) FROM d.orders ORDER BY id',
      [
        ['1', '2.5'],
        ['2', '2.5'],
        ['3', null],
      ],
    ],
    [
      'SELECT * EXCEPT (items, placed, j, valid, tags, big) REPLACE (id * 10 AS id) FROM d.orders WHERE id = 1',
      [['10', 'Rome', '1.5']],
    ],
    [
      'SELECT big FROM d.orders WHERE big IS NOT NULL ORDER BY id',
      [['1.5'], ['123456789012345678901234567890123456789.5']],
    ],
    ['SELECT valid, j.k, JSON_VALUE(j, "$.k") FROM d.orders WHERE id = 1', [['[2020-01-01, UNBOUNDED)', '1', '1']]],
    [
      'WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT * FROM a UNION ALL SELECT * FROM b ORDER BY x',
      [['1'], ['2']],
    ],
    ['WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT SUM(n) FROM r', [['6']]],
    ['SELECT 1 AS a UNION DISTINCT SELECT 1', [['1']]],
    ['SELECT city FROM d.orders EXCEPT DISTINCT SELECT "Rome"', [['Oslo']]],
    ['SELECT city FROM d.orders INTERSECT DISTINCT SELECT "Rome"', [['Rome']]],
    ['SELECT a.id, b.id AS other FROM d.orders a JOIN d.orders b USING (city) WHERE a.id < b.id', [['1', '2']]],
    ['SELECT COUNT(*) FROM d.orders a FULL OUTER JOIN (SELECT 9 AS id) b ON a.id = b.id', [['4']]],
    [
      'SELECT CASE WHEN id > 1 THEN "many" ELSE "one" END AS c, COUNT(*) FROM d.orders GROUP BY c ORDER BY c',
      [
        ['many', '2'],
        ['one', '1'],
      ],
    ],
    [
      'SELECT EXTRACT(YEAR FROM placed), COUNT(*) FROM d.orders GROUP BY EXTRACT(YEAR FROM placed) ORDER BY 1',
      [
        [null, '1'],
        ['2020', '2'],
      ],
    ],
    ['SELECT ID, CITY FROM d.orders AS T WHERE t.Id = 1 # comment\n-- another\n/* and */;', [['1', 'Rome']]],
    ['SELECT id FROM `p`.d.`orders` WHERE id IN (SELECT MAX(id) FROM `p.d.orders`)', [['3']]],
    [
      'SELECT column_name, data_type FROM d.INFORMATION_SCHEMA.COLUMNS WHERE table_name = "orders" AND ordinal_position IN (1, 9) ORDER BY 1',
      [
        ['id', 'INT64'],
        ['valid', 'RANGE<DATE>'],
      ],
    ],
    ['SELECT total_rows FROM d.INFORMATION_SCHEMA.TABLE_STORAGE WHERE table_name = "orders"', [['3']]],
    ['SELECT 1 AS x FROM d.orders LIMIT 0', []],
  ]
  for (const [sql, expected] of cases) it(sql, async () => assert.deepEqual(await rows(sql), expected))

  it('gives columns the types of BigQuery, also those DuckDB has not', async () => {
    const { schema } = await run('SELECT big, valid, tags, j, INTERVAL 1 DAY, NULL, id / 2 FROM d.orders LIMIT 0')
    const fields = (schema as { fields: { name: string; type: string; mode: string }[] }).fields
    assert.deepEqual(
      fields.map(({ name, type, mode }) => `${name} ${type} ${mode}`),
      [
        'big BIGNUMERIC NULLABLE',
        'valid RANGE NULLABLE',
        'tags STRING REPEATED',
        'j JSON NULLABLE',
        'f0_ INTERVAL NULLABLE',
        'f1_ INTEGER NULLABLE',
        'f2_ FLOAT NULLABLE',
      ],
    )
  })

  it('takes named and positional parameters of every shape', async () => {
    const named = (name: string, type: Message, value: Message): Message => ({
      name,
      parameterType: type,
      parameterValue: value,
    })
    const { rows: found } = await run('SELECT @n + 1, @s, @a[OFFSET(1)], @t, @r.x, @none IS NULL, @b, @d', {
      parameterMode: 'NAMED',
      queryParameters: [
        named('n', { type: 'INT64' }, { value: '41' }),
        named('s', { type: 'STRING' }, { value: "it's" }),
        named('a', { type: 'ARRAY', arrayType: { type: 'INT64' } }, { arrayValues: [{ value: '1' }, { value: '2' }] }),
        named('t', { type: 'TIMESTAMP' }, { value: '2020-01-01 00:00:00+00:00' }),
        named(
          'r',
          { type: 'STRUCT', structTypes: [{ name: 'x', type: { type: 'DATE' } }] },
          { structValues: { x: { value: '2020-01-02' } } },
        ),
        named('none', { type: 'STRING' }, {}),
        named('b', { type: 'BYTES' }, { value: 'YWI=' }),
        named('d', { type: 'NUMERIC' }, { value: '1.50' }),
      ],
    })
    assert.deepEqual(found, [record('42', "it's", '2', '1577836800000000', '2020-01-02', 'true', 'YWI=', '1.5')])
    const positional = await run('SELECT id FROM d.orders WHERE id = ? AND city = ? LIMIT ?', {
      parameterMode: 'POSITIONAL',
      queryParameters: ['1', 'Rome', '5'].map((value, index) => ({
        parameterType: { type: index === 1 ? 'STRING' : 'INT64' },
        parameterValue: { value },
      })),
    })
    assert.deepEqual(positional.rows, [record('1')])
  })

  it('inserts, updates, deletes, merges and truncates, and tells how many rows', async () => {
    const affected = async (sql: string): Promise<string> => String((await run(sql)).numDmlAffectedRows)
    await run(
      'CREATE OR REPLACE TABLE d.target (id INT64 NOT NULL, name STRING, big BIGNUMERIC, at_time TIMESTAMP DEFAULT TIMESTAMP "2020-01-01")',
    )
    assert.equal(await affected('INSERT d.target (id, name) VALUES (1, "one"), (2, "two")'), '2')
    assert.equal(await affected('INSERT INTO d.target (id, name, big) SELECT id + 10, city, big FROM d.orders'), '3')
    assert.equal(await affected('UPDATE d.target SET name = UPPER(name), big = 7 WHERE id < 10'), '2')
    assert.equal(
      await affected('UPDATE d.target t SET name = o.city FROM d.orders o WHERE t.id = o.id + 10 AND o.id = 3'),
      '1',
    )
    assert.equal(await affected('DELETE FROM d.target WHERE id = 12'), '1')
    assert.deepEqual(await rows('SELECT * FROM d.target ORDER BY id'), [
      ['1', 'ONE', '7', '1577836800000000'],
      ['2', 'TWO', '7', '1577836800000000'],
      ['11', 'Rome', '1.5', '1577836800000000'],
      ['13', 'Oslo', null, '1577836800000000'],
    ])
    assert.equal(
      await affected(`MERGE d.target t USING (SELECT 1 AS id, 'new' AS name UNION ALL SELECT 99, 'added') s ON t.id = s.id
        WHEN MATCHED THEN UPDATE SET name = s.name
        WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)
        WHEN NOT MATCHED BY SOURCE AND t.id > 10 THEN DELETE`),
      '4',
    )
    assert.deepEqual(await rows('SELECT id, name FROM d.target ORDER BY id'), [
      ['1', 'new'],
      ['2', 'TWO'],
      ['99', 'added'],
    ])
    await run('TRUNCATE TABLE d.target')
    assert.deepEqual(await rows('SELECT COUNT(*) FROM d.target'), [['0']])
    for (const [sql, message] of [
      ['INSERT d.target (name) VALUES ("x")', /Required field id cannot be null/],
      ['INSERT d.target (id) VALUES (NULL)', /Required field id cannot be null/],
      ['INSERT d.target (id, name) VALUES (1)', /wrong column count/],
      ['INSERT d.target (id) VALUES ("x")', /cannot be inserted into column id/],
      ['UPDATE d.target SET name = "x"', /UPDATE must have a WHERE clause/],
      ['DELETE FROM d.target', /DELETE must have a WHERE clause/],
      ['UPDATE d.target SET nope = 1 WHERE TRUE', /Column nope is not present/],
    ] as const)
      assert.match(await refusal(sql), message)
  })

  it('creates tables, from queries too, and drops them', async () => {
    await run('CREATE TABLE d.copy AS SELECT id, big, valid, tags FROM d.orders')
    assert.deepEqual(await rows('SELECT COUNT(*), COUNT(big) FROM d.copy'), [['3', '2']])
    assert.match(await refusal('CREATE TABLE d.copy (x INT64)'), /Already Exists/)
    await run('CREATE TABLE IF NOT EXISTS d.copy (x INT64)')
    await run('CREATE OR REPLACE TABLE d.copy (x INT64)')
    assert.deepEqual(await rows('SELECT * FROM d.copy'), [])
    await run('DROP TABLE d.copy')
    await run('DROP TABLE IF EXISTS d.copy')
    assert.match(await refusal('DROP TABLE d.copy'), /Not found: Table p:d\.copy/)
    assert.match(await refusal('CREATE TABLE d.failed AS SELECT 1 / 0 AS x'), /division by zero/)
    assert.match(await refusal('SELECT * FROM d.failed'), /Not found/)
  })

  it('replaces a table by a query that reads it, and keeps it when the query fails', async () => {
    await run('CREATE TABLE d.replaced AS SELECT 1 AS a UNION ALL SELECT 2')
    const table = 'projects/p/datasets/d/tables/replaced'
    const stream = await harness.client.createStream(table, 'PENDING')
    assert.match(await refusal('CREATE OR REPLACE TABLE d.replaced AS SELECT a / 0 AS a FROM d.replaced'), /by zero/)
    assert.deepEqual(await rows('SELECT a FROM d.replaced ORDER BY a'), [['1'], ['2']])
    assert.equal((await harness.client.unary('FinalizeWriteStream', { name: stream })).rowCount ?? '0', '0')

    await run('CREATE OR REPLACE TABLE d.replaced AS SELECT a + 10 AS a, "new" AS b FROM d.replaced')
    assert.deepEqual(await rows('SELECT a, b FROM d.replaced ORDER BY a'), [
      ['11', 'new'],
      ['12', 'new'],
    ])
    await assert.rejects(harness.client.unary('GetWriteStream', { name: stream }), { code: 5 })
    await run('INSERT d.replaced VALUES (13, "more")')
    await run('DROP TABLE d.replaced')
    await run('CREATE TABLE d.replaced (x STRING)')
    assert.deepEqual(await rows('SELECT x FROM d.replaced'), [])
  })

  it('keeps a table whose replacement is one update too many', async () => {
    for (let update = 0; update < 5; update++) await run(`CREATE OR REPLACE TABLE d.busy AS SELECT ${update} AS n`)
    assert.match(await refusal('CREATE OR REPLACE TABLE d.busy AS SELECT 5 AS n'), /Exceeded rate limits/)
    const destinationTable = { projectId: 'p', datasetId: 'd', tableId: 'busy' }
    const query = { query: 'SELECT 6 AS n', destinationTable, writeDisposition: 'WRITE_TRUNCATE' }
    const { body } = await harness.rest.api('POST', '/jobs', { configuration: { query } })
    const { jobId } = body.jobReference as { jobId: string }
    const { status } = await harness.rest.api('GET', `/queries/${jobId}`)
    assert.equal(status, 403)
    assert.deepEqual(await rows('SELECT n FROM d.busy'), [['4']])
  })

  const refused: [sql: string, message: RegExp][] = [
    ['SELECT _PARTITIONTIME FROM d.orders', /pseudo column _PARTITIONTIME is not translated/],
    ['SELECT id FROM d.orders FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()', /FOR SYSTEM_TIME AS OF is not translated/],
    ['SELECT * FROM d.orders TABLESAMPLE SYSTEM (1 PERCENT)', /TABLESAMPLE is not translated/],
    ['SELECT * FROM `d.orders_*`', /wildcard table orders_\* is not translated/],
    ['SELECT id, id FROM d.orders', /Duplicate column names in the result/],
    ['SELECT rowid FROM d.orders', /Unrecognized name: rowid/],
    ['SELECT id AS x, x + 1 FROM d.orders', /Unrecognized name: x at \[1:17\]/],
    ['SELECT a.id FROM d.orders a, d.orders a', /Duplicate table alias a/],
    ['SELECT id FROM d.orders a, d.orders b', /Column name id is ambiguous/],
    ['SELECT * FROM emulator_meta.catalog', /Not found: Table p:emulator_meta\.catalog/],
    ['SELECT * FROM duckdb_settings()', /Table function duckdb_settings is not translated/],
    ['SELECT * FROM d.orders |> WHERE TRUE', /Pipe syntax is not translated/],
    ['SELECT 1 UNION ALL SELECT 1, 2', /mismatched column count/],
    ['SELECT 1 UNION ALL SELECT "a"', /incompatible types: INT64, STRING/],
    ['COPY d.orders TO "x"', /The statement COPY is not translated/],
    ['PRAGMA version', /The statement PRAGMA is not translated/],
    ['SET x = 1', /The statement SET is not translated/],
    ['ALTER TABLE d.orders ADD COLUMN x INT64', /The statement ALTER is not translated/],
    ['SELECT big FROM d.orders ORDER BY big', /ORDER BY on BIGNUMERIC/],
  ]
  for (const [sql, message] of refused) it(`refuses ${sql}`, async () => assert.match(await refusal(sql), message))
})
