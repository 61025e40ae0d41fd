// The general path, for one value: what the transcoder does with spellings it does not read itself.
import { ProtoWriter } from '../../proto-writer.ts'
import { Refusal } from '../../refusal.ts'
import { encodeField } from '../general-encoder.ts'
import { JsonTreeParser } from '../json-tree.ts'
import type { Slot } from '../transcoder-plan.ts'
import { BAIL, cursor, FULL } from './cursor.ts'

const writer = new ProtoWriter()

/** A column's whole value with its tags, arrays included. */
export function putGeneralField(slot: Slot, start: number, op: number): number {
  return putGeneral(slot, false, start, op)
}

/** One value with its tag: an element, where the column is repeated. */
export function putGeneralValue(slot: Slot, start: number, op: number): number {
  return putGeneral(slot, slot.repeated, start, op)
}

function putGeneral(slot: Slot, element: boolean, start: number, op: number): number {
  const { src, end, dst, limit } = cursor
  writer.reset()
  try {
    const parser = new JsonTreeParser(src, start, end)
    const node = parser.value(start, element || !slot.repeated ? slot.depth : slot.depth - 1)
    if (element) slot.field.write(writer, slot.field, src, node)
    else encodeField(writer, slot.field, src, node)
    cursor.at = node.end
  } catch (error) {
    if (error instanceof Refusal) return BAIL
    throw error
  }
  if (op + writer.length > limit) return FULL
  writer.bytes.copy(dst, op, 0, writer.length)
  return op + writer.length
}
