// Reads protobuf wire format in place. Every read checks the bounds, so hostile bytes end in MalformedProto and nothing else.
// Format: https://protobuf.dev/programming-guides/encoding/

/** Bytes that are no valid protobuf message. */
export class MalformedProto extends Error {}

export const WIRE = { VARINT: 0, FIXED64: 1, BYTES: 2, START_GROUP: 3, END_GROUP: 4, FIXED32: 5 } as const

export class Cursor {
  bytes: Buffer
  pos: number
  end: number
  /** The two halves of the last 64-bit value read, as unsigned 32-bit numbers. */
  lo = 0
  hi = 0

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.pos = start
    this.end = end
  }

  /** Moves to another range, keeping the object: one cursor serves a whole request. */
  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.pos = start
    this.end = end
  }

  /** A field's tag: number << 3 | wire type, unsigned. */
  tag(): number {
    const tag = this.uint32()
    if (tag >>> 3 === 0) throw new MalformedProto('field number 0')
    return tag
  }

  /** The low 32 bits of a varint, unsigned. */
  uint32(): number {
    const byte = this.pos < this.end ? this.bytes[this.pos]! : 0x80
    if (byte < 0x80) {
      this.pos++
      return byte
    }
    this.varint64()
    return this.lo
  }

  /** A varint of up to ten bytes, left in `lo` and `hi`. */
  varint64(): void {
    const bytes = this.bytes
    let pos = this.pos
    // One and two bytes are most of what there is.
    if (this.end - pos >= 2) {
      const first = bytes[pos]!
      const second = bytes[pos + 1]!
      if (first < 0x80 || second < 0x80) {
        this.pos = first < 0x80 ? pos + 1 : pos + 2
        this.lo = first < 0x80 ? first : (first & 0x7f) | (second << 7)
        this.hi = 0
        return
      }
    }
    let lo = 0
    let hi = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (pos >= this.end) throw new MalformedProto('truncated varint')
      const byte = bytes[pos++]!
      const low7 = byte & 0x7f
      if (shift < 28) lo |= low7 << shift
      else if (shift === 28) {
        lo |= low7 << 28
        hi |= low7 >>> 4
      } else if (shift < 63) hi |= low7 << (shift - 32)
      else hi |= low7 << 31
      if (byte < 0x80) {
        this.pos = pos
        this.lo = lo >>> 0
        this.hi = hi >>> 0
        return
      }
    }
    throw new MalformedProto('varint longer than ten bytes')
  }

  fixed64(): void {
    if (this.end - this.pos < 8) throw new MalformedProto('truncated fixed64')
    this.lo = this.bytes.readUInt32LE(this.pos)
    this.hi = this.bytes.readUInt32LE(this.pos + 4)
    this.pos += 8
  }

  fixed32(): number {
    if (this.end - this.pos < 4) throw new MalformedProto('truncated fixed32')
    const value = this.bytes.readUInt32LE(this.pos)
    this.pos += 4
    return value
  }

  double(): number {
    if (this.end - this.pos < 8) throw new MalformedProto('truncated double')
    const value = this.bytes.readDoubleLE(this.pos)
    this.pos += 8
    return value
  }

  float(): number {
    if (this.end - this.pos < 4) throw new MalformedProto('truncated float')
    const value = this.bytes.readFloatLE(this.pos)
    this.pos += 4
    return value
  }

  /** The length of a length-delimited field, checked against what is there. */
  length(): number {
    this.hi = 0
    const length = this.uint32()
    if (this.hi !== 0 || length > this.end - this.pos) throw new MalformedProto('truncated field')
    return length
  }

  text(): string {
    const length = this.length()
    this.pos += length
    return this.bytes.toString('utf8', this.pos - length, this.pos)
  }

  /** The last 64-bit value read, signed. */
  int64(): bigint {
    return BigInt.asIntN(64, (BigInt(this.hi) << 32n) | BigInt(this.lo))
  }

  skip(wireType: number): void {
    if (wireType === WIRE.VARINT) this.varint64()
    else if (wireType === WIRE.FIXED64) this.fixed64()
    else if (wireType === WIRE.FIXED32) this.fixed32()
    else if (wireType === WIRE.BYTES) {
      const length = this.length()
      this.pos += length
    } else throw new MalformedProto(`wire type ${wireType}`)
  }

  /** Calls `visit` for the body of a length-delimited field, with `end` narrowed to it; leaves the cursor behind it. */
  within(visit: (cursor: Cursor) => void): void {
    const length = this.length()
    const outer = this.end
    const after = this.pos + length
    this.end = after
    visit(this)
    this.pos = after
    this.end = outer
  }
}
