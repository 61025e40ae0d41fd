// Plain protobuf writer of the general path: correct and easy to read; the transcoder does not use it for usual values.
import { varintWidth, writeVarint32 } from './row-buffer.ts'

const WIRE = { varint: 0, fixed64: 1, bytes: 2 } as const
const INITIAL_BYTES = 1024

export class ProtoWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  length = 0

  reset(): void {
    this.length = 0
  }

  view(): Buffer {
    return this.bytes.subarray(0, this.length)
  }

  bool(field: number, value: boolean): void {
    this.#tag(field, WIRE.varint)
    this.#varint(value ? 1n : 0n)
  }

  /** int32 and int64 alike: negative values are sign-extended to ten bytes. */
  int64(field: number, value: bigint): void {
    this.#tag(field, WIRE.varint)
    this.#varint(BigInt.asUintN(64, value))
  }

  double(field: number, value: number): void {
    this.#tag(field, WIRE.fixed64)
    this.#reserve(8)
    this.length = this.bytes.writeDoubleLE(value, this.length)
  }

  byteString(field: number, value: Uint8Array): void {
    this.#tag(field, WIRE.bytes)
    this.#reserve(value.length + 5)
    this.length = writeVarint32(this.bytes, this.length, value.length)
    this.bytes.set(value, this.length)
    this.length += value.length
  }

  string(field: number, value: string): void {
    this.byteString(field, Buffer.from(value, 'utf8'))
  }

  /** A nested message written by `fill` into this same writer. */
  message(field: number, fill: () => void): void {
    this.#tag(field, WIRE.bytes)
    const start = this.length
    fill()
    const size = this.length - start
    const width = varintWidth(size)
    this.#reserve(width)
    this.bytes.copyWithin(start + width, start, this.length)
    writeVarint32(this.bytes, start, size)
    this.length += width
  }

  /** Already encoded fields. */
  raw(encoded: Uint8Array): void {
    this.#reserve(encoded.length)
    this.bytes.set(encoded, this.length)
    this.length += encoded.length
  }

  #tag(field: number, wire: number): void {
    this.#varint((BigInt(field) << 3n) | BigInt(wire))
  }

  #varint(value: bigint): void {
    this.#reserve(10)
    let rest = value
    while (rest > 0x7fn) {
      this.bytes[this.length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.bytes[this.length++] = Number(rest)
  }

  #reserve(count: number): void {
    if (this.bytes.length - this.length >= count) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + count))
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }
}
