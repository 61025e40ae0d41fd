// Nested JSON: records in records, repeated records and arrays; some 400 bytes a record.
import type { Input } from './input.ts'

const CITIES = ['Zürich', 'Lyon', 'Porto', 'Graz', 'Malmö'] as const
const TAGS = ['"web"', '"web","priority"', '"app"', ''] as const
const LINES_VARIANTS = 1009

/** One to four lines of an order. */
const LINES: readonly string[] = Array.from({ length: LINES_VARIANTS }, (_, variant) =>
  Array.from({ length: 1 + (variant % 4) }, (_, i) => {
    const sku = (variant * 31 + i) % 10_000
    const cents = (variant * 7 + i * 131) % 50_000
    return `{"sku":"SKU-${sku}-${i}","price":"${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}","quantity":${1 + i},"discounts":[${i * 0.25},${(variant % 8) * 0.5}]}`
  }).join(','),
)

function line(id: number): string {
  const placed = new Date(1_790_000_000_000 + id * 7).toISOString()
  return `{"order_id":${9_000_000 + id},"placed":"${placed}","customer":{"id":${id % 77_773},"name":"Customer ${id % 977}","address":{"city":"${CITIES[id % CITIES.length]}","zip":"${8000 + (id % 99)}"}},"lines":[${LINES[id % LINES_VARIANTS]}],"tags":[${TAGS[id % TAGS.length]}]}\n`
}

export const NESTED: Input = {
  name: 'nested',
  about: 'records, repeated records and arrays',
  fields: [
    { name: 'order_id', type: 'INT64' },
    { name: 'placed', type: 'TIMESTAMP' },
    {
      name: 'customer',
      type: 'STRUCT',
      fields: [
        { name: 'id', type: 'INT64' },
        { name: 'name', type: 'STRING' },
        {
          name: 'address',
          type: 'STRUCT',
          fields: [
            { name: 'city', type: 'STRING' },
            { name: 'zip', type: 'STRING' },
          ],
        },
      ],
    },
    {
      name: 'lines',
      type: 'STRUCT',
      mode: 'REPEATED',
      fields: [
        { name: 'sku', type: 'STRING' },
        { name: 'price', type: 'NUMERIC' },
        { name: 'quantity', type: 'INT64' },
        { name: 'discounts', type: 'FLOAT64', mode: 'REPEATED' },
      ],
    },
    { name: 'tags', type: 'STRING', mode: 'REPEATED' },
  ],
  topics: 1,
  partitions: null,
  share: 0.5,
  line,
}
