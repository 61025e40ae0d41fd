// Random operations on streams of all types, through the gRPC server, against a small model: every answer and the rows that show are
// compared. EMULATOR_MODEL_RUNS sets how many sequences per storage (60), EMULATOR_MODEL_SEED where they start.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type Harness, startHarness } from './harness.ts'
import { type Failure, type Message, type RawAppend, rowsOf, storageError, writer } from './raw-client.ts'

const RUNS = Number(process.env.EMULATOR_MODEL_RUNS ?? 60)
const SEED = Number(process.env.EMULATOR_MODEL_SEED ?? 20261122)
/** Sequences at a time, on tables of their own: what they do is grouped into common transactions. */
const LANES = 4
const FIELDS = [{ name: 'id', type: 'INT64' }]
const schema = writer('optional int64 id = 1;')
const TYPES = ['COMMITTED', 'PENDING', 'BUFFERED'] as const

type Append = { readonly delta: number | undefined; readonly count: number }
type Operation =
  | { readonly kind: 'create'; readonly type: (typeof TYPES)[number] }
  /** Sent one behind the other; each is answered. */
  | { readonly kind: 'append'; readonly stream: number; readonly appends: readonly Append[] }
  | { readonly kind: 'reopen'; readonly stream: number }
  | { readonly kind: 'finalize'; readonly stream: number }
  | { readonly kind: 'flush'; readonly stream: number; readonly back: number }
  | { readonly kind: 'commit'; readonly streams: readonly number[]; readonly withUnknown: boolean }
  | { readonly kind: 'get'; readonly stream: number }
  | { readonly kind: 'recreate' }
  | { readonly kind: 'restart' }

const stream = fc.nat({ max: 5 })
const appended: fc.Arbitrary<Append> = fc.record({
  delta: fc.constantFrom(undefined, 0, 0, 0, 0, -1, -3, 1, 7),
  count: fc.integer({ min: 1, max: 5 }),
})
const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('create' as const), type: fc.constantFrom(...TYPES) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      stream,
      appends: fc.array(appended, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), stream }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('finalize' as const), stream }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('flush' as const), stream, back: fc.integer({ min: -2, max: 6 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      streams: fc.array(stream, { minLength: 1, maxLength: 3 }),
      withUnknown: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('get' as const), stream }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('recreate' as const) }) },
)

const restarting: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 8, arbitrary: operation },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
)

/** All there is to know of a stream. `ids` are its rows. */
type Model = {
  readonly type: (typeof TYPES)[number]
  readonly ids: number[]
  flushed: number
  state: 'open' | 'finalized' | 'committed'
  isDead: boolean
}

const offered = ({ ids }: Model, { delta }: Append): number | undefined =>
  delta === undefined ? undefined : Math.max(0, ids.length + delta)

/** What an answer comes down to: a value, or a code. */
type Told = string
const codeOf = (failure: Failure): Told => `${failure.code} ${failure.storage?.code ?? ''}`.trim()
const NOT_FOUND: Told = '5 STREAM_NOT_FOUND'

function append(model: Model, offer: Append, newId: () => number): { told: Told; ids: number[] } {
  const at = offered(model, offer)
  const ids = Array.from({ length: offer.count }, newId)
  if (model.isDead) return { told: NOT_FOUND, ids }
  if (model.state !== 'open') return { told: 'STREAM_FINALIZED', ids }
  const end = model.ids.length
  if (at !== undefined && at < end) return { told: 'OFFSET_ALREADY_EXISTS', ids }
  if (at !== undefined && at > end) return { told: 'OFFSET_OUT_OF_RANGE', ids }
  model.ids.push(...ids)
  return { told: String(end), ids }
}

function finalize(model: Model): Told {
  if (model.isDead) return NOT_FOUND
  if (model.state === 'open') model.state = 'finalized'
  return String(model.ids.length)
}

function flush(model: Model, offset: number): Told {
  if (model.isDead) return NOT_FOUND
  if (model.type !== 'BUFFERED') return '3 INVALID_STREAM_TYPE'
  if (model.state !== 'open') return '3 STREAM_FINALIZED'
  if (offset >= model.ids.length) return '11 OFFSET_OUT_OF_RANGE'
  if (offset < model.flushed) return '6 OFFSET_ALREADY_EXISTS'
  model.flushed = offset + 1
  return String(offset)
}

function commit(models: readonly (Model | undefined)[]): Told {
  const errors = [...new Set(models)].flatMap(model => {
    if (!model || model.isDead) return ['STREAM_NOT_FOUND']
    if (model.type !== 'PENDING') return ['INVALID_STREAM_TYPE']
    if (model.state === 'open') return ['INVALID_STREAM_STATE']
    return model.state === 'committed' ? ['STREAM_ALREADY_COMMITTED'] : []
  })
  if (errors.length > 0) return errors.join(' ')
  for (const model of models) model!.state = 'committed'
  return 'committed'
}

function get(model: Model): Told {
  if (model.isDead) return NOT_FOUND
  return `${model.type} ${model.type === 'COMMITTED' || model.state === 'committed'}`
}

const visible = ({ type, ids, flushed, state }: Model): number[] => {
  if (type === 'COMMITTED' || state === 'committed') return ids
  return ids.slice(0, flushed)
}

type Emulator = { harness: Harness; readonly canQuery: boolean; restart(): Promise<void> }

/** One sequence on a table of its own: asks the emulator, compares with the model. */
class Sequence {
  private readonly emulator: Emulator
  private readonly table: string
  private parent = ''
  private streams: { name: string; model: Model; call: RawAppend | undefined }[] = []
  private ids = 0

  constructor(emulator: Emulator, table: string) {
    this.emulator = emulator
    this.table = table
  }

  private get harness(): Harness {
    return this.emulator.harness
  }

  async run(operations: readonly Operation[]): Promise<void> {
    this.parent = await this.harness.rest.createTable(this.table, FIELDS)
    for (const op of operations) {
      const [told, expected] = await this.perform(op)
      assert.equal(told, expected, JSON.stringify(op))
      if (op.kind === 'commit' || op.kind === 'flush' || op.kind === 'recreate' || op.kind === 'restart')
        await this.checkRows()
    }
    await this.checkRows()
    for (const { call } of this.streams) call?.call.end()
    assert.equal((await this.harness.rest.api('DELETE', `/datasets/d/tables/${this.table}`)).status, 204)
  }

  private async perform(op: Operation): Promise<[told: Told, expected: Told]> {
    const none: [Told, Told] = ['', '']
    if (op.kind === 'create') {
      const name = await this.harness.client.createStream(this.parent, op.type)
      const model: Model = { type: op.type, ids: [], flushed: 0, state: 'open', isDead: false }
      this.streams.push({ name, model, call: undefined })
      return none
    }
    if (op.kind === 'restart') {
      await this.emulator.restart()
      for (const stream of this.streams) stream.call = undefined
      return none
    }
    if (op.kind === 'recreate') {
      assert.equal((await this.harness.rest.api('DELETE', `/datasets/d/tables/${this.table}`)).status, 204)
      await this.harness.rest.createTable(this.table, FIELDS)
      for (const { model } of this.streams) model.isDead = true
      return none
    }
    if (this.streams.length === 0) return none
    const pick = (index: number) => this.streams[index % this.streams.length]!
    if (op.kind === 'commit') return this.commit(op.streams.map(pick), op.withUnknown)
    const picked = pick(op.stream)
    const { name, model } = picked
    switch (op.kind) {
      case 'append':
        return this.append(picked, op.appends)
      case 'reopen':
        picked.call?.call.end()
        picked.call = undefined
        return none
      case 'finalize':
        return [await this.unary('FinalizeWriteStream', { name }, ({ rowCount }) => rowCount ?? '0'), finalize(model)]
      case 'flush': {
        const offset = Math.max(0, model.ids.length - 1 - op.back)
        const request = { writeStream: name, offset: { value: String(offset) } }
        return [await this.unary('FlushRows', request, answer => answer.offset ?? '0'), flush(model, offset)]
      }
      case 'get':
        return [
          await this.unary('GetWriteStream', { name }, ({ type, commitTime }) => `${type} ${commitTime !== undefined}`),
          get(model),
        ]
    }
  }

  private unary(method: string, request: Message, read: (answer: Message) => unknown): Promise<Told> {
    return this.harness.client.unary(method, request).then(answer => String(read(answer)), codeOf)
  }

  private async commit(picked: Sequence['streams'], withUnknown: boolean): Promise<[Told, Told]> {
    const names = picked.map(({ name }) => name)
    if (withUnknown) names.push(`${this.parent}/streams/unknown`)
    const told = await this.unary(
      'BatchCommitWriteStreams',
      { parent: this.parent, writeStreams: names },
      ({ commitTime, streamErrors }) =>
        commitTime ? 'committed' : (streamErrors as Message[]).map(({ code }) => code).join(' '),
    )
    return [told, commit([...picked.map(({ model }) => model), ...(withUnknown ? [undefined] : [])])]
  }

  private async append(picked: Sequence['streams'][0], appends: readonly Append[]): Promise<[Told, Told]> {
    const { model, name } = picked
    const isOpen = picked.call !== undefined
    const call = picked.call ?? this.harness.client.append()
    picked.call = call
    const expected: Told[] = []
    for (const [index, offer] of appends.entries()) {
      const at = offered(model, offer)
      const { told, ids } = append(model, offer, () => this.ids++)
      expected.push(told)
      const rows = ids.map(id => ({ id }))
      call.send({
        writeStream: name,
        ...(at !== undefined && { offset: { value: String(at) } }),
        protoRows: rowsOf(schema, rows, !isOpen && index === 0),
      })
      // A dead stream ends the call.
      if (model.isDead) break
    }
    if (model.isDead) {
      picked.call = undefined
      const ended = await call.ended
      return [ended ? codeOf(ended) : 'ended well', NOT_FOUND]
    }
    const told: Told[] = []
    for (const _ of expected) {
      const answer = await call.next()
      const result = answer.appendResult as { offset: { value?: string } } | undefined
      told.push(result ? (result.offset.value ?? '0') : String(storageError(answer).code))
    }
    return [told.join(', '), expected.join(', ')]
  }

  private async checkRows(): Promise<void> {
    const shown = this.streams.filter(({ model }) => !model.isDead).map(({ model }) => visible(model))
    if (!this.emulator.canQuery) {
      const { body } = await this.harness.rest.api('GET', `/datasets/d/tables/${this.table}`)
      assert.equal(body.numRows, String(shown.flat().length))
      return
    }
    const ids = (await this.harness.rest.query(`SELECT id FROM p.d.${this.table}`)).map(([id]) => Number(id))
    assert.deepEqual(
      ids.toSorted((a, b) => a - b),
      shown.flat().sort((a, b) => a - b),
    )
    // Rows keep their order within a stream.
    for (const own of shown) {
      const wanted = new Set(own)
      assert.deepEqual(
        ids.filter(id => wanted.has(id)),
        own,
      )
    }
  }
}

describe('random operations on streams', () => {
  const behavior = { tableUpdatesPer10s: 0 }
  let tables = 0
  const check = (
    emulator: Emulator,
    operations: fc.Arbitrary<Operation>,
    numRuns: number,
    seed: number,
  ): Promise<void> =>
    fc.assert(
      fc.asyncProperty(fc.array(operations, { minLength: 4, maxLength: 24 }), async sequence =>
        new Sequence(emulator, `t${++tables}`).run(sequence),
      ),
      { numRuns, seed },
    )

  for (const storage of ['duckdb', 'null'] as const)
    it(`answer and show what the model says, over ${storage} storage`, async () => {
      const harness = await startHarness({ storage, behavior })
      const emulator: Emulator = { harness, canQuery: storage === 'duckdb', restart: () => assert.fail() }
      try {
        await Promise.all(
          Array.from({ length: LANES }, (_, lane) => check(emulator, operation, Math.ceil(RUNS / LANES), SEED + lane)),
        )
      } finally {
        await harness.close()
      }
    })

  it('answer and show what the model says through restarts on a data directory', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'emulator-'))
    const start = (): Promise<Harness> => startHarness({ dataDir, behavior })
    const emulator: Emulator = {
      harness: await start(),
      canQuery: true,
      async restart() {
        await this.harness.close()
        this.harness = await start()
      },
    }
    try {
      await check(emulator, restarting, Math.ceil(RUNS / 10), SEED)
    } finally {
      await emulator.harness.close()
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})
