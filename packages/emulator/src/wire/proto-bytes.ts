// Protobuf by hand, the writing side: as little as rows from JSON and defaults of descriptors need.

/** A field's value on the wire. */
export type Wire =
  | { readonly kind: 'varint'; readonly value: bigint }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'bytes'; readonly value: Buffer }

export const varint = (value: bigint | number): Wire => ({ kind: 'varint', value: BigInt(value) })
export const double = (value: number): Wire => ({ kind: 'double', value })
export const bytes = (value: Buffer): Wire => ({ kind: 'bytes', value })
export const text = (value: string): Wire => bytes(Buffer.from(value))

export function field(number: number, wire: Wire): Buffer {
  switch (wire.kind) {
    case 'varint':
      return Buffer.concat([varintBytes(BigInt(number) * 8n), varintBytes(wire.value)])
    case 'double': {
      const eight = Buffer.alloc(8)
      eight.writeDoubleLE(wire.value)
      return Buffer.concat([varintBytes(BigInt(number) * 8n + 1n), eight])
    }
    case 'bytes':
      return Buffer.concat([varintBytes(BigInt(number) * 8n + 2n), varintBytes(BigInt(wire.value.length)), wire.value])
  }
}

/** A varint by itself, negative ones in ten bytes. */
export function varintBytes(value: bigint): Buffer {
  const out: number[] = []
  let rest = BigInt.asUintN(64, value)
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  out.push(Number(rest))
  return Buffer.from(out)
}
