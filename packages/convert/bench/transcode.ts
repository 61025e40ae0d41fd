// Rows per CPU-second of the transcoder, against JSON.parse plus a straightforward encoder in the same run; ratios decide.
// Run: node_modules/.bin/node packages/convert/bench/transcode.ts [seconds per contestant and input]
import {
  type Column,
  type ColumnType,
  PROTO_TYPE,
  type TableSchema,
  type WriterField,
  type WriterSchema,
} from '@millrace/core'
import {
  compileEnvelopeEncoder,
  compileJsonEncoder,
  RowBuffer,
  type RowEncoder,
  writerSchemaFor,
} from '../src/index.ts'
import { compileGeneralJsonEncoder } from '../src/json/row-encoder.ts'
import { ProtoWriter } from '../src/proto-writer.ts'
import { compileRowPlan } from '../src/row-plan.ts'

type Input = {
  readonly name: string
  readonly table: TableSchema
  readonly record: (i: number) => unknown
  readonly envelope?: object
}
type Corpus = { readonly bytes: Buffer; readonly starts: Int32Array; readonly count: number }

const RECORDS = 20_000
const BATCH_BYTES = 2_000_000
const options = { ignoreUnknownFields: false, sanitizeFieldNames: false }
const column = (name: string, type: ColumnType, more: Partial<Column> = {}): Column => ({
  name,
  type,
  mode: 'NULLABLE',
  ...more,
})
const two = (value: number): string => String(value).padStart(2, '0')
const datetime = (i: number): string =>
  `2001-${two(1 + (i % 12))}-${two(1 + (i % 28))}T${two(i % 24)}:${two(i % 60)}:00`
const AIRPORTS = ['SMF', 'LAX', 'JFK', 'SFO', 'ORD', 'ATL', 'SEA']
const airport = (i: number): string => AIRPORTS[i % AIRPORTS.length]!

const flight = (i: number): object => ({
  id: i * 137,
  date: datetime(i),
  delay: ((i * 7) % 300) - 50,
  distance: 100 + (i % 2500),
  origin: airport(i),
  destination: airport(i + 3),
})
const narrow: TableSchema = {
  columns: [
    column('id', 'INT64', { mode: 'REQUIRED' }),
    column('date', 'DATETIME'),
    column('delay', 'INT64'),
    column('distance', 'INT64'),
    column('origin', 'STRING'),
    column('destination', 'STRING'),
  ],
}
const WIDE_TYPES: readonly ColumnType[] = ['INT64', 'STRING', 'FLOAT64', 'BOOL', 'TIMESTAMP']
const wideValue = (type: ColumnType, i: number, c: number): unknown =>
  type === 'INT64'
    ? i * c
    : type === 'STRING'
      ? `value ${c} of ${i}`
      : type === 'FLOAT64'
        ? (i * c) / 100
        : type === 'BOOL'
          ? i % 2 === 0
          : `${datetime(i + c)}Z`
const wide: TableSchema = {
  columns: Array.from({ length: 100 }, (_, c) => column(`column_${c}`, WIDE_TYPES[c % WIDE_TYPES.length]!)),
}
const nested: TableSchema = {
  columns: [
    column('order_id', 'INT64'),
    column('customer', 'STRUCT', {
      fields: [
        column('name', 'STRING'),
        column('address', 'STRUCT', { fields: [column('city', 'STRING'), column('zip', 'STRING')] }),
      ],
    }),
    column('lines', 'STRUCT', {
      mode: 'REPEATED',
      fields: [column('sku', 'STRING'), column('price', 'NUMERIC'), column('quantity', 'INT64')],
    }),
    column('tags', 'STRING', { mode: 'REPEATED' }),
  ],
}
const INPUTS: readonly Input[] = [
  { name: 'narrow (6 columns)', table: narrow, record: flight },
  {
    name: 'narrow with schema',
    table: narrow,
    record: flight,
    envelope: {
      type: 'struct',
      optional: false,
      fields: [
        ['int64', 'id'],
        ['string', 'date'],
        ['int32', 'delay'],
        ['int32', 'distance'],
        ['string', 'origin'],
        ['string', 'destination'],
      ].map(([type, field]) => ({ type, optional: false, field })),
    },
  },
  {
    name: 'wide (100 columns)',
    table: wide,
    record: i => Object.fromEntries(wide.columns.map((each, c) => [each.name, wideValue(each.type, i, c)])),
  },
  {
    name: 'nested',
    table: nested,
    record: i => ({
      order_id: 9_000_000 + i,
      customer: { name: `Customer ${i % 977}`, address: { city: 'Zürich', zip: String(8000 + (i % 99)) } },
      lines: Array.from({ length: 1 + (i % 4) }, (_, k) => ({
        sku: `SKU-${i % 1000}-${k}`,
        price: (i % 5000) / 100,
        quantity: 1 + k,
      })),
      tags: ['web', 'priority'].slice(0, i % 3),
    }),
  },
]

function corpusOf(input: Input): Corpus {
  const texts = Array.from({ length: RECORDS }, (_, i) => {
    const payload = input.record(i)
    return Buffer.from(JSON.stringify(input.envelope === undefined ? payload : { schema: input.envelope, payload }))
  })
  const starts = new Int32Array(RECORDS + 1)
  for (const [i, text] of texts.entries()) starts[i + 1] = starts[i]! + text.length
  return { bytes: Buffer.concat(texts), starts, count: RECORDS }
}

/** JSON.parse and an encoder that walks objects: how most writers do it. Its values are not exact; it is here for its speed. */
function parseAndEncode(table: TableSchema, schema: WriterSchema, hasEnvelope: boolean): RowEncoder {
  const writer = new ProtoWriter()
  const types = new Map<WriterField, ColumnType>()
  const note = (columns: readonly Column[], fields: readonly WriterField[]): void => {
    for (const [i, field] of fields.entries()) {
      types.set(field, columns[i]!.type)
      if (field.fields !== undefined) note(columns[i]!.fields ?? [], field.fields)
    }
  }
  note(table.columns, schema.fields)
  const one = (field: WriterField, value: unknown): void => {
    const type = types.get(field)
    if (field.type === PROTO_TYPE.MESSAGE)
      writer.message(field.number, () => all(field.fields ?? [], value as Record<string, unknown>))
    else if (field.type === PROTO_TYPE.STRING) writer.string(field.number, value as string)
    else if (field.type === PROTO_TYPE.DOUBLE) writer.double(field.number, value as number)
    else if (field.type === PROTO_TYPE.BOOL) writer.bool(field.number, value as boolean)
    else if (field.type === PROTO_TYPE.BYTES) writer.string(field.number, String(value))
    else if (type === 'DATETIME' || type === 'TIMESTAMP')
      writer.int64(field.number, BigInt(Date.parse(value as string)) * 1000n)
    else writer.int64(field.number, BigInt(value as number))
  }
  const all = (fields: readonly WriterField[], record: Record<string, unknown>): void => {
    for (const field of fields) {
      const value = record[field.name]
      if (value == null) continue
      if (field.label === 'repeated') for (const item of value as unknown[]) one(field, item)
      else one(field, value)
    }
  }
  return {
    lastError: null as never,
    encode(bytes, start, end, out) {
      writer.reset()
      const parsed = JSON.parse(bytes.toString('utf8', start, end)) as Record<string, unknown>
      all(schema.fields, hasEnvelope ? (parsed.payload as Record<string, unknown>) : parsed)
      out.appendRow(writer.view())
      return writer.length
    },
  }
}

function rowsPerCpuSecond(encoder: RowEncoder, corpus: Corpus, seconds: number): number {
  const out = new RowBuffer()
  const pass = (): void => {
    for (let i = 0; i < corpus.count; i++) {
      const length = encoder.encode(corpus.bytes, corpus.starts[i]!, corpus.starts[i + 1]!, out)
      if (length < 0) throw new Error(`refused: ${encoder.lastError.message}`)
      if (out.byteLength >= BATCH_BYTES) out.recycle(out.freeze().bytes)
    }
  }
  pass()
  // The best of short passes: other processes only ever make one slower.
  let best = 0
  for (const deadline = performance.now() + seconds * 1000; performance.now() < deadline; ) {
    const before = process.cpuUsage()
    pass()
    const used = process.cpuUsage(before)
    best = Math.max(best, (corpus.count / (used.user + used.system)) * 1e6)
  }
  return best
}

function measure(input: Input, seconds: number): void {
  const writerSchema = writerSchemaFor(input.table)
  const setup = { tableSchema: input.table, writerSchema, options }
  const corpus = corpusOf(input)
  const contestants: [string, RowEncoder][] = [
    ['JSON.parse + encode', parseAndEncode(input.table, writerSchema, input.envelope !== undefined)],
    ['transcoder', input.envelope === undefined ? compileJsonEncoder(setup) : compileEnvelopeEncoder(setup)],
  ]
  if (input.envelope === undefined) {
    contestants.push([
      'general path alone',
      compileGeneralJsonEncoder(compileRowPlan(input.table, writerSchema, null, options)),
    ])
  }
  const bytesPerRecord = corpus.bytes.length / corpus.count
  console.log(`${input.name}, ${bytesPerRecord.toFixed(0)} bytes per record`)
  let base = 0
  for (const [name, encoder] of contestants) {
    const rate = rowsPerCpuSecond(encoder, corpus, seconds)
    base ||= rate
    const megabytes = (rate * bytesPerRecord) / 1e6
    console.log(
      `  ${name.padEnd(22)}${Math.round(rate).toLocaleString('en').padStart(12)} rows per CPU-second ${megabytes.toFixed(0).padStart(5)} MB/s   × ${(rate / base).toFixed(2)}`,
    )
  }
}

const seconds = Number(process.argv[2] ?? 2)
for (const input of INPUTS) measure(input, seconds)
