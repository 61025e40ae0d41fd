export type { CredentialSource } from './credentials.ts'
export { encodeDescriptor } from './descriptor.ts'
export { type BigQuery, type BigQueryOptions, openBigQuery } from './open.ts'
