// Where values go, whatever they come from (proto fields, Arrow vectors, default expressions): checked against the column, then
// stored in its builder. The texts are those of row_errors; some are the service's own, the others follow their style.
import { isUtf8 } from 'node:buffer'
import { type Column, hasPicoseconds } from '../catalog/table-schema.ts'
import {
  MAX_DATE_DAYS,
  MAX_TIMESTAMP_MICROS,
  MIN_DATE_DAYS,
  MIN_TIMESTAMP_MICROS,
  parseDate,
  parseDatetime,
  parsePicoTimestamp,
  parseTime,
  parseTimestamp,
  picoText,
} from './civil.ts'
import type { ColumnBuilder, FixedColumn, StructColumn } from './columns.ts'
import { BIGNUMERIC_SCALE, fitsBignumeric, fitsNumeric, formatDecimal, NUMERIC_SCALE, parseDecimal } from './decimal.ts'
import { InvalidGeography, toWkt } from './geography.ts'
import { fitsInterval, type IntervalParts, parseInterval } from './interval.ts'
import type { TextColumn } from './text-column.ts'

/** A row that does not fit the table; the message is what row_errors says. */
export class RowFault extends Error {}

/** A column that is to be filled: its schema, its path for messages, its builder. */
export type Place = { readonly column: Column; readonly name: string; readonly builder: ColumnBuilder }

/** Characters of a bad value a row error repeats: a thousand errors must not become larger than the request. */
const SHOWN_MAX = 100
export const shown = (text: string): string => (text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text)

type TextSink = (row: number, bytes: Buffer, start: number, end: number) => void

/** STRING, BYTES, JSON and GEOGRAPHY from their bytes. */
export function textSink({ column, name, builder }: Place): TextSink {
  const out = builder as TextColumn
  const { type } = column
  if (type === 'GEOGRAPHY')
    return (row, bytes, start, end) => out.setText(row, wkt(bytes.toString('utf8', start, end), name))
  const isText = type !== 'BYTES'
  const isJson = type === 'JSON'
  const limit = column.maxLength ?? Number.MAX_SAFE_INTEGER
  return (row, bytes, start, end) => {
    if (isJson) checkJson(bytes.toString('utf8', start, end), name)
    if (end - start > limit) checkLength(bytes, start, end)
    const isAscii = out.set(row, bytes, start, end)
    if (!isAscii && isText && !isUtf8(bytes.subarray(start, end)))
      throw new RowFault(`Invalid UTF-8 in string value on field ${name}.`)
  }
  function checkLength(bytes: Buffer, start: number, end: number): void {
    const actual = isText ? characterCount(bytes, start, end) : end - start
    if (actual > limit)
      throw new RowFault(
        `Field ${name}: ${type}(${limit}) has maximum length ${limit} but got a value with length ${actual} on field ${name}.`,
      )
  }
}

/** Code points of UTF-8 bytes: those that do not continue one. */
function characterCount(bytes: Buffer, start: number, end: number): number {
  let count = 0
  for (let at = start; at < end; at++) if ((bytes[at]! & 0xc0) !== 0x80) count++
  return count
}

function checkJson(text: string, name: string): void {
  try {
    JSON.parse(text)
  } catch {
    throw new RowFault(`Invalid JSON value on field ${name}.`)
  }
}

function wkt(text: string, name: string): string {
  try {
    return toWkt(text)
  } catch (error) {
    if (!(error instanceof InvalidGeography)) throw error
    throw new RowFault(`Invalid geography: '${shown(text)}' on field ${name}: ${error.message}.`)
  }
}

/** Days since 1970-01-01. */
export function dateSink({ name, builder }: Place): (row: number, days: number, shownAs: string) => void {
  const out = builder as FixedColumn
  return (row, days, shownAs) => {
    if (!(days >= MIN_DATE_DAYS && days <= MAX_DATE_DAYS))
      throw new RowFault(`Date field value is out of range: ${shownAs} on field ${name}.`)
    out.setInt32(row, days)
  }
}

const DAY_MICROS = 86_400_000_000n

/** TIME since midnight, DATETIME since 1970-01-01T00:00, in microseconds. */
export function civilSink({ column, name, builder }: Place): (row: number, micros: bigint) => void {
  const out = builder as FixedColumn
  const isTime = column.type === 'TIME'
  const [min, max] = isTime ? [0n, DAY_MICROS - 1n] : [MIN_TIMESTAMP_MICROS, MAX_TIMESTAMP_MICROS]
  return (row, micros) => {
    if (micros < min || micros > max)
      throw new RowFault(`${isTime ? 'Time' : 'Datetime'} field value is out of range: ${micros} on field ${name}.`)
    out.setInt64(row, micros)
  }
}

/** Microseconds since the epoch and picoseconds above them, which only TIMESTAMP(12) columns keep. */
export function timestampSink({ column, name, builder }: Place): (row: number, micros: bigint, picos?: number) => void {
  const isPico = hasPicoseconds(column)
  return (row, micros, picos = 0) => {
    if (micros < MIN_TIMESTAMP_MICROS || micros > MAX_TIMESTAMP_MICROS)
      throw new RowFault(`Timestamp field value is out of range: ${micros} on field ${name}.`)
    if (isPico) (builder as TextColumn).setText(row, picoText(micros, picos))
    else (builder as FixedColumn).setInt64(row, micros)
  }
}

/** Parts as DuckDB lays INTERVALs out: months, days, microseconds. */
export function intervalSink({ name, builder }: Place): (row: number, parts: IntervalParts) => void {
  const out = builder as FixedColumn
  return (row, parts) => {
    if (!fitsInterval(parts))
      throw new RowFault(
        `Interval field value is out of range: ${parts.months} months ${parts.days} days ${parts.micros} microseconds on field ${name}.`,
      )
    out.setInterval(row, parts.months, parts.days, parts.micros)
  }
}

/** A RANGE whose bounds are both there must start before it ends. Throws RowFault. */
export function checkRange({ children, valid }: StructColumn, row: number, name: string): void {
  const [start, end] = children as [FixedColumn, FixedColumn]
  if (valid[row] === 0 || start.valid[row] === 0 || end.valid[row] === 0) return
  if (start.signedAt(row) >= end.signedAt(row))
    throw new RowFault(`Range start element must be less than range end element on field ${name}.`)
}

export const scaleOf = (column: Column): number => (column.type === 'BIGNUMERIC' ? BIGNUMERIC_SCALE : NUMERIC_SCALE)

/** A decimal scaled by 10^scaleOf(column), rounded to the column's own scale. */
export function decimalSink({ column, name, builder }: Place): (row: number, scaled: bigint) => void {
  const isBig = column.type === 'BIGNUMERIC'
  const scale = scaleOf(column)
  const fits = isBig ? fitsBignumeric : fitsNumeric
  const { precision, scale: ownScale = 0 } = column
  const limit = precision === undefined ? undefined : 10n ** BigInt(precision - ownScale + scale)
  const rounding = precision === undefined ? 1n : 10n ** BigInt(scale - ownScale)
  return (row, scaled) => {
    const rounded = rounding === 1n ? scaled : roundTo(scaled, rounding)
    if (!fits(rounded) || (limit !== undefined && (rounded >= limit || rounded <= -limit)))
      throw new RowFault(
        `Invalid ${column.type} value: ${shown(formatDecimal(scaled, scale))} is out of range on field ${name}.`,
      )
    if (isBig) (builder as TextColumn).setText(row, formatDecimal(rounded, scale))
    else (builder as FixedColumn).setInt128(row, rounded)
  }
}

function roundTo(scaled: bigint, step: bigint): bigint {
  const half = scaled < 0n ? -(step / 2n) : step / 2n
  return ((scaled + half) / step) * step
}

/** No literal of a date, time, number or interval is longer; reading one costs more than its length. */
const LITERAL_CHARS_MAX = 1000
const readIfShort = <V>(text: string, parse: (text: string) => V | undefined): V | undefined =>
  text.length > LITERAL_CHARS_MAX ? undefined : parse(text)

type LiteralSink = (row: number, text: string) => void

/** A value written out as text, for the types that have such a spelling; undefined for the others. */
export function literalSink(place: Place): LiteralSink | undefined {
  const { column, name } = place
  const parsed = <V>(
    word: string,
    parse: (text: string) => V | undefined,
    store: (row: number, value: V) => void,
  ): LiteralSink => {
    return (row, text) => {
      const value = readIfShort(text, parse)
      if (value === undefined) throw new RowFault(`Invalid ${word}: '${shown(text)}' on field ${name}.`)
      store(row, value)
    }
  }
  switch (column.type) {
    case 'STRING':
    case 'BYTES':
    case 'JSON':
    case 'GEOGRAPHY': {
      const sink = textSink(place)
      return (row, text) => {
        const bytes = Buffer.from(text)
        sink(row, bytes, 0, bytes.length)
      }
    }
    case 'DATE': {
      const sink = dateSink(place)
      return parsed('date', parseDate, (row, days) => sink(row, days, String(days)))
    }
    case 'TIME':
      return parsed('time', parseTime, civilSink(place))
    case 'DATETIME':
      return parsed('datetime', parseDatetime, civilSink(place))
    case 'TIMESTAMP': {
      const sink = timestampSink(place)
      if (!hasPicoseconds(column)) return parsed('timestamp', parseTimestamp, sink)
      return parsed('timestamp', parsePicoTimestamp, (row, { micros, picos }) => sink(row, micros, picos))
    }
    case 'NUMERIC':
    case 'BIGNUMERIC': {
      const sink = decimalSink(place)
      const scale = scaleOf(column)
      return (row, text) => {
        const scaled = readIfShort(text, short => parseDecimal(short, scale))
        if (scaled === undefined) throw new RowFault(`Invalid ${column.type} value: ${shown(text)} on field ${name}.`)
        sink(row, scaled)
      }
    }
    case 'INTERVAL':
      return parsed('interval', parseInterval, intervalSink(place))
    default:
      return undefined
  }
}
