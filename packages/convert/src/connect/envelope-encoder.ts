// JSON with schema into the columns of a table: the record's own schema says how each value is meant.
import type { TableSchema, WriterSchema } from '@millrace/core'
import { encodeMessage } from '../json/general-encoder.ts'
import { notAnObject, RowAttempt, type RowEncoder, TOMBSTONE } from '../json/row-encoder.ts'
import type { ProtoWriter } from '../proto-writer.ts'
import { unreadable } from '../refusal.ts'
import type { RowOptions } from '../row-plan.ts'
import { parseEnvelope } from './envelope.ts'
import { PlanCache } from './plan-cache.ts'

export function compileEnvelopeEncoder(setup: {
  readonly tableSchema: TableSchema
  readonly writerSchema: WriterSchema
  readonly options: RowOptions
}): RowEncoder {
  const plans = new PlanCache(setup.tableSchema, setup.writerSchema, setup.options)
  const attempt = new RowAttempt()
  const write = (writer: ProtoWriter, bytes: Buffer, start: number, end: number): typeof TOMBSTONE | undefined => {
    const { schema: schemaNode, payload } = parseEnvelope(bytes, start, end)
    if (schemaNode.kind === 'null' && payload.kind === 'null') return TOMBSTONE
    const { schema, plan } = plans.planFor(bytes.subarray(schemaNode.start, schemaNode.end))
    if (payload.kind === 'null') {
      if (schema === null || schema.optional) return TOMBSTONE
      throw unreadable(
        'Invalid null value for required STRUCT field: the payload is null and its schema is not optional.',
      )
    }
    if (payload.kind !== 'object') throw notAnObject()
    encodeMessage(writer, plan, bytes, payload.members)
    return undefined
  }
  return {
    encode: (bytes, start, end, out) => attempt.run(out, writer => write(writer, bytes, start, end)),
    get lastError() {
      return attempt.lastError
    },
  }
}
