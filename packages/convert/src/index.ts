export { type DecimalHandlingMode, type DeriveOptions, deriveTableSchema } from './connect/derive-table-schema.ts'
export { compileEnvelopeEncoder } from './connect/envelope-encoder.ts'
export { crcFingerprint } from './crc-fingerprint.ts'
export { compileFilter, type RecordFilter } from './filter.ts'
export { compileJsonEncoder } from './json/json-encoder.ts'
export { BAD_RECORD, type RowEncoder, TOMBSTONE } from './json/row-encoder.ts'
export { type OriginColumn, originColumn } from './origin-column.ts'
export { decodeHeaders, hasHeader } from './record-headers.ts'
export { Refusal, type RefusalStage } from './refusal.ts'
export { RowBuffer, removeRows, rowsOf } from './row-buffer.ts'
export { RowBufferPool } from './row-buffer-pool.ts'
export type { RowOptions } from './row-plan.ts'
export { writerSchemaFor } from './schema/writer-schema.ts'
export {
  compileValueConverter,
  rowOptionsOf,
  type ValueConverter,
  type ValueFormat,
  valueFormatOf,
} from './value-converter.ts'
