// What most append tests begin with: a table of notes, its rows, and what is in a response.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { EmulatorOptions } from '../src/index.ts'
import { type Field, type Harness, startHarness } from './harness.ts'
import { type Failure, type Message, type RawAppend, type RawClient, rowsOf, writer } from './raw-client.ts'

type WriterOfRows = ReturnType<typeof writer>

export const NOTES: Field[] = [
  { name: 'id', type: 'INT64' },
  { name: 'note', type: 'STRING' },
]
export const WIDE_NOTES: Field[] = [...NOTES, { name: 'added', type: 'STRING' }]
export const note: WriterOfRows = writer('optional int64 id = 1; optional string note = 2;')
export const wideNote: WriterOfRows = writer(
  'optional int64 id = 1; optional string note = 2; optional string added = 3;',
)

export const rows = (ids: number[], withSchema = false): Message =>
  rowsOf(
    note,
    ids.map(id => ({ id, note: `row ${id}` })),
    withSchema,
  )
export const wideRows = (ids: number[], withSchema = false): Message =>
  rowsOf(
    wideNote,
    ids.map(id => ({ id, added: `row ${id}` })),
    withSchema,
  )
export const at = (offset: number): Message => ({ offset: { value: String(offset) } })

/** The offset of a success; absent counts as 0. */
export function offsetOf(response: Message): string {
  const result = response.appendResult as { offset?: { value?: string } } | undefined
  assert.ok(result, JSON.stringify(response))
  return result.offset?.value ?? '0'
}

export function errorOf(response: Message): { code: number; message: string } {
  assert.ok(response.error, JSON.stringify(response))
  return response.error as { code: number; message: string }
}

/** The names of the columns in `updated_schema`. */
export function updatedColumns(response: Message): string[] | undefined {
  const schema = response.updatedSchema as { fields: { name: string }[] } | undefined
  return schema?.fields.map(field => field.name)
}

export const refusal = (promise: Promise<unknown>): Promise<Failure> =>
  promise.then(
    () => assert.fail('was accepted'),
    (failure: Failure) => failure,
  )

let tables = 0
export async function newTable(harness: Harness): Promise<{ id: string; name: string }> {
  const id = `notes${++tables}`
  return { id, name: await harness.rest.createTable(id, NOTES) }
}

export async function newStream(
  harness: Harness,
  type = 'COMMITTED',
): Promise<{ id: string; name: string; stream: string }> {
  const table = await newTable(harness)
  return { ...table, stream: await harness.client.createStream(table.name, type) }
}

/** An open call whose first request, appending `ids` at `offset`, was accepted. */
export async function opened(client: RawClient, stream: string, ids: number[], offset = 0): Promise<RawAppend> {
  const call = client.append()
  assert.equal(
    offsetOf(await call.ask({ writeStream: stream, ...at(offset), protoRows: rows(ids, true) })),
    String(offset),
  )
  return call
}

export async function widen(harness: Harness, id: string): Promise<void> {
  const { status, body } = await harness.rest.api('PATCH', `/datasets/d/tables/${id}`, {
    schema: { fields: WIDE_NOTES },
  })
  assert.equal(status, 200, JSON.stringify(body))
}

/** A harness for one test, stopped at its end however it ends. */
export async function ownHarness(t: TestContext, options: Partial<EmulatorOptions>): Promise<Harness> {
  const harness = await startHarness(options)
  t.after(() => harness.close())
  return harness
}
