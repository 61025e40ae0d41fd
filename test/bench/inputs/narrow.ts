// Narrow JSON: nine columns, some 200 bytes a record.
import type { Input } from './input.ts'

const COUNTRIES = ['DE', 'FR', 'US', 'JP', 'BR', 'ZA']
const KINDS = ['page_view', 'order_placed', 'basket_abandoned']

function line(id: number): string {
  const created = new Date(1_790_000_000_000 + id * 7).toISOString()
  const account = (id * 2_654_435_761) % 10_000_000
  const cents = id % 100_000
  const amount = `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`
  return `{"id":${1_000_000_000 + id},"created":"${created}","account":${account},"amount":"${amount}","score":${(id % 997) / 1000},"paid":${id % 3 === 0},"country":"${COUNTRIES[id % 6]}","kind":"${KINDS[id % 3]}","path":"/shop/department/item/${String(id % 9973).padStart(6, '0')}/of/${String(id % 131).padStart(4, '0')}"}\n`
}

export const NARROW: Input = {
  name: 'narrow',
  about: 'nine columns',
  fields: [
    { name: 'id', type: 'INT64' },
    { name: 'created', type: 'TIMESTAMP' },
    { name: 'account', type: 'INT64' },
    { name: 'amount', type: 'NUMERIC' },
    { name: 'score', type: 'FLOAT64' },
    { name: 'paid', type: 'BOOL' },
    { name: 'country', type: 'STRING' },
    { name: 'kind', type: 'STRING' },
    { name: 'path', type: 'STRING' },
  ],
  topics: 1,
  partitions: null,
  share: 1,
  line,
}
