// Schemaless JSON into the columns of a table.
import type { TableSchema, WriterSchema } from '@millrace/core'
import type { Refusal } from '../refusal.ts'
import type { RowBuffer } from '../row-buffer.ts'
import { compileRowPlan, type MessagePlan, type RowOptions } from '../row-plan.ts'
import { compileGeneralJsonEncoder, type RowEncoder } from './row-encoder.ts'
import { skipSpace } from './transcoder/tokens.ts'
import { BAIL, Transcoder } from './transcoder.ts'
import { TranscoderPlan } from './transcoder-plan.ts'

/** Compiled once per table schema; holds no state between records but its predictions and `lastError`. */
export function compileJsonEncoder(setup: {
  readonly tableSchema: TableSchema
  readonly writerSchema: WriterSchema
  readonly options: RowOptions
}): RowEncoder {
  return new JsonEncoder(compileRowPlan(setup.tableSchema, setup.writerSchema, null, setup.options))
}

class JsonEncoder implements RowEncoder {
  readonly #transcoder: Transcoder
  readonly #general: RowEncoder

  constructor(plan: MessagePlan) {
    this.#transcoder = new Transcoder(new TranscoderPlan(plan, 0))
    this.#general = compileGeneralJsonEncoder(plan)
  }

  encode(bytes: Buffer, start: number, end: number, out: RowBuffer): number {
    const length = this.#transcoder.encodeRow(bytes, skipSpace(bytes, start), end, out, 0)
    return length === BAIL ? this.#general.encode(bytes, start, end, out) : length
  }

  get lastError(): Refusal {
    return this.#general.lastError
  }
}
