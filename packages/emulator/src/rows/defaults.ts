// Default expressions of columns: checked when a table is made, compiled into what fills a row's absent column.
// https://cloud.google.com/bigquery/docs/default-values — top-level columns only; CURRENT_* is the emulator's clock at the request,
// GENERATE_UUID() and RAND() are drawn for each row.
import { randomUUID } from 'node:crypto'
import { type Column, InvalidSchema, rangeBounds } from '../catalog/table-schema.ts'
import type { ColumnBuilder, FixedColumn, ListColumn, StructColumn } from './columns.ts'
import { type DefaultValue, parseDefault, UnusableDefault } from './default-expression.ts'
import { geogPoint, InvalidGeography } from './geography.ts'
import { rangeTexts } from './range-text.ts'
import { builderFor } from './row-batch.ts'
import {
  checkRange,
  civilSink,
  dateSink,
  intervalSink,
  literalSink,
  type Place,
  RowFault,
  timestampSink,
} from './sinks.ts'
import type { TextColumn } from './text-column.ts'

/** Whom SESSION_USER() names: there are no users here. */
export const SESSION_USER = 'emulator@localhost'

/** Fills row `row` of the builder it was compiled for; `nowMicros` is the request's time. Throws RowFault. */
export type FillDefault = (row: number, nowMicros: bigint) => void

/** Throws InvalidSchema, naming the column, for a default this emulator cannot take. Called before a column becomes part of a table. */
export function checkDefault(column: Column): void {
  for (const field of column.fields) refuseNested(field, column.name)
  if (column.defaultExpression === undefined) return
  try {
    const value = parseDefault(column.defaultExpression)
    if (value.kind === 'null' && column.mode === 'REQUIRED')
      throw new UnusableDefault('a REQUIRED column cannot be NULL by default')
    // Tried once, so that a text too long or a date out of range shows now and not with every row.
    const builder = builderFor(column)
    builder.ensure(0)
    compileValue(value, { column, name: column.name, builder })(0, 0n)
  } catch (error) {
    if (!(error instanceof UnusableDefault || error instanceof RowFault)) throw error
    throw new InvalidSchema(
      `Invalid default value expression for column ${column.name}: ${column.defaultExpression.slice(0, 200)}: ${error.message}`,
    )
  }
}

/** BigQuery: "setting default values for a subset of a STRUCT's fields is not supported". */
function refuseNested(field: Column, path: string): void {
  const name = `${path}.${field.name}`
  if (field.defaultExpression !== undefined)
    throw new InvalidSchema(`Field ${name}: only top-level columns can have a defaultValueExpression`)
  for (const inner of field.fields) refuseNested(inner, name)
}

/** What fills the column when a row leaves it out; undefined without a default expression. The expression was checked before. */
export function compileDefault(column: Column, builder: ColumnBuilder): FillDefault | undefined {
  if (column.defaultExpression === undefined) return undefined
  return compileValue(parseDefault(column.defaultExpression), { column, name: column.name, builder })
}

function compileValue(value: DefaultValue, place: Place): FillDefault {
  const { column, builder } = place
  if (value.kind === 'null') return () => {}
  if (column.mode === 'REPEATED') {
    if (value.kind !== 'array') throw mismatch(value, `ARRAY<${column.type}>`)
    const list = builder as ListColumn
    const element: Place = { column: { ...column, mode: 'NULLABLE' }, name: place.name, builder: list.child }
    if (value.items.some(item => item.kind === 'null')) throw new UnusableDefault('an ARRAY cannot hold NULL')
    const fills = value.items.map(item => compileValue(item, element))
    return (row, nowMicros) => {
      for (const fill of fills) fill(list.push(row), nowMicros)
    }
  }
  if (value.kind === 'call') return compileCall(value, place)
  if (column.type === 'STRUCT') {
    if (value.kind !== 'struct' || value.items.length !== column.fields.length) throw mismatch(value, 'STRUCT')
    const struct = builder as StructColumn
    const fills = column.fields.map((field, index) =>
      compileValue(value.items[index]!, {
        column: field,
        name: `${place.name}.${field.name}`,
        builder: struct.children[index]!,
      }),
    )
    return (row, nowMicros) => {
      struct.valid[row] = 1
      for (const fill of fills) fill(row, nowMicros)
    }
  }
  return compileScalar(value, place)
}

/** What a literal may become: itself, and what BigQuery coerces literals to. */
function compileScalar(value: DefaultValue, place: Place): FillDefault {
  const { column, builder } = place
  const { type } = column
  if (type === 'RANGE') return compileRange(value, place)
  switch (value.kind) {
    case 'bool':
      if (type === 'BOOL') return row => (builder as FixedColumn).setByte(row, value.value ? 1 : 0)
      break
    case 'int':
      if (type === 'INT64') return int64(value.value, builder as FixedColumn)
      if (type === 'FLOAT64') return row => (builder as FixedColumn).setDouble(row, Number(value.value))
      if (type === 'NUMERIC' || type === 'BIGNUMERIC') return literal(String(value.value), place)
      break
    case 'float':
      if (type === 'FLOAT64') return row => (builder as FixedColumn).setDouble(row, value.value)
      if (type === 'NUMERIC' || type === 'BIGNUMERIC') return literal(value.text, place)
      break
    case 'string':
      if (type === 'STRING' || isCivil(type)) return literal(value.text, place)
      break
    case 'bytes':
      if (type === 'BYTES') return bytesDefault(value.bytes, place)
      break
    case 'interval':
      if (type === 'INTERVAL') return row => intervalSink(place)(row, value.value)
      break
    case 'typed':
      return compileTyped(value.type, value.text, place) ?? refuse(value, type)
    case 'null':
    case 'array':
    case 'struct':
    case 'call':
      break
  }
  return refuse(value, type)
}

const isCivil = (type: string): boolean => ['DATE', 'TIME', 'DATETIME', 'TIMESTAMP'].includes(type)

/** `DATE '…'` and CASTs of literals: the stated type must be the column's, or one BigQuery widens into it. */
function compileTyped(stated: string, text: string, place: Place): FillDefault | undefined {
  const { column, builder } = place
  const { type } = column
  const name = /^(INT|INTEGER|SMALLINT|BIGINT|TINYINT|BYTEINT)$/.test(stated)
    ? 'INT64'
    : stated === 'BOOLEAN'
      ? 'BOOL'
      : stated
  const widens =
    name === type ||
    (name === 'DATE' && (type === 'DATETIME' || type === 'TIMESTAMP')) ||
    (name === 'DATETIME' && type === 'TIMESTAMP') ||
    (name === 'NUMERIC' && type === 'BIGNUMERIC') ||
    (name === 'INT64' && ['FLOAT64', 'NUMERIC', 'BIGNUMERIC'].includes(type)) ||
    ((name === 'NUMERIC' || name === 'BIGNUMERIC') && type === 'FLOAT64')
  if (!widens) return undefined
  if (name === 'INT64' && !/^[+-]?\d{1,19}$/.test(text)) throw new UnusableDefault(`'${text.slice(0, 50)}' is no INT64`)
  if (type === 'INT64') return int64(BigInt(text), builder as FixedColumn)
  if (type === 'BOOL') {
    const word = text.toLowerCase()
    if (word !== 'true' && word !== 'false') throw new UnusableDefault(`'${text.slice(0, 50)}' is no BOOL`)
    return row => (builder as FixedColumn).setByte(row, word === 'true' ? 1 : 0)
  }
  if (type === 'FLOAT64') {
    const number = floatOf(text)
    return row => (builder as FixedColumn).setDouble(row, number)
  }
  if (type === 'BYTES') return bytesDefault(Buffer.from(text), place)
  return literal(text, place)
}

function floatOf(text: string): number {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text.trim())
  if (special) return /nan/i.test(special[2]!) ? Number.NaN : special[1] === '-' ? -Infinity : Infinity
  const number = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isNaN(number)) throw new UnusableDefault(`'${text.slice(0, 50)}' is no FLOAT64`)
  return number
}

function int64(value: bigint, builder: FixedColumn): FillDefault {
  if (BigInt.asIntN(64, value) !== value) throw new UnusableDefault(`${value} is out of the range of INT64`)
  return row => builder.setInt64(row, value)
}

function literal(text: string, place: Place): FillDefault {
  const sink = literalSink(place)
  if (!sink) throw new UnusableDefault(`a text does not go into ${place.column.type}`)
  return row => sink(row, text)
}

function bytesDefault(bytes: Buffer, { column, builder }: Place): FillDefault {
  if (bytes.length > (column.maxLength ?? Infinity))
    throw new UnusableDefault(`${bytes.length} bytes are more than the column's ${column.maxLength}`)
  return row => (builder as TextColumn).set(row, bytes, 0, bytes.length)
}

/** `RANGE<DATE> '[2020-01-01, UNBOUNDED)'`. */
function compileRange(value: DefaultValue, { column, name, builder }: Place): FillDefault {
  if (value.kind !== 'typed' || value.type !== `RANGE<${column.rangeElementType}>`)
    throw mismatch(value, `RANGE<${column.rangeElementType}>`)
  const texts = rangeTexts(value.text)
  if (!texts) throw new UnusableDefault("a RANGE is spelled '[start, end)'")
  const struct = builder as StructColumn
  const fills = rangeBounds(column).map((bound, index) => {
    const text = texts[index]
    if (text === undefined) return () => {}
    return literal(text, { column: bound, name: `${name}.${bound.name}`, builder: struct.children[index]! })
  })
  return (row, nowMicros) => {
    struct.valid[row] = 1
    for (const fill of fills) fill(row, nowMicros)
    checkRange(struct, row, name)
  }
}

function compileCall(value: DefaultValue & { kind: 'call' }, place: Place): FillDefault {
  const { column, builder } = place
  const { type } = column
  switch (value.name) {
    case 'GENERATE_UUID':
      if (type === 'STRING') return row => literalSink(place)!(row, randomUUID())
      break
    case 'SESSION_USER':
      if (type === 'STRING') return literal(SESSION_USER, place)
      break
    case 'RAND':
      if (type === 'FLOAT64') return row => (builder as FixedColumn).setDouble(row, Math.random())
      break
    case 'ST_GEOGPOINT':
      if (type === 'GEOGRAPHY') return literal(pointOf(value.args), place)
      break
    case 'CURRENT_TIMESTAMP':
      if (type === 'TIMESTAMP') {
        const sink = timestampSink(place)
        return (row, nowMicros) => sink(row, nowMicros)
      }
      break
    case 'CURRENT_DATETIME':
      if (type === 'DATETIME') {
        const sink = civilSink(place)
        return (row, nowMicros) => sink(row, nowMicros)
      }
      break
    case 'CURRENT_TIME':
      if (type === 'TIME') {
        const sink = civilSink(place)
        return (row, nowMicros) => sink(row, nowMicros % DAY_MICROS)
      }
      break
    case 'CURRENT_DATE':
      if (type === 'DATE') {
        const sink = dateSink(place)
        return (row, nowMicros) => sink(row, Number(nowMicros / DAY_MICROS), '')
      }
      if (type === 'DATETIME' || type === 'TIMESTAMP') {
        const sink = type === 'DATETIME' ? civilSink(place) : timestampSink(place)
        return (row, nowMicros) => sink(row, nowMicros - (nowMicros % DAY_MICROS))
      }
      break
  }
  return refuse(value, type)
}

const DAY_MICROS = 86_400_000_000n

function pointOf(args: readonly DefaultValue[]): string {
  const [longitude, latitude] = args.map(arg =>
    arg.kind === 'int' || arg.kind === 'float' ? Number(arg.value) : Number.NaN,
  )
  try {
    return geogPoint(longitude!, latitude!)
  } catch (error) {
    if (!(error instanceof InvalidGeography)) throw error
    throw new UnusableDefault(error.message)
  }
}

const mismatch = (value: DefaultValue, wanted: string): UnusableDefault =>
  new UnusableDefault(`it is ${kindText(value)}, the column ${wanted}`)

function refuse(value: DefaultValue, wanted: string): never {
  throw mismatch(value, wanted)
}

function kindText(value: DefaultValue): string {
  if (value.kind === 'call') return `${value.name}()`
  return value.kind === 'typed' ? value.type : value.kind.toUpperCase()
}
