// Change data capture: rows with _CHANGE_TYPE, merged by primary key. Case numbers are those of reference/write-api.md §6.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { sortableSequence } from '../src/storage/change-fields.ts'
import { type Harness, startHarness } from './harness.ts'
import { ManualClock } from './manual-clock.ts'
import { runs } from './random-runs.ts'
import { type Message, RawClient, rowsOf, writer } from './raw-client.ts'

const FIELDS = [
  { name: 'id', type: 'INT64', mode: 'REQUIRED' },
  { name: 'name', type: 'STRING', mode: 'REQUIRED' },
  { name: 'tags', type: 'STRING', mode: 'REPEATED' },
]
const change = writer(
  'optional int64 id = 1; optional string name = 2; repeated string tags = 3;' +
    'optional string _CHANGE_TYPE = 991; optional string _CHANGE_SEQUENCE_NUMBER = 992;',
)
const plain = writer('optional int64 id = 1; optional string name = 2;')
type Change = { id?: number; name?: string; tags?: string[]; type: string; sequence?: string }
const rows = (changes: readonly Change[], withSchema = true): Message =>
  rowsOf(
    change,
    changes.map(({ type, sequence, ...row }) => ({
      ...row,
      _CHANGE_TYPE: type,
      ...(sequence !== undefined && { _CHANGE_SEQUENCE_NUMBER: sequence }),
    })),
    withSchema,
  )
const upsert = (id: number, name: string, sequence?: string): Change => ({
  id,
  name,
  type: 'UPSERT',
  ...(sequence !== undefined && { sequence }),
})
const remove = (id: number, sequence?: string): Change => ({
  id,
  type: 'DELETE',
  ...(sequence !== undefined && { sequence }),
})
const DAY = 24 * 3600 * 1000

describe('change data capture', () => {
  const clock = new ManualClock()
  let harness: Harness
  let tables = 0
  before(async () => {
    harness = await startHarness({ clock })
  })
  after(() => harness.close())

  /** A table whose primary key is its id. */
  const newTable = async (primaryKey: readonly string[] = ['id']): Promise<{ id: string; name: string }> => {
    const id = `t${++tables}`
    const { status, body } = await harness.rest.api('POST', '/datasets/d/tables', {
      tableReference: { tableId: id },
      schema: { fields: FIELDS },
      ...(primaryKey.length > 0 && { tableConstraints: { primaryKey: { columns: primaryKey } } }),
    })
    assert.equal(status, 200, JSON.stringify(body))
    return { id, name: `projects/p/datasets/d/tables/${id}` }
  }
  const append = async (name: string, changes: readonly Change[]): Promise<Message> => {
    const call = harness.client.append()
    const answer = await call.ask({ writeStream: `${name}/streams/_default`, protoRows: rows(changes) })
    call.call.end()
    return answer
  }
  const apply = async (name: string, ...changes: Change[]): Promise<void> => {
    const answer = await append(name, changes)
    assert.ok(answer.appendResult, JSON.stringify(answer))
  }
  const shown = (table: string): Promise<unknown[][]> =>
    harness.rest.query(`SELECT id, name FROM p.d.${table} ORDER BY id`)
  const rowErrors = (answer: Message): [number, string][] =>
    (answer.rowErrors as Message[]).map(({ index, message }) => [Number(index ?? 0), String(message)])

  it('case 58: inserts, upserts and deletes show merged as soon as they are acknowledged', async () => {
    const { id, name } = await newTable()
    await apply(name, { ...upsert(1, 'one'), type: 'INSERT' }, upsert(2, 'two'), upsert(3, 'three'))
    assert.deepEqual(await shown(id), [
      ['1', 'one'],
      ['2', 'two'],
      ['3', 'three'],
    ])
    await apply(
      name,
      { ...upsert(1, 'uno'), tags: ['x'] },
      remove(2),
      upsert(4, 'four'),
      upsert(4, 'cuatro'),
      remove(9),
    )
    assert.deepEqual(await harness.rest.query(`SELECT id, name, ARRAY_LENGTH(tags) FROM p.d.${id} ORDER BY id`), [
      ['1', 'uno', '1'],
      ['3', 'three', '0'],
      ['4', 'cuatro', '0'],
    ])
    // The whole row is replaced.
    await apply(name, upsert(1, 'one again'))
    assert.deepEqual(await harness.rest.query(`SELECT ARRAY_LENGTH(tags) FROM p.d.${id} WHERE id = 1`), [['0']])
    assert.equal((await harness.rest.api('GET', `/datasets/d/tables/${id}`)).body.numRows, '3')
  })

  it('merges by all columns of the key, and over rows that came without changes', async () => {
    const { id, name } = await newTable(['name', 'ID'])
    const call = harness.client.append()
    const stream = `${name}/streams/_default`
    assert.ok(
      (await call.ask({ writeStream: stream, protoRows: rowsOf(plain, [{ id: 1, name: 'a' }], true) })).appendResult,
    )
    await apply(name, upsert(1, 'b'), upsert(2, 'a'), { ...upsert(1, 'a'), tags: ['merged'] })
    assert.deepEqual(await harness.rest.query(`SELECT id, name, ARRAY_LENGTH(tags) FROM p.d.${id} ORDER BY 1, 2`), [
      ['1', 'a', '1'],
      ['1', 'b', '0'],
      ['2', 'a', '0'],
    ])
    await apply(name, { id: 1, name: 'a', type: 'DELETE' })
    assert.deepEqual(await shown(id).then(found => found.length), 2)
  })

  it('keeps DML that changes rows away from its table, and from no other', async () => {
    const { id, name } = await newTable()
    const dml = async (query: string): Promise<string> => {
      const { body } = await harness.rest.api('POST', '/queries', { query })
      return String((body.error as { message: string } | undefined)?.message ?? body.numDmlAffectedRows)
    }
    assert.equal(await dml(`INSERT p.d.${id} (id, name) VALUES (1, 'plain')`), '1')
    assert.equal(await dml(`UPDATE p.d.${id} SET name = 'updated' WHERE id = 1`), '1')
    await apply(name, upsert(2, 'two'))
    for (const query of [
      `UPDATE p.d.${id} SET name = 'x' WHERE TRUE`,
      `DELETE FROM p.d.${id} WHERE TRUE`,
      `MERGE p.d.${id} t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE`,
    ])
      assert.equal(
        await dml(query),
        'DELETE/UPDATE/MERGE DMLs are currently not supported over tables that had UPSERT streams.',
      )
    assert.equal(await dml(`INSERT p.d.${id} (id, name) VALUES (3, 'three')`), '1')
    assert.deepEqual(await shown(id), [
      ['1', 'updated'],
      ['2', 'two'],
      ['3', 'three'],
    ])
    const patch = (changedTableDml: string): Promise<unknown> =>
      harness.rest.call('PATCH', '/emulator/behavior', { changedTableDml })
    await patch('accept')
    assert.equal(await dml(`DELETE FROM p.d.${id} WHERE id = 3`), '1')
    await patch('reject')
  })

  it('goes by sequence numbers, not by arrival; of equal ones the later arrival counts', async () => {
    const { id, name } = await newTable()
    await apply(name, upsert(1, 'newer', 'FFF/B'), upsert(1, 'older', 'FFF/ABC'), upsert(1, 'newest', 'FFF/ABC'))
    assert.deepEqual(await shown(id), [['1', 'newest']])
    await apply(name, upsert(1, 'too old', '77'))
    await apply(name, remove(1, 'BA/FFFFFFFF'))
    assert.deepEqual(await shown(id), [['1', 'newest']])
    await apply(name, upsert(1, 'equal', 'fff/abc'))
    assert.deepEqual(await shown(id), [['1', 'equal']])
    await apply(name, remove(1, 'FFF/ABD'))
    assert.deepEqual(await shown(id), [])
  })

  it('does not let a late change bring back a deleted row, for two days', async () => {
    const { id, name } = await newTable()
    await apply(name, upsert(1, 'one', '5'), remove(1, '7'), remove(2, '7'))
    await apply(name, upsert(1, 'late', '6'), upsert(2, 'late', '6'))
    assert.deepEqual(await shown(id), [])
    clock.advance(2 * DAY - 1)
    await apply(name, upsert(1, 'late', '6'))
    assert.deepEqual(await shown(id), [])
    clock.advance(DAY)
    await apply(name, upsert(3, 'any', '1'))
    await apply(name, upsert(1, 'forgotten', '6'))
    assert.deepEqual(await shown(id), [
      ['1', 'forgotten'],
      ['3', 'any'],
    ])
  })

  it('names the rows whose change is none, and applies nothing of the request', async () => {
    const { id, name } = await newTable()
    const answer = await append(name, [
      upsert(1, 'good'),
      { id: 2, name: 'x', type: 'REPLACE' },
      upsert(3, 'x', '1/2/3/4/5'),
      upsert(4, 'x', '12345678901234567'),
      upsert(5, 'x', '0x1'),
      { id: 6, type: 'UPSERT' },
      { name: 'no key', type: 'DELETE' },
      { id: 7, name: 'x', type: '' },
    ])
    assert.deepEqual(rowErrors(answer), [
      [1, 'The given value is not a valid CHANGE_TYPE: REPLACE'],
      [2, 'The given value is not a valid CHANGE_SEQUENCE_NUMBER: 1/2/3/4/5'],
      [3, 'The given value is not a valid CHANGE_SEQUENCE_NUMBER: 12345678901234567'],
      [4, 'The given value is not a valid CHANGE_SEQUENCE_NUMBER: 0x1'],
      [6, 'Required field id is missing.'],
      [7, 'The given value is not a valid CHANGE_TYPE: '],
    ])
    const second = await append(name, [upsert(1, 'good'), { id: 6, type: 'UPSERT' }])
    assert.deepEqual(rowErrors(second), [[1, 'Required field name is missing.']])
    assert.deepEqual(await shown(id), [])
    await apply(name, upsert(1, 'good'))
    assert.deepEqual(await shown(id), [['1', 'good']])
  })

  for (const type of ['COMMITTED', 'PENDING', 'BUFFERED'])
    it(`case 59: a ${type} stream takes INSERT only`, async () => {
      const { id, name } = await newTable()
      const stream = await harness.client.createStream(name, type)
      const call = harness.client.append()
      const bad = await call.ask({
        writeStream: stream,
        offset: { value: '0' },
        protoRows: rows([upsert(1, 'x'), { ...upsert(2, 'y'), type: 'INSERT' }, remove(3)]),
      })
      assert.deepEqual(rowErrors(bad), [
        [0, 'The given value is not a valid CHANGE_TYPE in insert mode: UPSERT'],
        [2, 'The given value is not a valid CHANGE_TYPE in insert mode: DELETE'],
      ])
      const inserts = [1, 2].map(row => ({ ...upsert(row, 'x'), type: 'INSERT' }))
      assert.ok((await call.ask({ offset: { value: '0' }, protoRows: rows(inserts, false) })).appendResult)
      assert.equal((await shown(id)).length, type === 'COMMITTED' ? 2 : 0)
    })

  it('refuses changes of a table without a primary key, and in a connection that began without them', async () => {
    const [keyless, keyed] = [await newTable([]), await newTable()]
    const call = harness.client.append()
    call.send({ writeStream: `${keyless.name}/streams/_default`, protoRows: rows([upsert(1, 'x')]) })
    const ended = await call.ended
    assert.equal(ended?.code, 3)
    assert.match(ended?.message ?? '', /primary key/)
    const mixed = harness.client.append()
    const writeStream = `${keyed.name}/streams/_default`
    assert.ok((await mixed.ask({ writeStream, protoRows: rowsOf(plain, [{ id: 1, name: 'a' }], true) })).appendResult)
    mixed.send({ writeStream, protoRows: rows([upsert(1, 'x')]) })
    const mixedEnd = await mixed.ended
    assert.equal(mixedEnd?.code, 3)
    assert.match(mixedEnd?.message ?? '', /_CHANGE_TYPE/)
    assert.deepEqual(await shown(keyed.id), [['1', 'a']])
  })

  it('follows the table to a wider schema, between changes of one connection', async () => {
    const { id, name } = await newTable()
    const call = harness.client.append()
    const writeStream = `${name}/streams/_default`
    assert.ok(
      (await call.ask({ writeStream, protoRows: rows([upsert(1, 'one', '1'), upsert(2, 'two', '5')]) })).appendResult,
    )
    const wider = { schema: { fields: [...FIELDS, { name: 'added', type: 'STRING' }] } }
    assert.equal((await harness.rest.api('PATCH', `/datasets/d/tables/${id}`, wider)).status, 200)
    assert.ok(
      (await call.ask({ protoRows: rows([upsert(1, 'uno', '2'), upsert(2, 'late', '4')], false) })).appendResult,
    )
    assert.deepEqual(await harness.rest.query(`SELECT id, name, added FROM p.d.${id} ORDER BY id`), [
      ['1', 'uno', null],
      ['2', 'two', null],
    ])
    assert.equal((await harness.rest.api('DELETE', `/datasets/d/tables/${id}`)).status, 204)
  })

  it('merges random changes as a map would', async () => {
    const anyChange = fc.record({
      id: fc.nat({ max: 4 }),
      sequence: fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
      isDelete: fc.boolean(),
    })
    const isOlder = (a: readonly number[], b: readonly number[]): boolean => {
      for (const [index, section] of a.entries()) {
        const other = b[index]
        if (other === undefined || section !== other) return other !== undefined && section < other
      }
      return a.length < b.length
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyChange, { minLength: 1, maxLength: 8 }), { maxLength: 5 }),
        async batches => {
          const { id, name } = await newTable()
          const model = new Map<number, { sequence: readonly number[]; name: string | undefined }>()
          let count = 0
          for (const batch of batches) {
            const changes = batch.map(({ id: key, sequence, isDelete }) => {
              const text = sequence.map(section => section.toString(16)).join('/')
              const value = `value ${count++}`
              const known = model.get(key)
              if (!known || !isOlder(sequence, known.sequence))
                model.set(key, { sequence, name: isDelete ? undefined : value })
              return isDelete ? remove(key, text) : upsert(key, value, text)
            })
            await apply(name, ...changes)
          }
          const expected = [...model].filter(([, { name: value }]) => value !== undefined).sort(([a], [b]) => a - b)
          assert.deepEqual(
            await shown(id),
            expected.map(([key, { name: value }]) => [String(key), value]),
          )
        },
      ),
      runs(15),
    )
  })
})

describe('change data capture with a data directory', () => {
  it('keeps what it merged, and which changes are too late, through a restart', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'emulator-'))
    try {
      for (const expected of ['one', 'two']) {
        const durable = await startHarness({ dataDir })
        const client = new RawClient(durable.emulator.grpcAddress)
        if (expected === 'one')
          await durable.rest.api('POST', '/datasets/d/tables', {
            tableReference: { tableId: 't' },
            schema: { fields: FIELDS },
            tableConstraints: { primaryKey: { columns: ['id'] } },
          })
        else {
          // Known before the first change of this run.
          const deletion = await durable.rest.api('POST', '/queries', { query: 'DELETE FROM p.d.t WHERE TRUE' })
          assert.match(JSON.stringify(deletion.body), /UPSERT streams/)
        }
        const call = client.append()
        const writeStream = 'projects/p/datasets/d/tables/t/streams/_default'
        const changes =
          expected === 'one'
            ? [upsert(1, 'one', '5'), upsert(1, 'late', '4')]
            : [upsert(1, 'late', '4'), upsert(2, 'x', '1')]
        assert.ok((await call.ask({ writeStream, protoRows: rows(changes) })).appendResult)
        assert.deepEqual(await durable.rest.query('SELECT name FROM p.d.t WHERE id = 1'), [['one']])
        await durable.close()
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})

describe('a sequence number', () => {
  it('sorts section by section as numbers do', () => {
    const sorted = ['77', '7B', 'BA/FFFFFFFF', 'ABC', 'FFF/B', 'FFF/ABC', 'FFF/ABC/0', 'ffffffffffffffff'].toSorted()
    const byNumber = sorted.toSorted((a, b) => (sortableSequence(a)! < sortableSequence(b)! ? -1 : 1))
    assert.deepEqual(byNumber, ['77', '7B', 'BA/FFFFFFFF', 'ABC', 'FFF/B', 'FFF/ABC', 'FFF/ABC/0', 'ffffffffffffffff'])
    for (const none of ['', '/', '1/', 'G', '1/2/3/4/5', '12345678901234567', ' 1', '0x1', '-1'])
      assert.equal(sortableSequence(none), undefined, none)
  })
})
