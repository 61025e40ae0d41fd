// Wide JSON: 100 columns of mixed types, some two kilobytes a record. The text is put together from blocks of eleven columns, each
// block in some hundred variants whose numbers have no common divisor: no two records within reach are alike, and it is fast.
import type { Input } from './input.ts'

const BLOCKS = 9
const BLOCK_COLUMNS = 11
const VARIANTS = [89, 97, 101, 103, 107, 109, 113, 127, 131] as const
const TYPES = ['INT64', 'STRING', 'FLOAT64', 'BOOL', 'TIMESTAMP', 'STRING', 'NUMERIC', 'INT64', 'STRING'] as const
const WORDS = ['amber', 'birch', 'cedar', 'dune', 'ember', 'fjord', 'grove'] as const

const columnName = (index: number): string => `column_${String(index).padStart(2, '0')}`
const typeOf = (index: number): (typeof TYPES)[number] => TYPES[index % TYPES.length]!

function value(column: number, variant: number): string {
  const number = (column * 7_919 + variant * 104_729) % 1_000_003
  switch (typeOf(column)) {
    case 'INT64':
      return String(number)
    case 'FLOAT64':
      return String(number / 1000)
    case 'BOOL':
      return String(number % 2 === 0)
    case 'NUMERIC':
      return `"${Math.floor(number / 100)}.${String(number % 100).padStart(2, '0')}"`
    case 'TIMESTAMP':
      return `"${new Date(1_790_000_000_000 + number * 1009).toISOString()}"`
    case 'STRING':
      return `"${WORDS[number % WORDS.length]}-${number}"`
  }
}

const BLOCK_TEXTS: readonly (readonly string[])[] = VARIANTS.map((variants, block) =>
  Array.from({ length: variants }, (_, variant) =>
    Array.from({ length: BLOCK_COLUMNS }, (_, i) => {
      const column = 1 + block * BLOCK_COLUMNS + i
      return `,"${columnName(column)}":${value(column, variant)}`
    }).join(''),
  ),
)

function line(id: number): string {
  let text = `{"id":${1_000_000_000 + id}`
  for (let block = 0; block < BLOCKS; block++) text += BLOCK_TEXTS[block]![id % VARIANTS[block]!]
  return `${text}}\n`
}

export const WIDE: Input = {
  name: 'wide',
  about: '100 columns of mixed types',
  fields: [
    { name: 'id', type: 'INT64' },
    ...Array.from({ length: BLOCKS * BLOCK_COLUMNS }, (_, i) => ({ name: columnName(i + 1), type: typeOf(i + 1) })),
  ],
  topics: 1,
  partitions: null,
  share: 0.1,
  line,
}
