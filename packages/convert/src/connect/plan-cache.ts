// One plan per source schema, by the schema's very text: producers repeat it byte for byte in every record.
import type { TableSchema, WriterSchema } from '@millrace/core'
import { encodeField } from '../json/general-encoder.ts'
import { ProtoWriter } from '../proto-writer.ts'
import { Refusal } from '../refusal.ts'
import { compileRowPlan, type MessagePlan, type RowOptions } from '../row-plan.ts'
import { type ConnectSchema, parseConnectSchema } from './connect-schema.ts'

/** Connect's schemas.cache.size. Beyond it the oldest goes. */
export const MAX_CACHED_SCHEMAS = 1_000

export type SourcePlan = {
  /** null: the envelope's schema is null, so the payload is schemaless. */
  readonly schema: ConnectSchema | null
  readonly plan: MessagePlan
}

export class PlanCache {
  readonly #table: TableSchema
  readonly #writer: WriterSchema
  readonly #options: RowOptions
  readonly #plans = new Map<string, SourcePlan | Refusal>()

  constructor(table: TableSchema, writer: WriterSchema, options: RowOptions) {
    this.#table = table
    this.#writer = writer
    this.#options = options
  }

  /** Throws the Refusal every record with this schema gets, when it cannot be used. */
  planFor(schemaText: Uint8Array): SourcePlan {
    const key = Buffer.from(schemaText.buffer, schemaText.byteOffset, schemaText.length).toString('latin1')
    let plan = this.#plans.get(key)
    if (plan === undefined) {
      plan = this.#compile(schemaText)
      if (this.#plans.size >= MAX_CACHED_SCHEMAS) this.#plans.delete(this.#plans.keys().next().value!)
      this.#plans.set(key, plan)
    }
    if (plan instanceof Refusal) throw plan
    return plan
  }

  #compile(schemaText: Uint8Array): SourcePlan | Refusal {
    try {
      const schema = parseConnectSchema(schemaText)
      if (schema !== null && schema.type !== 'struct') return notAStruct(schema)
      const plan = compileRowPlan(this.#table, this.#writer, schema, this.#options)
      encodeDefaults(plan)
      return { schema, plan }
    } catch (error) {
      if (error instanceof Refusal) return error
      throw error
    }
  }
}

/** Defaults are encoded once, inner structs first because an outer default may leave theirs to be filled. */
function encodeDefaults(plan: MessagePlan): void {
  for (const field of plan.fields) {
    if (field.message !== null) encodeDefaults(field.message)
    const value = field.source?.defaultValue
    if (value == null) continue
    const writer = new ProtoWriter()
    encodeField(writer, field, value.bytes, value.node)
    field.defaultBytes = Buffer.from(writer.view())
  }
}

const notAStruct = (schema: ConnectSchema): Refusal =>
  new Refusal(
    'TASK_PUT',
    null,
    `Top-level Kafka Connect schema must be of type 'struct', not '${schema.type}'; only structs become rows.`,
  )
