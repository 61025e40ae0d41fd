// Random tables and random JSON aimed at them: mostly usual, often unusual, sometimes broken.
import type { Column, ColumnType, TableSchema } from '@millrace/core'
import fc from 'fast-check'

const SCALARS: readonly ColumnType[] = [
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
  'GEOGRAPHY',
]
const NAMES = [
  'id',
  'Name',
  'a-b',
  'naïve',
  'x_1',
  'origin',
  'value',
  'f',
  'long_column_name_that_takes_a_while',
  '1st',
]

const mode = fc.constantFrom<Column['mode']>('NULLABLE', 'NULLABLE', 'NULLABLE', 'REQUIRED', 'REPEATED')

function columnsAt(depth: number): fc.Arbitrary<Column[]> {
  const type: fc.Arbitrary<ColumnType> =
    depth >= 3
      ? fc.constantFrom(...SCALARS)
      : fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...SCALARS) }, fc.constant('STRUCT' as const))
  return fc
    .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 6 })
    .chain(names =>
      fc.tuple(...names.map(name => fc.tuple(fc.constant(name), type, mode).chain(column => columnOf(column, depth)))),
    )
}

function columnOf([name, type, columnMode]: [string, ColumnType, Column['mode']], depth: number): fc.Arbitrary<Column> {
  const writable = type === 'GEOGRAPHY' && columnMode === 'REQUIRED' ? 'NULLABLE' : columnMode
  if (type !== 'STRUCT') return fc.constant({ name, type, mode: writable })
  return columnsAt(depth + 1)
    .filter(fields => fields.some(field => field.type !== 'GEOGRAPHY'))
    .map(fields => ({ name, type, mode: columnMode, fields }))
}

export const tableSchema: fc.Arbitrary<TableSchema> = columnsAt(0)
  .filter(columns => columns.some(column => column.type !== 'GEOGRAPHY'))
  .map(columns => ({ columns }))

const digits = (max: number): fc.Arbitrary<string> => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`))
const integerText = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.bigInt({ min: 2n ** 53n - 9n, max: 2n ** 53n + 9n }).map(String),
  fc.bigInt({ min: 2n ** 63n - 3n, max: 2n ** 63n + 3n }).map(String),
  fc.bigInt({ min: -(2n ** 63n) - 3n, max: -(2n ** 63n) + 3n }).map(String),
  fc.constantFrom(
    '0',
    '-0',
    '127',
    '128',
    '-1',
    '1.0',
    '1e3',
    '10E-1',
    '9007199254740993',
    '2147483648',
    '01',
    '1.',
    '-',
    '4294967296',
  ),
)
const decimalText = fc.oneof(
  integerText,
  fc.double().map(value => JSON.stringify(value)),
  fc
    .tuple(fc.constantFrom('', '-'), digits(31), digits(40))
    .map(([sign, a, b]) => `${sign}${a.replace(/^0+(?=.)/, '')}.${b}`),
  fc
    .tuple(fc.constantFrom('', '-'), digits(6), digits(9))
    .map(([sign, a, b]) => `${sign}${a.replace(/^0+(?=.)/, '')}.${b}`),
  fc.tuple(digits(3), fc.integer({ min: -420, max: 420 })).map(([a, e]) => `${a.replace(/^0+(?=.)/, '')}e${e}`),
  fc.constantFrom('1e400', '-1e400', '1e-400', '0.0', '-0.0', '1e999999999999', '0e5', '1E+2', '.5', '+1', 'NaN'),
)
const pad = (value: number, width: number): string => String(value).padStart(width, '0')
const dateText = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 0, max: 13 }), fc.integer({ min: 0, max: 32 }))
    .map(([y, m, d]) => `${pad(y, 4)}-${pad(m, 2)}-${pad(d, 2)}`),
  fc.constantFrom(
    '2024-02-29',
    '2023-02-29',
    '1900-02-29',
    '2000-02-29',
    '0001-01-01',
    '9999-12-31',
    '2024-1-5',
    '2024-01-05x',
  ),
)
const fraction = fc.oneof(
  fc.constant(''),
  digits(11).map(text => `.${text}`),
  fc.constantFrom('.', '.000001', '.5'),
)
const timeText = fc.oneof(
  fc
    .tuple(fc.integer({ min: 0, max: 24 }), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }), fraction)
    .map(([h, m, s, f]) => `${pad(h, 2)}:${pad(m, 2)}:${pad(s, 2)}${f}`),
  fc.constantFrom('10:20', '1:02:03', '23:59:59.999999', '10:20:30.'),
)
const datetimeText = fc
  .tuple(dateText, fc.constantFrom('T', 'T', ' ', 't', '', 'x'), timeText)
  .map(parts => parts.join(''))
const timestampText = fc
  .tuple(
    fc.oneof(datetimeText, dateText),
    fc.constantFrom('Z', 'Z', '', '+01:00', '-08:30', '+0530', ' UTC', 'z', '+24:00', '-05', '+1:00', 'Q'),
  )
  .map(parts => parts.join(''))

const quoted = (text: fc.Arbitrary<string>): fc.Arbitrary<string> => text.map(value => JSON.stringify(value))
/** Strings in several spellings: with escapes that JSON.stringify would not write, and with some that no JSON has. */
const stringToken = fc.oneof(
  quoted(fc.string({ unit: 'grapheme', maxLength: 200 })),
  quoted(fc.string({ unit: 'binary', maxLength: 20 })),
  quoted(fc.string({ unit: 'grapheme-ascii', minLength: 120, maxLength: 140 })),
  fc.constantFrom(
    '"\\u0041\\/\\b\\f\\n\\r\\t\\"\\\\"',
    '"\\ud83d\\ude00"',
    '"\\ud83d"',
    '"\\ude00x"',
    '"\\ud83d\\u0041"',
    '"\\x"',
    '"\\u12g4"',
    '""',
    '"tab\there"',
    '"\u007f\u0080\uffff\u{10ffff}"',
    '"[1,2]"',
    '"{\\"a\\":1}"',
    '"\\u0000"',
  ),
)
const base64Token = fc.oneof(
  quoted(fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes).toString('base64'))),
  quoted(fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes).toString('base64').replaceAll('=', ''))),
  fc.constantFrom('"A"', '"AA=="', '"AA="', '"AA\\/="', '"AAA="', '"AAAA===="', '"AA==AA=="', '"A-_A"', '"AB"'),
)
const anyJson = fc.json({ maxDepth: 3 })
const boolToken = fc.constantFrom('true', 'false', '"true"', '"FALSE"', '1', '"yes"', 'tru', 'falsey')

/** Values that convert, in every spelling the README allows. */
function validToken(column: Column): fc.Arbitrary<string> {
  const day = fc.date({
    min: new Date('0001-01-02T00:00:00Z'),
    max: new Date('9999-12-30T00:00:00Z'),
    noInvalidDate: true,
  })
  const date = day.map(value => value.toISOString().slice(0, 10))
  const time = fc
    .tuple(fc.integer({ min: 0, max: 86_399_999 }), fc.constantFrom(8, 12, 15))
    .map(([ms, length]) => `${new Date(ms).toISOString().slice(11, 23)}789`.slice(0, length))
  const between = (min: bigint, max: bigint): fc.Arbitrary<string> => fc.bigInt({ min, max }).map(String)
  switch (column.type) {
    case 'BOOL':
      return fc.constantFrom('true', 'false')
    case 'INT64':
      return fc.oneof(
        fc.integer().map(String),
        between(-(2n ** 63n), 2n ** 63n - 1n),
        between(-(10n ** 16n), 10n ** 16n),
      )
    case 'FLOAT64':
      return fc.oneof(
        fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => JSON.stringify(value)),
        fc.tuple(fc.integer(), digits(9)).map(([a, b]) => `${a}.${b}`),
      )
    case 'NUMERIC':
      return fc.oneof(
        fc.tuple(fc.integer({ min: -99_999, max: 99_999 }), digits(9)).map(([a, b]) => `${a}.${b}`),
        fc.tuple(between(-(10n ** 29n) + 1n, 10n ** 29n - 1n), digits(9)).map(([a, b]) => `${a}.${b}`),
        between(-(10n ** 15n), 10n ** 15n),
      )
    case 'BIGNUMERIC':
      return fc.tuple(between(-(10n ** 38n), 10n ** 38n), digits(38)).map(([a, b]) => `${a}.${b}`)
    case 'STRING':
      return fc.oneof(
        quoted(fc.string({ unit: 'grapheme-ascii', maxLength: 30 })),
        quoted(fc.string({ unit: 'grapheme', maxLength: 150 })),
      )
    case 'BYTES':
      return quoted(fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes).toString('base64')))
    case 'DATE':
      return quoted(date)
    case 'TIME':
      return quoted(time)
    case 'DATETIME':
      return quoted(fc.tuple(date, fc.constantFrom('T', ' '), time).map(parts => parts.join('')))
    case 'TIMESTAMP':
      return quoted(
        fc
          .tuple(date, fc.constantFrom('T', ' '), time, fc.constantFrom('', 'Z', '+05:30', '-11:00'))
          .map(parts => parts.join('')),
      )
    case 'JSON':
      return anyJson.filter(text => !text.startsWith('"'))
    default:
      return fc.constant('null')
  }
}

/** Arbitraries are slow to build and the same for every column of a type. */
const tokensByType = new Map<ColumnType, { valid: fc.Arbitrary<string>; odd: fc.Arbitrary<string> }>()
function tokensOf(type: ColumnType): { valid: fc.Arbitrary<string>; odd: fc.Arbitrary<string> } {
  let tokens = tokensByType.get(type)
  if (tokens === undefined) {
    const column: Column = { name: '', type, mode: 'NULLABLE' }
    tokens = { valid: validToken(column), odd: oddToken(column) }
    tokensByType.set(type, tokens)
  }
  return tokens
}

function tokenFor(column: Column): fc.Arbitrary<string> {
  const valid = column.type === 'STRUCT' ? objectFor(column.fields ?? []) : tokensOf(column.type).valid
  return fc.oneof({ weight: 25, arbitrary: valid }, tokensOf(column.type).odd)
}

export function oddToken(column: Column): fc.Arbitrary<string> {
  switch (column.type) {
    case 'BOOL':
      return boolToken
    case 'INT64':
      return fc.oneof(integerText, quoted(integerText))
    case 'FLOAT64':
      return fc.oneof(decimalText, quoted(decimalText), fc.constantFrom('"NaN"', '"-Infinity"', '"inf"', '"Infinit"'))
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return fc.oneof(decimalText, quoted(decimalText))
    case 'STRING':
      return fc.oneof(stringToken, stringToken, decimalText, boolToken)
    case 'BYTES':
      return base64Token
    case 'DATE':
      return fc.oneof(quoted(dateText), quoted(dateText), integerText)
    case 'TIME':
      return quoted(timeText)
    case 'DATETIME':
      return fc.oneof(quoted(datetimeText), quoted(datetimeText), quoted(dateText))
    case 'TIMESTAMP':
      return fc.oneof(quoted(timestampText), quoted(timestampText), integerText)
    default:
      return fc.oneof(anyJson, stringToken)
  }
}

const space = fc.oneof({ weight: 6, arbitrary: fc.constant('') }, fc.constantFrom(' ', '\n', '\r\n\t ', '  '))

function valueFor(column: Column): fc.Arbitrary<string> {
  const one = tokenFor(column)
  const usual =
    column.mode === 'REPEATED'
      ? fc.tuple(fc.array(one, { maxLength: 4 }), space).map(([items, s]) => `[${s}${items.join(`${s},`)}${s}]`)
      : one
  const absent = { weight: column.mode === 'REQUIRED' ? 1 : 6, arbitrary: fc.constant('null') }
  return fc.oneof({ weight: 80, arbitrary: usual }, absent, anyJson, one)
}

const spellingOf = (name: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 60, arbitrary: fc.constant(JSON.stringify(name)) },
    fc.constantFrom(
      JSON.stringify(name.toUpperCase()),
      JSON.stringify(name.replace('_', '$')),
      `"\\u${pad(name.charCodeAt(0), 4).length > 4 ? '0041' : name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}"`,
    ),
  )

export function objectFor(columns: readonly Column[]): fc.Arbitrary<string> {
  const member = (column: Column): fc.Arbitrary<string> =>
    fc
      .tuple(spellingOf(column.name), space, space, valueFor(column), space)
      .map(([key, a, b, value, c]) => `${a}${key}${b}:${a}${value}${c}`)
  const unknown = fc
    .tuple(quoted(fc.string({ maxLength: 5 })), fc.oneof(anyJson, fc.constant('null')))
    .map(parts => parts.join(':'))
  const members = fc.tuple(
    ...columns.map(column =>
      fc.oneof({ weight: column.mode === 'REQUIRED' ? 60 : 6, arbitrary: member(column) }, fc.constant(null)),
    ),
  )
  const extra = fc.oneof(
    { weight: 30, arbitrary: fc.constant([]) },
    fc.array(unknown, { maxLength: 2 }),
    fc
      .constantFrom(...columns)
      .chain(column => member(column))
      .map(text => [text]),
  )
  return fc.tuple(members, extra, fc.boolean(), space).map(([some, more, reversed, s]) => {
    const all = [...some.filter(text => text !== null), ...more]
    return `{${s}${(reversed ? all.reverse() : all).join(',')}}`
  })
}

/** A record, whole or damaged: a byte changed, or cut off. */
export const recordFor = (table: TableSchema): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      fc.oneof(
        { weight: 30, arbitrary: objectFor(table.columns) },
        anyJson,
        fc.constantFrom('', ' ', 'null', '{}', '{', '\ufeff{}'),
      ),
      space,
      fc.oneof({ weight: 16, arbitrary: fc.constant(null) }, fc.tuple(fc.nat(), fc.nat({ max: 255 })), fc.nat()),
    )
    .map(([text, s, damage]) => {
      const bytes = Buffer.from(`${s}${text}${s}`)
      if (damage === null || bytes.length === 0) return bytes
      if (typeof damage === 'number') return bytes.subarray(0, damage % bytes.length)
      bytes[damage[0] % bytes.length] = damage[1]
      return bytes
    })

/** One column, one value, every oddity: what records as wholes hide behind their first bad field. */
export const oneValue: fc.Arbitrary<readonly [TableSchema, Buffer]> = fc
  .tuple(fc.constantFrom(...SCALARS), fc.constantFrom<Column['mode']>('NULLABLE', 'REPEATED'))
  .chain(([type, columnMode]) => {
    const column: Column = { name: 'v', type, mode: columnMode }
    const { valid, odd } = tokensOf(type)
    const one = fc.oneof(valid, odd, odd, anyJson)
    const text = columnMode === 'REPEATED' ? fc.array(one, { maxLength: 3 }).map(items => `[${items.join(',')}]`) : one
    const table: TableSchema = { columns: [column, { name: 'other', type: 'STRING', mode: 'NULLABLE' }] }
    return text.map(value => [table, Buffer.from(`{"v":${value}}`)] as const)
  })
