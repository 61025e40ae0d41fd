// Protobuf wire format, as much as the Storage Write API needs: a growing writer for small messages, a checked reader.
// Numbers that carry meaning (offsets, counts) are bigints; nothing here trusts a length it has not compared with the rest.
// https://protobuf.dev/programming-guides/encoding/

const WIRE_VARINT = 0
const WIRE_FIXED64 = 1
const WIRE_BYTES = 2
const WIRE_FIXED32 = 5

/** The bytes are not a protobuf message. */
export class WireError extends Error {
  override readonly name = 'WireError'
}

/** Size of a varint below 2^32. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  if (value < 0x10000000) return 4
  return 5
}

/** Size of a non-negative 64-bit varint. */
export function bigVarintSize(value: bigint): number {
  let size = 1
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) size++
  return size
}

/** Writes a varint below 2^32 and answers the position after it. */
export function writeVarint(target: Buffer, at: number, value: number): number {
  let rest = value
  let position = at
  while (rest > 0x7f) {
    target[position++] = (rest & 0x7f) | 0x80
    rest = Math.floor(rest / 128)
  }
  target[position++] = rest
  return position
}

/** Writes a non-negative 64-bit varint and answers the position after it. */
export function writeBigVarint(target: Buffer, at: number, value: bigint): number {
  let rest = value
  let position = at
  while (rest > 0x7fn) {
    target[position++] = Number(rest & 0x7fn) | 0x80
    rest >>= 7n
  }
  target[position++] = Number(rest)
  return position
}

/** Builds one small message; field order is call order. */
export class ProtoWriter {
  #bytes: Buffer = Buffer.allocUnsafe(256)
  #length = 0

  varint(field: number, value: number): this {
    this.#reserve(10)
    this.#length = writeVarint(this.#bytes, this.#length, field * 8 + WIRE_VARINT)
    this.#length = writeVarint(this.#bytes, this.#length, value)
    return this
  }

  bytes(field: number, value: Uint8Array): this {
    this.#reserve(10 + value.length)
    this.#length = writeVarint(this.#bytes, this.#length, field * 8 + WIRE_BYTES)
    this.#length = writeVarint(this.#bytes, this.#length, value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
    return this
  }

  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'))
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

/** Walks the fields of one message: `while (reader.next()) switch (reader.field) { … default: reader.skip() }`. */
export class ProtoReader {
  readonly #bytes: Buffer
  #position: number
  readonly #end: number
  field = 0
  wireType = 0

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.#bytes = bytes
    this.#position = start
    this.#end = end
  }

  next(): boolean {
    if (this.#position >= this.#end) return false
    const tag = Number(this.#varint())
    this.field = Math.floor(tag / 8)
    this.wireType = tag % 8
    if (this.field === 0) throw new WireError('Field number 0.')
    return true
  }

  /** An int64 (two's complement) or any smaller integer. */
  int64(): bigint {
    this.#expect(WIRE_VARINT)
    return BigInt.asIntN(64, this.#varint())
  }

  /** An int32 or enum. */
  int32(): number {
    this.#expect(WIRE_VARINT)
    return Number(BigInt.asIntN(32, this.#varint()))
  }

  bytes(): Buffer {
    this.#expect(WIRE_BYTES)
    const length = Number(this.#varint())
    if (length > this.#end - this.#position) throw new WireError('A length points beyond the message.')
    const start = this.#position
    this.#position += length
    return this.#bytes.subarray(start, this.#position)
  }

  string(): string {
    return this.bytes().toString('utf8')
  }

  skip(): void {
    switch (this.wireType) {
      case WIRE_VARINT:
        this.#varint()
        return
      case WIRE_FIXED64:
        this.#advance(8)
        return
      case WIRE_BYTES:
        this.bytes()
        return
      case WIRE_FIXED32:
        this.#advance(4)
        return
      default:
        throw new WireError(`Wire type ${this.wireType} is not supported.`)
    }
  }

  #expect(wireType: number): void {
    if (this.wireType !== wireType) throw new WireError(`Field ${this.field} has wire type ${this.wireType}.`)
  }

  #advance(count: number): void {
    if (count > this.#end - this.#position) throw new WireError('The message ends inside a field.')
    this.#position += count
  }

  #varint(): bigint {
    // The common case fits 28 bits and stays out of bigint arithmetic.
    let small = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      small |= (byte & 0x7f) << shift
      if (byte < 0x80) return BigInt(small)
    }
    let value = BigInt(small)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new WireError('A varint is longer than ten bytes.')
  }

  #byte(): number {
    if (this.#position >= this.#end) throw new WireError('The message ends inside a varint.')
    return this.#bytes[this.#position++] ?? 0
  }
}
