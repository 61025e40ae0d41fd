// Many topics to many tables: 64 topics of four partitions, a table for each, narrow rows.
import type { Input } from './input.ts'
import { NARROW } from './narrow.ts'

export const MANY: Input = {
  ...NARROW,
  name: 'many',
  about: '64 topics to 64 tables, narrow rows',
  topics: 64,
  partitions: 4,
}
