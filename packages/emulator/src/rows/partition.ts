// Which partition rows may go to. The emulator keeps no partitions: a row is checked against them and lies in the table with the rest.
// Integer ranges take every value (what is outside goes to __UNPARTITIONED__), NULL goes to __NULL__; a time must be near enough, and
// with a decorator (`table$20260131`) it must be the decorator's. Ingestion-time tables have no column to check.
// https://cloud.google.com/bigquery/docs/write-api#partitioned_tables; the texts are those the service gives for tabledata.insertAll.
import type { Table } from '../catalog/resources.ts'
import { type Column, hasPicoseconds } from '../catalog/table-schema.ts'
import { daysFromCivil } from './civil.ts'
import type { ColumnBuilder, FixedColumn } from './columns.ts'
import { UnusableDescriptor, UnusableInItsWords } from './field-match.ts'
import { RowFault } from './sinks.ts'

/** Checks a filled row. Throws RowFault. */
export type CheckRow = (row: number) => void

export type PartitionRule = {
  /** A request begins, at this time. Throws UnusableDescriptor when rows cannot go to the decorator's partition. */
  begin(nowMs: number): void
  readonly check: CheckRow
}

/** Days a column's value may lie from the current date. */
const PAST_DAYS_MAX = 3650
const FUTURE_DAYS_MAX = 366
/** Days the partition of a decorator may lie from it. */
const DECORATED_PAST_DAYS_MAX = 31
const DECORATED_FUTURE_DAYS_MAX = 16
const DAY_MS = 86_400_000
const DAY_MICROS = 86_400_000_000n

type TimePartitioning = { readonly type: string; readonly field: string | undefined }
/** `[start, end)` in microseconds since the epoch. */
type Period = { readonly start: bigint; readonly end: bigint }

function timePartitioningOf(table: Table): TimePartitioning | undefined {
  const stated = table.rest.timePartitioning as { type?: unknown; field?: unknown } | null | undefined
  if (!stated) return undefined
  return {
    type: String(stated.type ?? 'DAY').toUpperCase(),
    field: typeof stated.field === 'string' ? stated.field : undefined,
  }
}

/** Undefined when rows of the table may go anywhere. Throws UnusableDescriptor for a decorator the table cannot have. */
export function partitionRule(
  table: Table,
  decorator: string | undefined,
  builders: readonly ColumnBuilder[],
): PartitionRule | undefined {
  const partitioning = timePartitioningOf(table)
  const period = decorator === undefined ? undefined : decoratedPeriod(table, partitioning, decorator)
  if (!partitioning) return undefined
  const { columns } = table.schema
  const index = columns.findIndex(({ name }) => name.toLowerCase() === partitioning.field?.toLowerCase())
  const column = columns[index]
  const name = `${table.project}:${table.dataset}.${table.table}${decorator === undefined ? '' : `$${decorator}`}`
  // TIMESTAMP(12) is kept as text and goes unchecked.
  const value = column && !hasPicoseconds(column) ? valueReader(column, builders[index] as FixedColumn) : undefined
  if (period) {
    return {
      begin: nowMs => checkPeriod(table, decorator!, period, nowMs),
      check: value ? checkWithin(value, period, column!.name, name) : () => {},
    }
  }
  return value && nearNow(value, column!.name, name)
}

/** A row's value as microseconds since the epoch; undefined for NULL. */
type ReadMicros = (row: number) => bigint | undefined

function valueReader({ type }: Column, builder: FixedColumn): ReadMicros {
  const unit = type === 'DATE' ? DAY_MICROS : 1n
  return row => (builder.valid[row] === 1 ? builder.signedAt(row) * unit : undefined)
}

function nearNow(value: ReadMicros, field: string, name: string): PartitionRule {
  let min = 0n
  let max = 0n
  return {
    begin(nowMs) {
      const today = BigInt(Math.floor(nowMs / DAY_MS))
      min = (today - BigInt(PAST_DAYS_MAX)) * DAY_MICROS
      max = (today + BigInt(FUTURE_DAYS_MAX) + 1n) * DAY_MICROS
    },
    check(row) {
      const micros = value(row)
      if (micros === undefined || (micros >= min && micros < max)) return
      throw new RowFault(
        `Value ${micros} for partition column ${field} of the destination table ${name} is outside the allowed bounds. ` +
          `You can only stream to partitions of date range within ${PAST_DAYS_MAX} days in the past and ${FUTURE_DAYS_MAX} days in the future relative to the current date.`,
      )
    },
  }
}

function checkWithin(value: ReadMicros, { start, end }: Period, field: string, name: string): CheckRow {
  return row => {
    const micros = value(row)
    if (micros !== undefined && micros >= start && micros < end) return
    throw new RowFault(
      `Value ${micros ?? 'NULL'} for partition column ${field} does not belong to the destination partition ${name}.`,
    )
  }
}

function checkPeriod({ table }: Table, decorator: string, { start, end }: Period, nowMs: number): void {
  const today = BigInt(Math.floor(nowMs / DAY_MS))
  const from = (today - BigInt(DECORATED_PAST_DAYS_MAX)) * DAY_MICROS
  const to = (today + BigInt(DECORATED_FUTURE_DAYS_MAX) + 1n) * DAY_MICROS
  if (start < to && end > from) return
  throw new UnusableInItsWords(
    `The destination table's partition ${table}$${decorator} is outside the allowed bounds. You can only stream to partitions ` +
      `within ${DECORATED_PAST_DAYS_MAX} days in the past and ${DECORATED_FUTURE_DAYS_MAX} days in the future relative to the current date.`,
  )
}

const DIGITS: Readonly<Record<string, number>> = { YEAR: 4, MONTH: 6, DAY: 8, HOUR: 10 }

function decoratedPeriod(table: Table, partitioning: TimePartitioning | undefined, decorator: string): Period {
  const name = `${table.table}$${decorator.slice(0, 50)}`
  if (/^__(NULL|UNPARTITIONED)__$/.test(decorator))
    throw new UnusableInItsWords('Streaming to metadata partition of column based partitioning table is disallowed.')
  if (!partitioning)
    throw new UnusableDescriptor(
      `Partition decorator of ${name}: the table is not partitioned by time${table.rest.rangePartitioning ? ', and its integer ranges cannot be named in this emulator' : ''}.`,
    )
  const { type } = partitioning
  const period = /^\d{4,10}$/.test(decorator) && decorator.length === DIGITS[type] ? periodOf(decorator) : undefined
  if (!period)
    throw new UnusableDescriptor(
      `Invalid partition decorator of ${name}: a table partitioned by ${type} takes ${'YYYYMMDDHH'.slice(0, DIGITS[type])}.`,
    )
  return period
}

/** The hour, day, month or year the digits say; undefined when there is none. */
function periodOf(digits: string): Period | undefined {
  const year = Number(digits.slice(0, 4))
  const month = Number(digits.slice(4, 6) || 1)
  const day = Number(digits.slice(6, 8) || 1)
  const hour = Number(digits.slice(8, 10) || 0)
  const days = daysFromCivil(year, month, day)
  if (days === undefined || hour > 23) return undefined
  if (digits.length === 10) {
    const start = BigInt(days) * DAY_MICROS + BigInt(hour) * 3_600_000_000n
    return { start, end: start + 3_600_000_000n }
  }
  const next =
    digits.length === 8
      ? Date.UTC(year, month - 1, day + 1)
      : Date.UTC(year + (digits.length === 4 ? 1 : 0), digits.length === 6 ? month : 0)
  return { start: BigInt(days) * DAY_MICROS, end: BigInt(next / DAY_MS) * DAY_MICROS }
}
