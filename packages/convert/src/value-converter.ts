// From a connector's configuration to the converter of one table: filter, format, options. What the worker drives.
import { MillraceError, type RecordSlice, type TableSchema, type WriterSchema } from '@millrace/core'
import { compileEnvelopeEncoder } from './connect/envelope-encoder.ts'
import { compileFilter } from './filter.ts'
import { compileJsonEncoder } from './json/json-encoder.ts'
import { type RowEncoder, TOMBSTONE } from './json/row-encoder.ts'
import { OriginColumn, withoutOrigin } from './origin-column.ts'
import type { Refusal } from './refusal.ts'
import type { RowBuffer } from './row-buffer.ts'
import type { RowOptions } from './row-plan.ts'
import { writerSchemaFor } from './schema/writer-schema.ts'

export interface ValueConverter {
  readonly writerSchema: WriterSchema
  /** false: a filter drops the record, or its value is null. */
  keeps(slice: RecordSlice, i: number): boolean
  /** As `RowEncoder.encode`. */
  encode(bytes: Buffer, start: number, end: number, out: RowBuffer): number
  /** To be added to each row: which record it came from; null without `kafkaDataFieldName`. */
  readonly origin: OriginColumn | null
  /** After a negative answer: the value says null. */
  readonly isTombstone: boolean
  /** After a negative answer that is no tombstone: why, without any value of the record. */
  readonly lastError: Refusal
}

/** The format of record values, as a connector's `value.converter` keys say. */
export type ValueFormat = { readonly converter: 'json'; readonly schemasEnable: boolean }

const JSON_CONVERTERS = new Set(['org.apache.kafka.connect.json.JsonConverter', 'JsonConverter', 'Json'])

/**
 * Reads `value.converter` and `value.converter.schemas.enable` (default true, as Connect's). Throws NOT_SUPPORTED or
 * CONFIG_INVALID naming the key. Keys the connector leaves out must already hold the worker's values.
 */
export function valueFormatOf(config: Readonly<Record<string, string>>): ValueFormat {
  const converter = config['value.converter'] ?? ''
  if (!JSON_CONVERTERS.has(converter)) {
    throw new MillraceError(
      'NOT_SUPPORTED',
      'failPartition',
      `value.converter: only org.apache.kafka.connect.json.JsonConverter is supported so far, not ${converter || '(none)'}.`,
    )
  }
  return { converter: 'json', schemasEnable: flagOf(config, 'value.converter.schemas.enable', true) }
}

/** `ignoreUnknownFields` and `sanitizeFieldNames` of a connector. */
export function rowOptionsOf(config: Readonly<Record<string, string>>): RowOptions {
  return {
    ignoreUnknownFields: flagOf(config, 'ignoreUnknownFields', false),
    sanitizeFieldNames: flagOf(config, 'sanitizeFieldNames', false),
  }
}

/**
 * The converter for records of one topic into one table. Throws TABLE_SCHEMA_UNSUPPORTED, NOT_SUPPORTED or CONFIG_INVALID;
 * all of them before the first record.
 */
export function compileValueConverter(
  config: Readonly<Record<string, string>>,
  tableSchema: TableSchema,
  topic: string,
): ValueConverter {
  const writerSchema = writerSchemaFor(tableSchema)
  const origin = config['kafkaDataFieldName'] ?? null
  const recordSchema = origin === null ? tableSchema : withoutOrigin(tableSchema, origin)
  const setup = { tableSchema: recordSchema, writerSchema, options: rowOptionsOf(config) }
  const encoder = valueFormatOf(config).schemasEnable ? compileEnvelopeEncoder(setup) : compileJsonEncoder(setup)
  return new CompiledConverter(
    writerSchema,
    compileFilter(config, topic),
    encoder,
    origin === null ? null : new OriginColumn(origin, topic, tableSchema, writerSchema),
  )
}

class CompiledConverter implements ValueConverter {
  readonly writerSchema: WriterSchema
  readonly keeps: (slice: RecordSlice, i: number) => boolean
  readonly origin: OriginColumn | null
  isTombstone = false
  readonly #encoder: RowEncoder

  constructor(
    writerSchema: WriterSchema,
    keeps: (slice: RecordSlice, i: number) => boolean,
    encoder: RowEncoder,
    origin: OriginColumn | null,
  ) {
    this.writerSchema = writerSchema
    this.keeps = keeps
    this.#encoder = encoder
    this.origin = origin
  }

  encode(bytes: Buffer, start: number, end: number, out: RowBuffer): number {
    const length = this.#encoder.encode(bytes, start, end, out)
    if (length < 0) this.isTombstone = length === TOMBSTONE
    return length
  }

  get lastError(): Refusal {
    return this.#encoder.lastError
  }
}

function flagOf(config: Readonly<Record<string, string>>, key: string, otherwise: boolean): boolean {
  const value = config[key]?.trim().toLowerCase()
  if (value === undefined) return otherwise
  if (value !== 'true' && value !== 'false') {
    throw new MillraceError('CONFIG_INVALID', 'failPartition', `${key} is neither true nor false.`)
  }
  return value === 'true'
}
