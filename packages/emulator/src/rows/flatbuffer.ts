// Reads flatbuffers in place, every offset and count checked against the bytes there are: Arrow's metadata comes from outside, and
// apache-arrow's own reader believes what counts say. Format: https://flatbuffers.dev/internals/
import { UnusableDescriptor } from './field-match.ts'

const malformed = (what: string): UnusableDescriptor => new UnusableDescriptor(`Malformed Arrow message: ${what}.`)

/** Throws UnusableDescriptor unless `bytes` has `length` bytes from `at`. */
export function needBytes(bytes: Buffer, at: number, length: number, what: string): void {
  if (!(at >= 0 && length >= 0 && at + length <= bytes.length)) throw malformed(`${what} lies outside of it`)
}

export class FlatTable {
  private readonly bytes: Buffer
  private readonly at: number
  private readonly vtable: number
  private readonly vtableLength: number

  constructor(bytes: Buffer, at: number) {
    needBytes(bytes, at, 4, 'a table')
    this.bytes = bytes
    this.at = at
    this.vtable = at - bytes.readInt32LE(at)
    needBytes(bytes, this.vtable, 4, 'a vtable')
    this.vtableLength = bytes.readUInt16LE(this.vtable)
    needBytes(bytes, this.vtable, this.vtableLength, 'a vtable')
  }

  static root(bytes: Buffer): FlatTable {
    needBytes(bytes, 0, 4, 'its root')
    return new FlatTable(bytes, bytes.readUInt32LE(0))
  }

  /** Where the field's value lies; undefined when it is absent. */
  private place(slot: number, width: number): number | undefined {
    const entry = 4 + slot * 2
    if (entry + 2 > this.vtableLength) return undefined
    const offset = this.bytes.readUInt16LE(this.vtable + entry)
    if (offset === 0) return undefined
    needBytes(this.bytes, this.at + offset, width, 'a field')
    return this.at + offset
  }

  uint8(slot: number, absent = 0): number {
    const at = this.place(slot, 1)
    return at === undefined ? absent : this.bytes[at]!
  }

  int16(slot: number, absent = 0): number {
    const at = this.place(slot, 2)
    return at === undefined ? absent : this.bytes.readInt16LE(at)
  }

  int32(slot: number, absent = 0): number {
    const at = this.place(slot, 4)
    return at === undefined ? absent : this.bytes.readInt32LE(at)
  }

  int64(slot: number): number {
    const at = this.place(slot, 8)
    return at === undefined ? 0 : Number(this.bytes.readBigInt64LE(at))
  }

  table(slot: number): FlatTable | undefined {
    const at = this.place(slot, 4)
    return at === undefined ? undefined : new FlatTable(this.bytes, at + this.bytes.readUInt32LE(at))
  }

  text(slot: number): string {
    const vector = this.vector(slot, 1)
    return vector ? this.bytes.toString('utf8', vector.at, vector.at + vector.count) : ''
  }

  /** Elements of `width` bytes: where the first lies and how many there are, all of them within the bytes. */
  vector(slot: number, width: number): { at: number; count: number } | undefined {
    const place = this.place(slot, 4)
    if (place === undefined) return undefined
    const at = place + this.bytes.readUInt32LE(place)
    needBytes(this.bytes, at, 4, 'a vector')
    const count = this.bytes.readUInt32LE(at)
    needBytes(this.bytes, at + 4, count * width, 'a vector')
    return { at: at + 4, count }
  }

  /** `max` bounds how many are made into objects. */
  tables(slot: number, max: number): FlatTable[] {
    const vector = this.vector(slot, 4)
    if (!vector) return []
    if (vector.count > max) throw malformed('too many fields')
    return Array.from({ length: vector.count }, (_, index) => {
      const place = vector.at + index * 4
      return new FlatTable(this.bytes, place + this.bytes.readUInt32LE(place))
    })
  }

  /** Pairs of 64-bit integers, as Arrow's FieldNode and Buffer structs are. */
  pairs(slot: number, max: number): (readonly [first: number, second: number])[] {
    const vector = this.vector(slot, 16)
    if (!vector) return []
    if (vector.count > max) throw malformed('too many buffers')
    return Array.from({ length: vector.count }, (_, index) => {
      const place = vector.at + index * 16
      return [Number(this.bytes.readBigInt64LE(place)), Number(this.bytes.readBigInt64LE(place + 8))] as const
    })
  }
}
