// What of a table's REST members must fit its columns: partitioning, clustering, the primary key; and its labels and expiry.
// https://cloud.google.com/bigquery/docs/reference/rest/v2/tables
import { type Column, InvalidSchema, type TableSchema } from './table-schema.ts'

type Members = Readonly<Record<string, unknown>>

const CLUSTERING_COLUMNS_MAX = 4
const PRIMARY_KEY_COLUMNS_MAX = 16
const PARTITIONS_MAX = 10_000
const LABELS_MAX = 64
const TIME_PARTITION_TYPES: readonly unknown[] = ['HOUR', 'DAY', 'MONTH', 'YEAR']
const TIME_COLUMN_TYPES: ReadonlySet<string> = new Set(['DATE', 'DATETIME', 'TIMESTAMP'])
/** https://cloud.google.com/bigquery/docs/clustered-tables#clustering_column_types */
const UNCLUSTERABLE: ReadonlySet<string> = new Set(['STRUCT', 'JSON', 'FLOAT64', 'BYTES', 'TIME', 'INTERVAL'])
const LABEL_KEY = /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u
const LABEL_VALUE = /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u

/** Throws InvalidSchema for REST members that do not fit the columns. */
export function checkLayout(schema: TableSchema, rest: Members): void {
  if (rest.timePartitioning && rest.rangePartitioning)
    throw new InvalidSchema('Only one of timePartitioning and rangePartitioning can be specified')
  if (rest.timePartitioning) checkTimePartitioning(schema, rest.timePartitioning as Members)
  if (rest.rangePartitioning) checkRangePartitioning(schema, rest.rangePartitioning as Members)
  if (rest.clustering) checkClustering(schema, rest.clustering as Members)
  const { primaryKey } = (rest.tableConstraints ?? {}) as { primaryKey?: Members | null }
  if (primaryKey) checkPrimaryKey(schema, (primaryKey.columns ?? []) as readonly string[])
  checkLabels(rest)
}

/** Throws InvalidSchema where partitioning would change: it is given once, at creation. */
export function checkLayoutChange(before: Members, after: Members): void {
  const essence = ({ timePartitioning, rangePartitioning }: Members): string => {
    const { type, field } = (timePartitioning ?? {}) as Members
    return JSON.stringify([type ?? null, field ?? null, rangePartitioning ?? null])
  }
  if (essence(before) === essence(after)) return
  const was = before.timePartitioning ?? before.rangePartitioning
  throw new InvalidSchema(
    was === undefined
      ? 'Cannot convert non partitioned/clustered table to partitioned/clustered table.'
      : 'Cannot change partitioning spec for a partitioned table.',
  )
}

/** Throws InvalidSchema for labels the service would not take. */
export function checkLabels(rest: Members): void {
  const labels = Object.entries((rest.labels ?? {}) as Members)
  if (labels.length > LABELS_MAX) throw new InvalidSchema(`At most ${LABELS_MAX} labels are allowed`)
  for (const [key, value] of labels) {
    if (!LABEL_KEY.test(key)) throw new InvalidSchema(`Label key "${key}" has invalid characters.`)
    if (!LABEL_VALUE.test(String(value))) throw new InvalidSchema(`Label value "${value}" has invalid characters.`)
  }
}

const topLevel = ({ columns }: TableSchema, name: string): Column | undefined =>
  columns.find(column => column.name.toLowerCase() === name.toLowerCase())

function partitioningColumn(schema: TableSchema, field: unknown): Column {
  const column = topLevel(schema, String(field))
  if (!column)
    throw new InvalidSchema(`The field specified for partitioning cannot be found in the schema: ${String(field)}`)
  if (column.mode === 'REPEATED') throw new InvalidSchema(`The partitioning field ${column.name} must not be REPEATED`)
  return column
}

function checkTimePartitioning(schema: TableSchema, { type, field }: Members): void {
  if (!TIME_PARTITION_TYPES.includes(type))
    throw new InvalidSchema(`Invalid time partitioning type ${String(type)}: must be HOUR, DAY, MONTH or YEAR`)
  if (field === undefined || field === null) return
  const column = partitioningColumn(schema, field)
  if (!TIME_COLUMN_TYPES.has(column.type))
    throw new InvalidSchema(
      `The field specified for partitioning, ${column.name}, must be a DATE, DATETIME or TIMESTAMP, not ${column.type}`,
    )
  if (type === 'HOUR' && column.type === 'DATE')
    throw new InvalidSchema(`Hourly partitioning is not possible on ${column.name}, which is a DATE`)
}

function checkRangePartitioning(schema: TableSchema, { field, range }: Members): void {
  const column = partitioningColumn(schema, field)
  if (column.type !== 'INT64')
    throw new InvalidSchema(`The range partitioning field ${column.name} must be an INTEGER, not ${column.type}`)
  const { start, end, interval } = (range ?? {}) as Members
  if (start === undefined || end === undefined || interval === undefined)
    throw new InvalidSchema('rangePartitioning.range must have start, end and interval')
  const [from, to, step] = [BigInt(String(start)), BigInt(String(end)), BigInt(String(interval))]
  if (step <= 0n || from >= to)
    throw new InvalidSchema('rangePartitioning.range must have start < end and an interval above 0')
  if ((to - from + step - 1n) / step > BigInt(PARTITIONS_MAX))
    throw new InvalidSchema(`rangePartitioning.range makes more than ${PARTITIONS_MAX} partitions`)
}

function checkClustering(schema: TableSchema, { fields }: Members): void {
  const names = (fields ?? []) as readonly string[]
  if (names.length === 0) throw new InvalidSchema('clustering.fields must not be empty')
  if (names.length > CLUSTERING_COLUMNS_MAX)
    throw new InvalidSchema(`Too many clustering fields: ${names.length}, at most ${CLUSTERING_COLUMNS_MAX}`)
  for (const name of names) {
    const column = topLevel(schema, name)
    if (!column) throw new InvalidSchema(`The field specified for clustering cannot be found in the schema: ${name}`)
    if (column.mode === 'REPEATED' || UNCLUSTERABLE.has(column.type))
      throw new InvalidSchema(`Clustering is not possible on ${name}, which is ${column.mode} ${column.type}`)
  }
}

function checkPrimaryKey(schema: TableSchema, names: readonly string[]): void {
  if (names.length === 0) throw new InvalidSchema('tableConstraints.primaryKey.columns must not be empty')
  if (names.length > PRIMARY_KEY_COLUMNS_MAX)
    throw new InvalidSchema(`Too many primary key columns: ${names.length}, at most ${PRIMARY_KEY_COLUMNS_MAX}`)
  const seen = new Set<string>()
  for (const name of names) {
    const column = topLevel(schema, name)
    if (!column) throw new InvalidSchema(`Primary key column ${name} cannot be found in the schema`)
    if (column.mode === 'REPEATED' || column.type === 'STRUCT' || column.type === 'JSON')
      throw new InvalidSchema(`Primary key column ${name} cannot be ${column.mode} ${column.type}`)
    if (seen.has(name.toLowerCase())) throw new InvalidSchema(`Duplicate primary key column ${name}`)
    seen.add(name.toLowerCase())
  }
}
