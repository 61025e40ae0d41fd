// The members of REST v2 resources this emulator knows. https://cloud.google.com/bigquery/docs/reference/rest/v2
import type { Shape } from './wire-shape.ts'

type Members = Readonly<Record<string, Shape>>
const object = (members: Members): Shape => ({ object: members })
const list = (shape: Shape): Shape => ({ list: shape })
const STRINGS = list('string')
const LABELS: Shape = { map: 'string' }

const DATASET_REFERENCE: Shape = object({ projectId: 'string', datasetId: 'string' })
const TABLE_REFERENCE: Shape = object({ projectId: 'string', datasetId: 'string', tableId: 'string' })

/** Stored and echoed. */
export const DATASET_ECHOED: Members = {
  friendlyName: 'string',
  description: 'string',
  labels: LABELS,
  defaultTableExpirationMs: 'int64',
  defaultPartitionExpirationMs: 'int64',
  access: list({ map: 'any' }),
  maxTimeTravelHours: 'int64',
  defaultCollation: 'string',
  isCaseInsensitive: 'bool',
  storageBillingModel: 'string',
  defaultEncryptionConfiguration: object({ kmsKeyName: 'string' }),
  defaultRoundingMode: 'string',
  resourceTags: LABELS,
}
export const DATASET: Members = { ...DATASET_ECHOED, datasetReference: DATASET_REFERENCE, location: 'string' }

const FIELD: Members = {
  name: 'string',
  type: 'string',
  mode: 'string',
  fields: list(() => object(FIELD)),
  description: 'string',
  maxLength: 'int64',
  precision: 'int64',
  scale: 'int64',
  timestampPrecision: 'int64',
  defaultValueExpression: 'string',
  rangeElementType: object({ type: 'string' }),
  collation: 'string',
  roundingMode: 'string',
  policyTags: object({ names: STRINGS }),
}
const COLUMN_PAIR = object({ referencingColumn: 'string', referencedColumn: 'string' })

/** Stored and echoed; what else they mean is told where it is done. */
export const TABLE_ECHOED: Members = {
  friendlyName: 'string',
  description: 'string',
  labels: LABELS,
  expirationTime: 'int64',
  timePartitioning: object({
    type: 'string',
    field: 'string',
    expirationMs: 'int64',
    requirePartitionFilter: 'bool',
  }),
  rangePartitioning: object({
    field: 'string',
    range: object({ start: 'int64', end: 'int64', interval: 'int64' }),
  }),
  clustering: object({ fields: STRINGS }),
  requirePartitionFilter: 'bool',
  tableConstraints: object({
    primaryKey: object({ columns: STRINGS }),
    foreignKeys: list(
      object({ name: 'string', referencedTable: TABLE_REFERENCE, columnReferences: list(COLUMN_PAIR) }),
    ),
  }),
  maxStaleness: 'string',
  defaultCollation: 'string',
  defaultRoundingMode: 'string',
  encryptionConfiguration: object({ kmsKeyName: 'string' }),
  resourceTags: LABELS,
}
export const TABLE: Members = {
  ...TABLE_ECHOED,
  tableReference: TABLE_REFERENCE,
  schema: object({ fields: list(object(FIELD)) }),
  view: 'any',
  materializedView: 'any',
  externalDataConfiguration: 'any',
  snapshotDefinition: 'any',
  cloneDefinition: 'any',
  biglakeConfiguration: 'any',
}

const PARAMETER_TYPE: Members = {
  type: 'string',
  arrayType: () => object(PARAMETER_TYPE),
  structTypes: list(() => object({ name: 'string', type: object(PARAMETER_TYPE), description: 'string' })),
  rangeElementType: () => object(PARAMETER_TYPE),
}
/** `value` is text for every type but clients send JSON numbers and booleans for theirs. */
const PARAMETER_VALUE: Members = {
  value: 'any',
  arrayValues: list(() => object(PARAMETER_VALUE)),
  structValues: { map: () => object(PARAMETER_VALUE) },
  rangeValue: object({ start: () => object(PARAMETER_VALUE), end: () => object(PARAMETER_VALUE) }),
}
const QUERY_PARAMETERS: Shape = list(
  object({ name: 'string', parameterType: object(PARAMETER_TYPE), parameterValue: object(PARAMETER_VALUE) }),
)

const FORMAT_OPTIONS: Shape = object({ useInt64Timestamp: 'bool', timestampOutputFormat: 'string' })

/** What jobs.query and a query job's configuration share. */
const QUERY_COMMON: Members = {
  query: 'string',
  useLegacySql: 'bool',
  useQueryCache: 'bool',
  defaultDataset: DATASET_REFERENCE,
  parameterMode: 'string',
  queryParameters: QUERY_PARAMETERS,
  maximumBytesBilled: 'int64',
  connectionProperties: list(object({ key: 'string', value: 'string' })),
  createSession: 'bool',
  continuous: 'bool',
  reservation: 'string',
}
export const QUERY_REQUEST: Members = {
  ...QUERY_COMMON,
  kind: 'string',
  maxResults: 'int64',
  timeoutMs: 'int64',
  jobTimeoutMs: 'int64',
  dryRun: 'bool',
  preserveNulls: 'bool',
  location: 'string',
  formatOptions: FORMAT_OPTIONS,
  labels: LABELS,
  requestId: 'string',
  jobCreationMode: 'string',
}
export const JOB: Members = {
  jobReference: object({ projectId: 'string', jobId: 'string', location: 'string' }),
  configuration: object({
    jobType: 'string',
    query: object({
      ...QUERY_COMMON,
      destinationTable: TABLE_REFERENCE,
      createDisposition: 'string',
      writeDisposition: 'string',
      priority: 'string',
      allowLargeResults: 'bool',
      flattenResults: 'bool',
      schemaUpdateOptions: STRINGS,
      timePartitioning: 'any',
      rangePartitioning: 'any',
      clustering: 'any',
      tableDefinitions: 'any',
      userDefinedFunctionResources: 'any',
      destinationEncryptionConfiguration: 'any',
      scriptOptions: 'any',
    }),
    load: 'any',
    extract: 'any',
    copy: 'any',
    dryRun: 'bool',
    jobTimeoutMs: 'int64',
    labels: LABELS,
    reservation: 'string',
  }),
}

export const INSERT_ALL: Members = {
  kind: 'string',
  skipInvalidRows: 'bool',
  ignoreUnknownValues: 'bool',
  templateSuffix: 'string',
  traceId: 'string',
  rows: list(object({ insertId: 'string', json: 'any' })),
}
