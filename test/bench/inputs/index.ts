// All inputs, in the order they are measured.
import type { Input } from './input.ts'
import { MANY } from './many.ts'
import { NARROW } from './narrow.ts'
import { NESTED } from './nested.ts'
import { WIDE } from './wide.ts'

export type { Input } from './input.ts'
export const INPUTS: readonly Input[] = [NARROW, WIDE, NESTED, MANY]
