// Records as the worker meets them: in Kafka's record batches, several batches in one response buffer, eight partitions in turn.
import type { RowEncoder } from '../src/index.ts'
import { RowBuffer } from '../src/index.ts'
import type { Input } from './inputs.ts'

export type Corpus = { readonly batches: readonly RecordBatch[]; readonly count: number; readonly byteCount: number }
type RecordBatch = { readonly bytes: Buffer; readonly starts: Int32Array; readonly ends: Int32Array }

const RECORDS = 12_000
const RECORDS_PER_BATCH = 300
const BATCHES_PER_RESPONSE = 8
/** Around each value: length, attributes, deltas, key, headers. Their bytes are no JSON. */
const FRAMING_BYTES = 9
export const PARTITIONS = 8
const REQUEST_BYTES = 2_000_000

export function corpusOf(input: Input): Corpus {
  const batches: RecordBatch[] = []
  let byteCount = 0
  for (let i = 0; i < RECORDS; ) {
    const parts: Buffer[] = []
    const inResponse: { starts: Int32Array; ends: Int32Array }[] = []
    let at = 0
    while (inResponse.length < BATCHES_PER_RESPONSE && i < RECORDS) {
      const starts = new Int32Array(RECORDS_PER_BATCH)
      const ends = new Int32Array(RECORDS_PER_BATCH)
      for (let r = 0; r < RECORDS_PER_BATCH; r++, i++) {
        const value = Buffer.from(input.record(i))
        parts.push(Buffer.alloc(FRAMING_BYTES, i & 0xff), value)
        starts[r] = at + FRAMING_BYTES
        at += FRAMING_BYTES + value.length
        ends[r] = at
        byteCount += value.length
      }
      inResponse.push({ starts, ends })
    }
    const bytes = Buffer.concat([...parts, Buffer.alloc(1)])
    for (const each of inResponse) batches.push({ bytes, ...each })
  }
  return { batches, count: RECORDS, byteCount }
}

/** Encodes all of it once, as the worker does: one encoder per partition, rows into its buffer until a request is full. */
export class CorpusPass {
  readonly #corpus: Corpus
  readonly #encoders: readonly RowEncoder[]
  readonly #outs: readonly RowBuffer[]

  constructor(corpus: Corpus, compile: () => RowEncoder) {
    this.#corpus = corpus
    this.#encoders = Array.from({ length: PARTITIONS }, compile)
    this.#outs = this.#encoders.map(() => new RowBuffer())
  }

  run(): void {
    const { batches } = this.#corpus
    for (const [index, { bytes, starts, ends }] of batches.entries()) {
      const encoder = this.#encoders[index % PARTITIONS]!
      const out = this.#outs[index % PARTITIONS]!
      for (let i = 0; i < starts.length; i++) {
        const length = encoder.encode(bytes, starts[i]!, ends[i]!, out)
        if (length < 0) throw new Error(`refused: ${encoder.lastError.message}`)
        if (out.byteLength >= REQUEST_BYTES) out.recycle(out.freeze().bytes)
      }
    }
  }
}
