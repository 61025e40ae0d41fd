// What becomes of a record, by its value: every column type from plain JSON, tables made of JSON with schema, and what is bad,
// null or filtered. Each test reads table and dead letter queue as their users do.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Message } from 'kafkajs'
import {
  connectorConfig,
  DLQ,
  type Field,
  PROJECT,
  plainRecord,
  range,
  Stage,
  sqlName,
  textOf,
} from './support/stage.ts'

const SHORT: readonly Field[] = [
  { name: 'id', type: 'INT64' },
  { name: 'text', type: 'STRING', maxLength: '8' },
]
const tooLong = (id: number, partition: number): Message => ({
  key: `k${id}`,
  value: JSON.stringify({ id, text: `${textOf(id)} and more than fits` }),
  headers: { origin: 'test' },
  partition,
})
const notJson = (partition: number): Message => ({ key: 'odd', value: '{"id": 1,', partition })

describe('values', { concurrency: true }, () => {
  let stage: Stage
  before(async () => {
    stage = await Stage.open()
    await stage.startWorker()
  })
  after(() => stage[Symbol.asyncDispose]())

  async function connect(
    name: string,
    partitions: number,
    fields?: readonly Field[],
    over: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await stage.createTopic(name, partitions)
    if (fields !== undefined) await stage.createTable(name, fields)
    await stage.createConnector(name, connectorConfig(name, over))
    await stage.untilRunning(name, partitions)
  }
  const sum = async (name: string, key: 'dead_letters_total' | 'dropped_total'): Promise<number> =>
    (await stage.partitions(name)).reduce((total, p) => total + p[key], 0)
  const untilAtEnd = (name: string): Promise<true> =>
    stage.until(`${name} is settled to its end`, async () => {
      const ends = await stage.endOffsets(name)
      return (await stage.partitions(name)).every(p => BigInt(p.next_offset ?? 0) === ends.get(p.partition))
        ? true
        : null
    })

  it('plain JSON fills every column type exactly', async () => {
    const name = stage.unique('types')
    const fields: Field[] = [
      { name: 'id', type: 'INT64', mode: 'REQUIRED' },
      { name: 'bool', type: 'BOOL' },
      { name: 'int64', type: 'INT64' },
      { name: 'float64', type: 'FLOAT64' },
      { name: 'numeric', type: 'NUMERIC' },
      { name: 'bignumeric', type: 'BIGNUMERIC' },
      { name: 'string', type: 'STRING' },
      { name: 'bytes', type: 'BYTES' },
      { name: 'date', type: 'DATE' },
      { name: 'time', type: 'TIME' },
      { name: 'datetime', type: 'DATETIME' },
      { name: 'timestamp', type: 'TIMESTAMP' },
      { name: 'json', type: 'JSON' },
      { name: 'ints', type: 'INT64', mode: 'REPEATED' },
      {
        name: 'nested',
        type: 'STRUCT',
        fields: [
          { name: 'a', type: 'STRING' },
          { name: 'list', type: 'STRUCT', mode: 'REPEATED', fields: [{ name: 'n', type: 'NUMERIC' }] },
        ],
      },
    ]
    await connect(name, 1, fields)
    const values = [
      `{"id":1,"bool":true,"int64":9223372036854775807,"float64":1.50025e3,"numeric":"99999999999999999999999999999.999999999",
        "bignumeric":"578960446186580977117854925043439539266.34992332820282019728792003956564819967",
        "string":"Grüße, \\ud83d\\ude00","bytes":"AP8Q","date":"0001-01-01","time":"23:59:59.999999",
        "datetime":"9999-12-31T23:59:59.999999","timestamp":"2026-02-28T23:59:59.123456+01:00","json":{"k":[1,2.50,null]},
        "ints":[9007199254740993,-9007199254740993],"nested":{"a":"x","list":[{"n":1.25},{"n":"-0.000000001"}]}}`,
      `{"id":2,"bool":"false","int64":"-9223372036854775808","float64":-0.1,"numeric":-12.5,"bignumeric":0,"string":7,"bytes":"",
        "date":"2024-02-29","time":"00:00:00","datetime":"2024-02-29 12:30:00","timestamp":1700000000123456,"json":"\\"text\\"",
        "ints":[],"nested":{}}`,
      '{"id":3}',
      '{"id":4,"bool":null,"int64":null,"ints":null,"nested":null,"json":null}',
    ]
    await stage.produce(
      name,
      values.map(value => ({ value, partition: 0 })),
    )
    await stage.untilRows(name, values.length)
    const rows = await stage.sql(
      `SELECT id, bool, int64, float64, numeric, bignumeric, string, bytes, date, time, datetime,
        UNIX_MICROS(timestamp), TO_JSON_STRING(json), ints, nested FROM ${sqlName(name)} ORDER BY id`,
    )
    const cell = (...list: unknown[]) => list.map(v => ({ v }))
    const struct = (...list: unknown[]) => ({ f: cell(...list) })
    // TO_JSON_STRING(NULL) is the text null.
    const empty = [...Array.from({ length: 11 }, () => null), 'null', [], null]
    assert.deepEqual(rows, [
      [
        '1',
        'true',
        '9223372036854775807',
        '1500.25',
        '99999999999999999999999999999.999999999',
        '578960446186580977117854925043439539266.34992332820282019728792003956564819967',
        'Grüße, 😀',
        'AP8Q',
        '0001-01-01',
        '23:59:59.999999',
        '9999-12-31T23:59:59.999999',
        String(Date.parse('2026-02-28T22:59:59.123Z') * 1000 + 456),
        '{"k":[1,2.5,null]}',
        cell('9007199254740993', '-9007199254740993'),
        struct('x', cell(struct('1.25'), struct('-0.000000001'))),
      ],
      [
        '2',
        'false',
        '-9223372036854775808',
        '-0.1',
        '-12.5',
        '0',
        '7',
        '',
        '2024-02-29',
        '00:00:00',
        '2024-02-29T12:30:00',
        '1700000000123456',
        '"text"',
        [],
        struct(null, []),
      ],
      ['3', ...empty],
      ['4', ...empty],
    ])
  })

  it('JSON with schema makes its table and fills it', async () => {
    const name = stage.unique('made')
    await connect(name, 1, undefined, { autoCreateTables: 'true', 'value.converter.schemas.enable': 'true' })
    const field = (type: string, field: string, more: object = {}) => ({ type, field, optional: true, ...more })
    const schema = {
      type: 'struct',
      optional: false,
      fields: [
        field('int64', 'id', { optional: false }),
        field('boolean', 'flag'),
        field('double', 'ratio'),
        field('string', 'text'),
        field('bytes', 'raw'),
        field('int64', 'seen', { name: 'org.apache.kafka.connect.data.Timestamp', version: 1 }),
        field('int32', 'day', { name: 'org.apache.kafka.connect.data.Date', version: 1 }),
        { type: 'array', field: 'tags', optional: true, items: { type: 'string', optional: false } },
        { type: 'struct', field: 'place', optional: true, fields: [field('string', 'city')] },
      ],
    }
    const record = (payload: object | string): Message => ({
      value: `{"schema":${JSON.stringify(schema)},"payload":${typeof payload === 'string' ? payload : JSON.stringify(payload)}}`,
      partition: 0,
    })
    await stage.produce(name, [
      { value: null, key: 'first a tombstone', partition: 0 },
      record(
        '{"id":9007199254740993,"flag":true,"ratio":0.5,"text":"a","raw":"AP8Q","seen":1700000000123,"day":19782,"tags":["x","y"],"place":{"city":"Kiel"}}',
      ),
      record({ id: 2 }),
    ])
    await stage.until('its table is there', async () =>
      (await fetch(`${stage.emulator.rest}/bigquery/v2/projects/${PROJECT}/datasets/d/tables/${name}`)).ok
        ? true
        : null,
    )
    await stage.untilRows(name, 2)
    const { body } = await stage.askEmulator('GET', `/bigquery/v2/projects/${PROJECT}/datasets/d/tables/${name}`)
    const made = (body as { schema: { fields: Field[] } }).schema.fields
    assert.deepEqual(
      made.map(({ name, type, mode }) => [name, type, mode ?? 'NULLABLE']),
      [
        ['id', 'INTEGER', 'REQUIRED'],
        ['flag', 'BOOLEAN', 'NULLABLE'],
        ['ratio', 'FLOAT', 'NULLABLE'],
        ['text', 'STRING', 'NULLABLE'],
        ['raw', 'BYTES', 'NULLABLE'],
        ['seen', 'TIMESTAMP', 'NULLABLE'],
        ['day', 'DATE', 'NULLABLE'],
        ['tags', 'STRING', 'REPEATED'],
        ['place', 'RECORD', 'NULLABLE'],
      ],
    )
    const rows = await stage.sql(
      `SELECT id, flag, ratio, text, raw, UNIX_MILLIS(seen), day, tags, place.city FROM ${sqlName(name)} ORDER BY id DESC`,
    )
    assert.deepEqual(rows, [
      ['9007199254740993', 'true', '0.5', 'a', 'AP8Q', '1700000000123', '2024-02-29', [{ v: 'x' }, { v: 'y' }], 'Kiel'],
      ['2', null, null, null, null, null, null, [], null],
    ])
  })

  it('bad records go to the dead letter queue as they were, with their identity and why; the others are delivered', async () => {
    const name = stage.unique('letters')
    const queue = `${name}_dlq`
    await connect(name, 2, undefined, { ...DLQ(queue), topics: name, autoCreateTables: 'false' })
    await stage.createTable(name, SHORT)
    // Offsets 0 to 4 of partition 1; the two bad ones stand side by side in one batch, one refused by us, one by BigQuery.
    await stage.produce(name, [plainRecord(1, 1), notJson(1), tooLong(2, 1), plainRecord(3, 1), tooLong(4, 1)])
    await stage.produce(
      name,
      range(10, 20).map(id => plainRecord(id, 0)),
    )
    await stage.assertDelivered(name, [1, 3, ...range(10, 20)])
    await untilAtEnd(name)
    const letters = new Map((await stage.consume(queue, 3)).map(letter => [headersOf(letter).get('offset'), letter]))
    assert.deepEqual([...letters.keys()].sort(), ['1', '2', '4'])
    assert.equal(await sum(name, 'dead_letters_total'), 3)
    for (const [offset, original, code, says] of [
      ['1', notJson(1), 'RECORD_NOT_CONVERTIBLE', /JSON/],
      ['2', tooLong(2, 1), 'ROW_REFUSED', /text/],
      ['4', tooLong(4, 1), 'ROW_REFUSED', /text/],
    ] as const) {
      const letter = letters.get(offset)
      assert.ok(letter !== undefined)
      assert.deepEqual([String(letter.key), String(letter.value)], [original.key, original.value])
      assert.equal(letter.headers?.origin?.toString(), original.headers?.origin)
      const headers = headersOf(letter)
      assert.deepEqual(
        ['topic', 'partition', 'connector.name', 'exception.class.name'].map(key => headers.get(key)),
        [name, '1', name, code],
      )
      assert.match(headers.get('task.id') ?? '', /^[01]$/)
      assert.match(headers.get('exception.message') ?? '', new RegExp(`^${name}-1@${offset}: `))
      assert.match(headers.get('exception.message') ?? '', says)
    }
  })

  it('errors.tolerance=all without a dead letter queue drops what is bad', async () => {
    const name = stage.unique('dropped')
    await connect(name, 1, SHORT, { 'errors.tolerance': 'all' })
    await stage.produce(name, [notJson(0), plainRecord(1, 0), tooLong(2, 0), plainRecord(3, 0), notJson(0)])
    await stage.assertDelivered(name, [1, 3])
    await untilAtEnd(name)
    assert.equal(await sum(name, 'dropped_total'), 3)
    assert.equal(await sum(name, 'dead_letters_total'), 0)
  })

  for (const [what, bad, code] of [
    ['does not convert', notJson(0), 'RECORD_NOT_CONVERTIBLE'],
    ['BigQuery refuses', tooLong(5, 0), 'ROW_REFUSED'],
  ] as const)
    it(`a record that ${what} fails its partition and no other, until it is tolerated`, async () => {
      const name = stage.unique('strict')
      await connect(name, 2, SHORT)
      await stage.produce(name, [...range(0, 3).map(id => plainRecord(id, 0)), bad, plainRecord(3, 0)])
      const trace = await stage.until('partition 0 is FAILED', async () => {
        const { tasks } = await stage.status(name)
        return tasks.find(task => task.state === 'FAILED')?.trace ?? null
      })
      await stage.produce(
        name,
        range(10, 20).map(id => plainRecord(id, 1)),
      )
      // A batch with a refused row is refused whole: of those before the bad record some may wait with it.
      await stage.until('the other partition goes on', async () => ((await stage.countRows(name)) >= 10 ? true : null))
      // Both in its first line; the place once, whether the head of the trace says it or the message.
      assert.match(trace, new RegExp(`^(?=.*\\b${code}: )(?=.*\\b${name}-0@3: )`))
      assert.equal(trace.split(`${name}-0@3`).length, 2)
      const found = (await stage.sql(`SELECT id FROM ${sqlName(name)} WHERE id < 10 ORDER BY id`)).map(([id]) =>
        Number(id),
      )
      assert.deepEqual(found, code === 'ROW_REFUSED' ? [] : [0, 1, 2], 'nothing beyond it')
      const config = { ...connectorConfig(name, { 'errors.tolerance': 'all' }), name }
      assert.equal((await stage.rest('PUT', `/connectors/${name}/config`, config)).status, 200)
      await stage.assertDelivered(name, [0, 1, 2, 3, ...range(10, 20)])
      await stage.untilRunning(name, 2)
      assert.ok((await stage.status(name)).tasks.every(task => task.state === 'RUNNING' && task.trace === undefined))
    })

  it('tombstones and filtered records are dropped, and only they', async () => {
    const name = stage.unique('filtered')
    await connect(name, 1, undefined, {
      transforms: 'skip',
      'transforms.skip.type': 'org.apache.kafka.connect.transforms.Filter',
      'transforms.skip.predicate': 'marked',
      predicates: 'marked',
      'predicates.marked.type': 'org.apache.kafka.connect.transforms.predicates.HasHeaderKey',
      'predicates.marked.name': 'skip',
    })
    await stage.createTable(name)
    const messages = range(0, 30).map((id): Message => {
      const record = plainRecord(id, 0)
      if (id % 3 === 1) return { ...record, value: null }
      return id % 3 === 2 ? { ...record, headers: { skip: 'yes' } } : record
    })
    await stage.produce(name, messages)
    await stage.assertDelivered(
      name,
      range(0, 30).filter(id => id % 3 === 0),
    )
    await untilAtEnd(name)
    assert.equal(await sum(name, 'dropped_total'), 20)
  })
})

const headersOf = (letter: Message): ReadonlyMap<string, string> =>
  new Map(
    Object.entries(letter.headers ?? {}).map(([key, value]) => [key.replace('__connect.errors.', ''), String(value)]),
  )
