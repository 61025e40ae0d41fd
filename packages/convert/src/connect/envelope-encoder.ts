// JSON with schema into the columns of a table: the record's own schema says how each value is meant. Producers repeat the
// schema byte for byte before the payload, so a record that begins like an earlier one goes straight to its transcoder.
import type { TableSchema, WriterSchema } from '@millrace/core'
import { encodeMessage } from '../json/general-encoder.ts'
import { notAnObject, RowAttempt, type RowEncoder, TOMBSTONE } from '../json/row-encoder.ts'
import { BAIL, Transcoder } from '../json/transcoder.ts'
import { TranscoderPlan } from '../json/transcoder-plan.ts'
import type { ProtoWriter } from '../proto-writer.ts'
import { type Refusal, unreadable } from '../refusal.ts'
import type { RowBuffer } from '../row-buffer.ts'
import type { RowOptions } from '../row-plan.ts'
import { parseEnvelope } from './envelope.ts'
import { PlanCache, type SourcePlan } from './plan-cache.ts'

type Setup = { readonly tableSchema: TableSchema; readonly writerSchema: WriterSchema; readonly options: RowOptions }

/** The general path alone; also the measure of the transcoder in tests. */
export function compileGeneralEnvelopeEncoder(setup: Setup): RowEncoder {
  return new GeneralEnvelopeEncoder(setup)
}

export function compileEnvelopeEncoder(setup: Setup): RowEncoder {
  return new EnvelopeEncoder(setup)
}

class GeneralEnvelopeEncoder implements RowEncoder {
  readonly #plans: PlanCache
  readonly #attempt = new RowAttempt()
  /** The last row came from this schema with its payload at this position, behind nothing but the schema. */
  lastPlan: SourcePlan | null = null
  lastPayloadStart = 0

  constructor(setup: Setup) {
    this.#plans = new PlanCache(setup.tableSchema, setup.writerSchema, setup.options)
  }

  get lastError(): Refusal {
    return this.#attempt.lastError
  }

  encode(bytes: Buffer, start: number, end: number, out: RowBuffer): number {
    this.lastPlan = null
    return this.#attempt.run(out, writer => this.#write(writer, bytes, start, end))
  }

  #write(writer: ProtoWriter, bytes: Buffer, start: number, end: number): typeof TOMBSTONE | undefined {
    const { schema: schemaNode, payload } = parseEnvelope(bytes, start, end)
    if (schemaNode.kind === 'null' && payload.kind === 'null') return TOMBSTONE
    const found = this.#plans.planFor(bytes.subarray(schemaNode.start, schemaNode.end))
    if (payload.kind === 'null') {
      if (found.schema === null || found.schema.optional) return TOMBSTONE
      throw unreadable('Invalid null value for required STRUCT field: the payload is null, its schema is not optional.')
    }
    if (payload.kind !== 'object') throw notAnObject()
    encodeMessage(writer, found.plan, bytes, payload.members)
    if (schemaNode.start < payload.start) {
      this.lastPlan = found
      this.lastPayloadStart = payload.start
    }
    return undefined
  }
}

/** Everything of a record before its payload, and what reads the payload. */
type KnownPrefix = { readonly bytes: Buffer; readonly transcoder: Transcoder }

/** Versions of a schema that alternate in one topic. Memory: this many × the schema's text. */
const MAX_KNOWN_PREFIXES = 8

class EnvelopeEncoder implements RowEncoder {
  readonly #general: GeneralEnvelopeEncoder
  /** The one that matched last comes first. */
  readonly #known: KnownPrefix[] = []

  constructor(setup: Setup) {
    this.#general = new GeneralEnvelopeEncoder(setup)
  }

  get lastError(): Refusal {
    return this.#general.lastError
  }

  encode(bytes: Buffer, start: number, end: number, out: RowBuffer): number {
    for (let i = 0; i < this.#known.length; i++) {
      const { bytes: prefix, transcoder } = this.#known[i]!
      const payload = start + prefix.length
      if (payload >= end || bytes.compare(prefix, 0, prefix.length, start, payload) !== 0) continue
      if (i > 0) this.#moveToFront(i)
      const length = transcoder.encodeRow(bytes, payload, end, out, 1)
      return length === BAIL ? this.#general.encode(bytes, start, end, out) : length
    }
    const length = this.#general.encode(bytes, start, end, out)
    if (length >= 0) this.#learn(bytes, start)
    return length
  }

  #moveToFront(index: number): void {
    const [known] = this.#known.splice(index, 1)
    this.#known.unshift(known!)
  }

  /** A record whose members come in another order (payload first) teaches nothing. */
  #learn(bytes: Buffer, start: number): void {
    const { lastPlan, lastPayloadStart } = this.#general
    if (lastPlan === null) return
    const prefix = Buffer.from(bytes.subarray(start, lastPayloadStart))
    if (this.#known.length === MAX_KNOWN_PREFIXES) this.#known.pop()
    // The envelope is one level of nesting around the payload.
    this.#known.unshift({ bytes: prefix, transcoder: new Transcoder(new TranscoderPlan(lastPlan.plan, 1)) })
  }
}
