// What the bench feeds: tables, and records aimed at them.
import type { Column, ColumnType, TableSchema } from '@millrace/core'

export type Input = {
  readonly name: string
  readonly table: TableSchema
  /** JSON text of record i. */
  readonly record: (i: number) => string
  /** Has the source schema around its payload. */
  readonly isEnvelope?: boolean
}

const column = (name: string, type: ColumnType, more: Partial<Column> = {}): Column => ({
  name,
  type,
  mode: 'NULLABLE',
  ...more,
})
const two = (value: number): string => String(value).padStart(2, '0')
const datetime = (i: number): string =>
  `2001-${two(1 + (i % 12))}-${two(1 + (i % 28))}T${two(i % 24)}:${two(i % 60)}:00`

/** The records of `npm run bench`, test/bench/inputs/narrow.ts. */
const COUNTRIES = ['DE', 'FR', 'US', 'JP', 'BR', 'ZA']
const KINDS = ['page_view', 'order_placed', 'basket_abandoned']
const order = (i: number): Record<string, unknown> => {
  const cents = i % 100_000
  return {
    id: 1_000_000_000 + i,
    created: new Date(1_790_000_000_000 + i * 7).toISOString(),
    account: (i * 2_654_435_761) % 10_000_000,
    amount: `${Math.floor(cents / 100)}.${two(cents % 100)}`,
    score: (i % 997) / 1000,
    paid: i % 3 === 0,
    country: COUNTRIES[i % 6],
    kind: KINDS[i % 3],
    path: `/shop/department/item/${String(i % 9973).padStart(6, '0')}/of/${String(i % 131).padStart(4, '0')}`,
  }
}
const narrow: TableSchema = {
  columns: [
    column('id', 'INT64'),
    column('created', 'TIMESTAMP'),
    column('account', 'INT64'),
    column('amount', 'NUMERIC'),
    column('score', 'FLOAT64'),
    column('paid', 'BOOL'),
    column('country', 'STRING'),
    column('kind', 'STRING'),
    column('path', 'STRING'),
  ],
}

/** Every record leaves out another third of the columns and begins with another one. */
function disordered(i: number): string {
  const members = Object.entries(order(i)).filter((_, c) => (i + c * 7) % 3 !== 0)
  const first = i % members.length
  return JSON.stringify(Object.fromEntries([...members.slice(first), ...members.slice(0, first)]))
}

/** Escapes and letters beyond ASCII, in most strings. */
const escaped = (i: number): string =>
  JSON.stringify({
    ...order(i),
    country: ['Österreich', 'Česko', '日本', 'Côte d’Ivoire'][i % 4],
    kind: `said "${KINDS[i % 3]}"`,
    path: `C:\\shop\\department\nitem\\${i % 9973} für ${i % 131} Stück`,
  })

const ORDER_TYPES: Readonly<Record<string, string>> = {
  id: 'int64',
  account: 'int32',
  score: 'double',
  paid: 'boolean',
}
const orderEnvelope = JSON.stringify({
  type: 'struct',
  optional: false,
  fields: narrow.columns
    .filter(({ name }) => name !== 'amount')
    .map(({ name }) => ({ type: ORDER_TYPES[name] ?? 'string', optional: true, field: name })),
})

const WIDE_TYPES: readonly ColumnType[] = ['INT64', 'STRING', 'FLOAT64', 'BOOL', 'TIMESTAMP']
const wideValue = (type: ColumnType, i: number, c: number): unknown =>
  type === 'INT64'
    ? i * c
    : type === 'STRING'
      ? `value ${c} of ${i}`
      : type === 'FLOAT64'
        ? (i * c) / 100
        : type === 'BOOL'
          ? i % 2 === 0
          : `${datetime(i + c)}Z`
const wide: TableSchema = {
  columns: Array.from({ length: 100 }, (_, c) => column(`column_${c}`, WIDE_TYPES[c % WIDE_TYPES.length]!)),
}
const nested: TableSchema = {
  columns: [
    column('order_id', 'INT64'),
    column('customer', 'STRUCT', {
      fields: [
        column('name', 'STRING'),
        column('address', 'STRUCT', { fields: [column('city', 'STRING'), column('zip', 'STRING')] }),
      ],
    }),
    column('lines', 'STRUCT', {
      mode: 'REPEATED',
      fields: [column('sku', 'STRING'), column('price', 'NUMERIC'), column('quantity', 'INT64')],
    }),
    column('tags', 'STRING', { mode: 'REPEATED' }),
  ],
}

export const INPUTS: readonly Input[] = [
  { name: 'narrow', table: narrow, record: i => JSON.stringify(order(i)) },
  {
    name: 'narrow-schema',
    table: narrow,
    record: i => `{"schema":${orderEnvelope},"payload":${JSON.stringify(order(i))}}`,
    isEnvelope: true,
  },
  { name: 'disordered', table: narrow, record: disordered },
  { name: 'escaped', table: narrow, record: escaped },
  {
    name: 'wide',
    table: wide,
    record: i =>
      JSON.stringify(Object.fromEntries(wide.columns.map((each, c) => [each.name, wideValue(each.type, i, c)]))),
  },
  {
    name: 'nested',
    table: nested,
    record: i =>
      JSON.stringify({
        order_id: 9_000_000 + i,
        customer: { name: `Customer ${i % 977}`, address: { city: 'Zürich', zip: String(8000 + (i % 99)) } },
        lines: Array.from({ length: 1 + (i % 4) }, (_, k) => ({
          sku: `SKU-${i % 1000}-${k}`,
          price: (i % 5000) / 100,
          quantity: 1 + k,
        })),
        tags: ['web', 'priority'].slice(0, i % 3),
      }),
  },
]
