// What arrays of a record batch have around their values: which are null, and where those of any length begin and end.
import type { ArrowBatch } from './arrow-ipc.ts'
import { UnusableDescriptor } from './field-match.ts'

/** Takes an array's node and validity; undefined when no element is null. */
export function takeNulls(batch: ArrowBatch, length: number, name: string): ((index: number) => boolean) | undefined {
  const { nullCount } = batch.takeNode(length, name)
  const span = batch.takeSpan(nullCount === 0 ? 0 : Math.ceil(length / 8), name)
  if (nullCount === 0) return undefined
  const { bytes } = batch
  return index => ((bytes[span.start + (index >> 3)]! >> (index & 7)) & 1) === 0
}

/** Takes offsets; the bounds of an element are checked when it is read, so that no element lies in another's. */
export function takeOffsets(
  batch: ArrowBatch,
  length: number,
  isLarge: boolean,
  name: string,
): { at(index: number): number; last: number } {
  const width = isLarge ? 8 : 4
  // An array without elements may come without its one offset.
  const { start } = batch.takeSpan(length === 0 ? 0 : (length + 1) * width, name)
  const { bytes } = batch
  const at = (index: number): number =>
    isLarge ? Number(bytes.readBigInt64LE(start + index * 8)) : bytes.readInt32LE(start + index * 4)
  return { at, last: length === 0 ? 0 : at(length) }
}

/** Throws UnusableDescriptor unless `[from, to)` lies within `[0, limit)`. */
export function checkBounds(from: number, to: number, limit: number, name: string): void {
  if (!(from >= 0 && from <= to && to <= limit))
    throw new UnusableDescriptor(`Malformed Arrow message: an offset of field ${name} is out of order.`)
}
