// One JSON value into one column, the general way: exact, and refusing by a sentence. `valueWriter` picks the conversion for
// (column type, source schema); without a source schema the JSON token itself decides. The table of conversions is in README.
import type { ColumnType } from '@millrace/core'
import { type ConnectSchema, logicalTypeOf, type TimeUnit } from '../connect/connect-schema.ts'
import { decodeString, type JsonNode, parseJson } from '../json/json-tree.ts'
import type { ProtoWriter } from '../proto-writer.ts'
import { Refusal, unfit } from '../refusal.ts'
import { decodeBase64 } from './base64.ts'
import {
  floorDivide,
  inTimestampRange,
  MAX_DATE_DAYS,
  MICROS_PER_DAY,
  MIN_DATE_DAYS,
  microsToPackedDatetime,
  microsToPackedTime,
  parseDate,
  parseDatetime,
  parseTime,
  parseTimestamp,
} from './civil-time.ts'
import {
  BIGNUMERIC_RANGE,
  type DecimalRange,
  formatDecimal,
  fromTwosComplementBigEndian,
  INT64_RANGE,
  NUMERIC_RANGE,
  rescale,
  type ScaledOutcome,
  scaleDecimal,
  twosComplementLittleEndian,
} from './decimal.ts'

/** Where a value goes: its path for messages, its column type, its field number. */
export type Target = { readonly path: string; readonly type: ColumnType; readonly number: number }

/** Writes one non-null, non-repeated value with its tag, or throws a Refusal. */
export type ValueWriter = (writer: ProtoWriter, target: Target, bytes: Buffer, node: JsonNode) => void

/** The conversion of one value; null when the source type has no way into the column type. */
export function valueWriter(type: ColumnType, source: ConnectSchema | null): ValueWriter | null {
  if (source === null) return byColumn[type] ?? null
  const logical = logicalTypeOf(source)
  switch (logical?.kind) {
    case undefined:
      return plainValueWriter(type, source)
    case 'decimal':
      return decimalWriter(type, logical.scale)
    case 'variableScaleDecimal':
      return variableScaleDecimalWriter(type)
    case 'date':
      return dateWriter(type, source)
    case 'time':
      return timeWriter(type, source, logical.unit)
    case 'timestamp':
      return timestampWriter(type, source, logical.unit)
  }
}

// ── Without a source schema ─────────────────────────────────────────────────────────────────────────────────────────

const writeBool: ValueWriter = (writer, target, bytes, node) => {
  const text = node.kind === 'string' ? textOf(target, bytes, node).toLowerCase() : node.kind
  if (text !== 'true' && text !== 'false') throw unfit(target.path, target.type, `${nameOf(node)} is not a BOOL.`)
  writer.bool(target.number, text === 'true')
}

const writeInt64: ValueWriter = (writer, target, bytes, node) => {
  writer.int64(target.number, integerOf(target, bytes, node))
}

const writeFloat64: ValueWriter = (writer, target, bytes, node) => {
  writer.double(target.number, doubleOf(target, bytes, node))
}

const numericWriter =
  (range: DecimalRange): ValueWriter =>
  (writer, target, bytes, node) => {
    if (node.kind !== 'number' && node.kind !== 'string') throw notA(target, node)
    const outcome = scaleDecimal(textOf(target, bytes, node), range)
    // A JSON number with many digits is a printed double; a string was meant to the last digit.
    const unscaled = exactOf(target, outcome, range, node.kind === 'number')
    writer.byteString(target.number, twosComplementLittleEndian(unscaled))
  }

const writeString: ValueWriter = (writer, target, bytes, node) => {
  if (node.kind === 'array' || node.kind === 'object') throw notA(target, node)
  writer.string(target.number, textOf(target, bytes, node))
}

const writeBytes: ValueWriter = (writer, target, bytes, node) => {
  if (node.kind !== 'string') throw notA(target, node)
  writer.byteString(target.number, base64Of(target, bytes, node))
}

const writeDate: ValueWriter = (writer, target, bytes, node) => {
  if (node.kind === 'number') return writeDays(writer, target, integerOf(target, bytes, node))
  const days = node.kind === 'string' ? parseDate(textOf(target, bytes, node)) : null
  if (days === null) throw unfit(target.path, target.type, `${nameOf(node)} is not a date YYYY-MM-DD.`)
  writeDays(writer, target, BigInt(days))
}

const civilWriter =
  (parse: (text: string) => bigint | null, form: string): ValueWriter =>
  (writer, target, bytes, node) => {
    const packed = node.kind === 'string' ? parse(textOf(target, bytes, node)) : null
    if (packed === null) throw unfit(target.path, target.type, `${nameOf(node)} is not of the form ${form}.`)
    writer.int64(target.number, packed)
  }

const writeTimestamp: ValueWriter = (writer, target, bytes, node) => {
  if (node.kind === 'number') return writeTimestampMicros(writer, target, integerOf(target, bytes, node))
  const micros = node.kind === 'string' ? parseTimestamp(textOf(target, bytes, node)) : null
  if (micros === null) {
    throw unfit(target.path, target.type, `${nameOf(node)} is not an RFC 3339 timestamp of years 0001 to 9999.`)
  }
  writer.int64(target.number, micros)
}

/** A string must itself be a JSON document; anything else is taken as it stands in the record, byte by byte. */
const writeJson: ValueWriter = (writer, target, bytes, node) => {
  if (node.kind !== 'string') return writer.byteString(target.number, bytes.subarray(node.start, node.end))
  const document = Buffer.from(textOf(target, bytes, node), 'utf8')
  try {
    parseJson(document, 0, document.length)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    throw unfit(target.path, target.type, 'a string is not a JSON document.')
  }
  writer.byteString(target.number, document)
}

const byColumn: Readonly<Partial<Record<ColumnType, ValueWriter>>> = {
  BOOL: writeBool,
  INT64: writeInt64,
  FLOAT64: writeFloat64,
  NUMERIC: numericWriter(NUMERIC_RANGE),
  BIGNUMERIC: numericWriter(BIGNUMERIC_RANGE),
  STRING: writeString,
  BYTES: writeBytes,
  DATE: writeDate,
  TIME: civilWriter(parseTime, 'HH:MM:SS[.ffffff]'),
  DATETIME: civilWriter(parseDatetime, 'YYYY-MM-DDTHH:MM:SS[.ffffff]'),
  TIMESTAMP: writeTimestamp,
  JSON: writeJson,
}

// ── With a source schema ────────────────────────────────────────────────────────────────────────────────────────────

const INTEGER_BITS: Readonly<Partial<Record<ConnectSchema['type'], bigint>>> = {
  int8: 8n,
  int16: 16n,
  int32: 32n,
  int64: 64n,
}

/** Columns each plain source type may go to, converted as if it had no schema once its token is the right one. */
const COLUMNS_OF: Readonly<Record<ConnectSchema['type'], readonly ColumnType[]>> = {
  int8: ['INT64', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'STRING', 'JSON', 'TIMESTAMP', 'DATE'],
  int16: ['INT64', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'STRING', 'JSON', 'TIMESTAMP', 'DATE'],
  int32: ['INT64', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'STRING', 'JSON', 'TIMESTAMP', 'DATE'],
  int64: ['INT64', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'STRING', 'JSON', 'TIMESTAMP', 'DATE'],
  float: ['INT64', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'STRING', 'JSON'],
  double: ['INT64', 'FLOAT64', 'NUMERIC', 'BIGNUMERIC', 'STRING', 'JSON'],
  boolean: ['BOOL', 'STRING', 'JSON'],
  string: [
    'BOOL',
    'INT64',
    'FLOAT64',
    'NUMERIC',
    'BIGNUMERIC',
    'STRING',
    'BYTES',
    'DATE',
    'TIME',
    'DATETIME',
    'TIMESTAMP',
    'JSON',
  ],
  bytes: ['BYTES'],
  struct: ['JSON'],
  array: ['JSON'],
  map: ['JSON'],
}

function plainValueWriter(type: ColumnType, source: ConnectSchema): ValueWriter | null {
  const write = byColumn[type]
  if (write === undefined || !COLUMNS_OF[source.type].includes(type)) return null
  return (writer, target, bytes, node) => {
    checkToken(source, target, bytes, node)
    write(writer, target, bytes, node)
  }
}

/** The token is what the source schema says; integers are in the range of their type. */
export function checkToken(source: ConnectSchema, target: Target, bytes: Buffer, node: JsonNode): void {
  const bits = INTEGER_BITS[source.type]
  if (!tokenFits(source, bytes, node)) {
    throw new Refusal(
      'VALUE_CONVERTER',
      target.path,
      `Field ${target.path}: ${nameOf(node)} where the record's schema says ${source.type}.`,
    )
  }
  if (bits === undefined) return
  const value = integerOf(target, bytes, node)
  if (BigInt.asIntN(Number(bits), value) !== value) {
    throw new Refusal('VALUE_CONVERTER', target.path, `Field ${target.path}: a number beyond ${source.type}.`)
  }
}

function tokenFits(source: ConnectSchema, bytes: Buffer, node: JsonNode): boolean {
  switch (source.type) {
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      return node.kind === 'number'
    case 'float':
    case 'double':
      // JsonConverter prints what JSON has no number for as a string.
      return node.kind === 'number' || (node.kind === 'string' && /^"(?:NaN|-?Infinity)"$/.test(rawText(bytes, node)))
    case 'boolean':
      return node.kind === 'true' || node.kind === 'false'
    case 'string':
    case 'bytes':
      return node.kind === 'string'
    case 'struct':
      return node.kind === 'object'
    case 'array':
      return node.kind === 'array'
    case 'map':
      return node.kind === (source.keys?.type === 'string' ? 'object' : 'array')
  }
}

/** Connect's Decimal: base64 of the unscaled value, or a number (decimal.format=NUMERIC). */
function decimalWriter(type: ColumnType, scale: number): ValueWriter | null {
  const write = decimalColumn(type)
  return (
    write &&
    ((writer, target, bytes, node) => {
      if (node.kind === 'number') return write(writer, target, decimalOfNumber(target, rawText(bytes, node)))
      if (node.kind !== 'string') throw notDecimal(target)
      write(writer, target, { unscaled: unscaledOf(target, bytes, node), scale })
    })
  )
}

/** Debezium's struct {scale: int32, value: bytes}; into a STRUCT column it goes as the struct it is. */
function variableScaleDecimalWriter(type: ColumnType): ValueWriter | null {
  const write = decimalColumn(type)
  return (
    write &&
    ((writer, target, bytes, node) => {
      const value = node.kind === 'object' ? node.members.get('value') : undefined
      const scaleNode = node.kind === 'object' ? node.members.get('scale') : undefined
      if (value?.kind !== 'string' || scaleNode?.kind !== 'number') throw notDecimal(target)
      const scale = Number(integerOf(target, bytes, scaleNode))
      if (Math.abs(scale) > 1_000) throw notDecimal(target)
      write(writer, target, { unscaled: unscaledOf(target, bytes, value), scale })
    })
  )
}

type Decimal = { readonly unscaled: bigint; readonly scale: number }
type DecimalWriter = (writer: ProtoWriter, target: Target, decimal: Decimal) => void

/** Unscaled values longer than this are refused before they are printed: printing a huge bigint is quadratic. */
const MAX_DECIMAL_BYTES = 512

function decimalColumn(type: ColumnType): DecimalWriter | null {
  const exact =
    (range: DecimalRange, write: (writer: ProtoWriter, number: number, unscaled: bigint) => void): DecimalWriter =>
    (writer, target, decimal) =>
      write(writer, target.number, exactOf(target, rescale(decimal.unscaled, decimal.scale, range), range, false))
  const asBytes = (writer: ProtoWriter, number: number, unscaled: bigint): void =>
    writer.byteString(number, twosComplementLittleEndian(unscaled))
  switch (type) {
    case 'NUMERIC':
      return exact(NUMERIC_RANGE, asBytes)
    case 'BIGNUMERIC':
      return exact(BIGNUMERIC_RANGE, asBytes)
    case 'INT64':
      return exact(INT64_RANGE, (writer, number, unscaled) => writer.int64(number, unscaled))
    case 'FLOAT64':
      return (writer, target, decimal) =>
        writer.double(target.number, finite(target, Number(`${decimal.unscaled}e${-decimal.scale}`)))
    case 'STRING':
      return (writer, target, decimal) => writer.string(target.number, formatDecimal(decimal.unscaled, decimal.scale))
    default:
      return null
  }
}

function unscaledOf(target: Target, bytes: Buffer, node: JsonNode): bigint {
  const unscaled = base64Of(target, bytes, node)
  if (unscaled.length > MAX_DECIMAL_BYTES) throw unfit(target.path, target.type, 'a number out of range.')
  return fromTwosComplementBigEndian(unscaled)
}

function decimalOfNumber(target: Target, text: string): Decimal {
  const match = /^(-?[0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/.exec(text)
  const scale = (match?.[2]?.length ?? 0) - Number(match?.[3] ?? 0)
  if (match === null || text.length > MAX_DECIMAL_BYTES || Math.abs(scale) > 1_000) throw notDecimal(target)
  return { unscaled: BigInt(match[1]! + (match[2] ?? '')), scale }
}

/** Days since the epoch. */
function dateWriter(type: ColumnType, source: ConnectSchema): ValueWriter | null {
  return integerWriter(type, source, {
    DATE: (writer, target, days) => writeDays(writer, target, days),
    TIMESTAMP: (writer, target, days) => writeTimestampMicros(writer, target, days * MICROS_PER_DAY),
    DATETIME: (writer, target, days) => writeDatetimeMicros(writer, target, days * MICROS_PER_DAY),
  })
}

/** Time since midnight. */
function timeWriter(type: ColumnType, source: ConnectSchema, unit: TimeUnit): ValueWriter | null {
  return integerWriter(type, source, {
    TIME: (writer, target, value) => {
      const packed = microsToPackedTime(toMicros(value, unit))
      if (packed === null) throw unfit(target.path, target.type, 'a time outside one day.')
      writer.int64(target.number, packed)
    },
  })
}

/** Time since the epoch; Debezium's zone-less timestamps mean UTC, so both TIMESTAMP and DATETIME make sense. */
function timestampWriter(type: ColumnType, source: ConnectSchema, unit: TimeUnit): ValueWriter | null {
  return integerWriter(type, source, {
    TIMESTAMP: (writer, target, value) => writeTimestampMicros(writer, target, toMicros(value, unit)),
    DATETIME: (writer, target, value) => writeDatetimeMicros(writer, target, toMicros(value, unit)),
  })
}

type IntegerWriters = Readonly<
  Partial<Record<ColumnType, (writer: ProtoWriter, target: Target, value: bigint) => void>>
>

/** An INT64 column takes the integer as it is (convertDebeziumTimestampToInteger and tables made by hand). */
function integerWriter(type: ColumnType, source: ConnectSchema, writers: IntegerWriters): ValueWriter | null {
  const write: IntegerWriters[ColumnType] =
    type === 'INT64' ? (writer, target, value) => writer.int64(target.number, value) : writers[type]
  if (write === undefined) return null
  return (writer, target, bytes, node) => {
    checkToken(source, target, bytes, node)
    write(writer, target, integerOf(target, bytes, node))
  }
}

const toMicros = (value: bigint, unit: TimeUnit): bigint =>
  unit === 'millis' ? value * 1_000n : unit === 'micros' ? value : floorDivide(value, 1_000n)

// ── Shared ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const rawText = (bytes: Buffer, node: JsonNode): string => bytes.toString('latin1', node.start, node.end)

/** The text of a scalar: content of a string, else the token itself. */
function textOf(target: Target, bytes: Buffer, node: JsonNode): string {
  if (node.kind !== 'string') return rawText(bytes, node)
  const text = decodeString(bytes, node.start, node.end)
  if (text === null)
    throw unfit(target.path, target.type, 'a string holds half of a surrogate pair, which UTF-8 cannot.')
  return text
}

/** Longest integer text worth reading: sign and digits, leading zeros included. */
const MAX_INTEGER_TEXT = 64

function integerOf(target: Target, bytes: Buffer, node: JsonNode): bigint {
  if (node.kind !== 'number' && node.kind !== 'string') throw notA(target, node)
  const text = textOf(target, bytes, node)
  const plain = text.length <= MAX_INTEGER_TEXT && /^-?[0-9]+$/.test(text)
  if (node.kind === 'string' && !plain) throw unfit(target.path, target.type, 'a string is not an integer.')
  const outcome: ScaledOutcome = scaleDecimal(text, INT64_RANGE)
  if (outcome.kind === 'exact') return outcome.unscaled
  if (outcome.kind === 'rounded') throw unfit(target.path, target.type, 'a number is not a whole number.')
  throw unfit(target.path, target.type, 'a number is beyond 64 bits.')
}

const NUMBER_TEXT = /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/
const SPECIAL_TEXT = /^([+-]?)(nan|inf|infinity)$/i

function doubleOf(target: Target, bytes: Buffer, node: JsonNode): number {
  if (node.kind === 'number') return finite(target, Number(rawText(bytes, node)))
  if (node.kind !== 'string') throw notA(target, node)
  const text = textOf(target, bytes, node)
  const special = SPECIAL_TEXT.exec(text)
  if (special !== null) {
    if (special[2]!.toLowerCase() === 'nan') return Number.NaN
    return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  }
  if (!NUMBER_TEXT.test(text)) throw unfit(target.path, target.type, 'a string is not a number.')
  return finite(target, Number(text))
}

function finite(target: Target, value: number): number {
  if (!Number.isFinite(value)) throw unfit(target.path, target.type, 'a number is beyond 64-bit floating point.')
  return value
}

function exactOf(target: Target, outcome: ScaledOutcome, range: DecimalRange, mayRound: boolean): bigint {
  switch (outcome.kind) {
    case 'exact':
      return outcome.unscaled
    case 'rounded':
      if (mayRound) return outcome.unscaled
      throw unfit(target.path, target.type, `more than ${range.scale} digits after the point.`)
    case 'outOfRange':
      throw unfit(target.path, target.type, 'a number out of range.')
    case 'malformed':
      throw unfit(target.path, target.type, 'a string is not a decimal number.')
  }
}

function base64Of(target: Target, bytes: Buffer, node: JsonNode): Uint8Array {
  const decoded = decodeBase64(textOf(target, bytes, node))
  if (decoded === null) throw unfit(target.path, target.type, 'a string is not base64.')
  return decoded
}

function writeDays(writer: ProtoWriter, target: Target, days: bigint): void {
  if (days < BigInt(MIN_DATE_DAYS) || days > BigInt(MAX_DATE_DAYS)) {
    throw unfit(target.path, target.type, 'a date outside years 0001 to 9999.')
  }
  writer.int64(target.number, days)
}

function writeTimestampMicros(writer: ProtoWriter, target: Target, micros: bigint): void {
  if (inTimestampRange(micros) === null)
    throw unfit(target.path, target.type, 'a timestamp outside years 0001 to 9999.')
  writer.int64(target.number, micros)
}

function writeDatetimeMicros(writer: ProtoWriter, target: Target, micros: bigint): void {
  const packed = microsToPackedDatetime(micros)
  if (packed === null) throw unfit(target.path, target.type, 'a timestamp outside years 0001 to 9999.')
  writer.int64(target.number, packed)
}

const notA = (target: Target, node: JsonNode): Refusal =>
  unfit(target.path, target.type, `${nameOf(node)} cannot become a ${target.type}.`)

const notDecimal = (target: Target): Refusal =>
  new Refusal('VALUE_CONVERTER', target.path, `Field ${target.path}: not a Decimal as the record's schema says.`)

/** A value by its kind, for messages. */
export function nameOf(node: JsonNode): string {
  switch (node.kind) {
    case 'true':
    case 'false':
      return 'a boolean'
    case 'array':
    case 'object':
      return `an ${node.kind}`
    case 'null':
      return 'null'
    default:
      return `a ${node.kind}`
  }
}
