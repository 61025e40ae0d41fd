// Proto field types: how each lies on the wire, and what kind of value it is to the reader of a column.
import { type Cursor, WIRE } from '../wire/cursor.ts'
import { type FieldDescriptor, PROTO_TYPE as T } from './descriptor.ts'

const FIXED32_TYPES: ReadonlySet<number> = new Set([T.FLOAT, T.FIXED32, T.SFIXED32])
const FIXED64_TYPES: ReadonlySet<number> = new Set([T.DOUBLE, T.FIXED64, T.SFIXED64])
const BYTES_TYPES: ReadonlySet<number> = new Set([T.STRING, T.BYTES, T.MESSAGE])
const TYPE_NAMES = new Map<number, string>(Object.entries(T).map(([name, number]) => [number, name.toLowerCase()]))

export function wireTypeOf(type: number): number {
  if (BYTES_TYPES.has(type)) return WIRE.BYTES
  if (FIXED32_TYPES.has(type)) return WIRE.FIXED32
  return FIXED64_TYPES.has(type) ? WIRE.FIXED64 : WIRE.VARINT
}

/** The wire type of the elements when a repeated field of this type is packed; undefined when it cannot be. */
export const packedWireType = (type: number): number | undefined =>
  BYTES_TYPES.has(type) ? undefined : wireTypeOf(type)

export const protoTypeName = (field: FieldDescriptor): string => TYPE_NAMES.get(field.type) ?? `type ${field.type}`

/** What a value is once read, however it was encoded: which column types take a field is a matter of this alone. */
export type ValueKind =
  | 'double'
  | 'float'
  | 'int64'
  | 'uint64'
  | 'int32'
  | 'uint32'
  | 'bool'
  | 'string'
  | 'bytes'
  | 'message'
  | 'enum'

const KINDS: Readonly<Record<number, ValueKind>> = {
  [T.DOUBLE]: 'double',
  [T.FLOAT]: 'float',
  [T.INT64]: 'int64',
  [T.SINT64]: 'int64',
  [T.SFIXED64]: 'int64',
  [T.UINT64]: 'uint64',
  [T.FIXED64]: 'uint64',
  [T.INT32]: 'int32',
  [T.SINT32]: 'int32',
  [T.SFIXED32]: 'int32',
  [T.UINT32]: 'uint32',
  [T.FIXED32]: 'uint32',
  [T.BOOL]: 'bool',
  [T.STRING]: 'string',
  [T.BYTES]: 'bytes',
  [T.MESSAGE]: 'message',
  [T.ENUM]: 'enum',
}

/** Undefined for groups and numbers that are no type. */
export const kindOf = (type: number): ValueKind | undefined => KINDS[type]

/** Reads an integer, bool or enum of the proto type into the cursor's `lo` and `hi`, sign-extended to 64 bits. */
export function integerReader(type: number): (c: Cursor) => void {
  const signExtend = (c: Cursor): void => {
    c.hi = c.lo >> 31 === 0 ? 0 : 0xffffffff
  }
  switch (type) {
    case T.INT64:
    case T.UINT64:
      return c => c.varint64()
    case T.FIXED64:
    case T.SFIXED64:
      return c => c.fixed64()
    case T.UINT32:
      return c => {
        c.varint64()
        c.hi = 0
      }
    case T.BOOL:
      return c => {
        c.varint64()
        c.lo = c.lo !== 0 || c.hi !== 0 ? 1 : 0
        c.hi = 0
      }
    case T.INT32:
    case T.ENUM:
      return c => {
        c.varint64()
        signExtend(c)
      }
    case T.FIXED32:
      return c => {
        c.lo = c.fixed32()
        c.hi = 0
      }
    case T.SFIXED32:
      return c => {
        c.lo = c.fixed32()
        signExtend(c)
      }
    case T.SINT32:
      return c => {
        const zigzag = c.uint32()
        c.lo = ((zigzag >>> 1) ^ -(zigzag & 1)) >>> 0
        signExtend(c)
      }
    case T.SINT64:
      return c => {
        c.varint64()
        const sign = -(c.lo & 1)
        c.lo = (((c.lo >>> 1) | (c.hi << 31)) ^ sign) >>> 0
        c.hi = ((c.hi >>> 1) ^ sign) >>> 0
      }
    default:
      throw new Error(`proto type ${type} is no integer`)
  }
}
