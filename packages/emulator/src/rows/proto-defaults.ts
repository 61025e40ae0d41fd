// Default values of proto2 fields, as descriptors spell them: turned into what would stand on the wire.
// https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/descriptor.proto (FieldDescriptorProto.default_value)
import { WIRE } from '../wire/cursor.ts'
import { varintBytes } from '../wire/proto-bytes.ts'
import { type EnumDescriptor, type FieldDescriptor, PROTO_TYPE as T } from './descriptor.ts'
import { kindOf, wireTypeOf } from './wire-types.ts'

/** Undefined when the text is no value of the field's type. */
export function encodeDefault(
  field: FieldDescriptor,
  text: string,
  enumType: EnumDescriptor | undefined,
): Buffer | undefined {
  switch (kindOf(field.type)) {
    case 'string':
      return delimited(Buffer.from(text))
    case 'bytes':
      return delimited(unescapedBytes(text))
    case 'double':
    case 'float':
      return floating(field, text)
    case 'bool':
      return text === 'true' || text === 'false' ? varintBytes(text === 'true' ? 1n : 0n) : undefined
    case 'enum': {
      const number = enumType?.numbers.get(text)
      return number === undefined ? undefined : varintBytes(BigInt(number))
    }
    case 'message':
    case undefined:
      return undefined
    default:
      return integer(field, text)
  }
}

function floating(field: FieldDescriptor, text: string): Buffer | undefined {
  const special: Readonly<Record<string, number>> = {
    inf: Infinity,
    '-inf': -Infinity,
    nan: Number.NaN,
    '-nan': Number.NaN,
  }
  const value = Object.hasOwn(special, text) ? special[text]! : text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isNaN(value) && !Object.hasOwn(special, text)) return undefined
  const bytes = Buffer.alloc(8)
  if (field.type === T.DOUBLE) bytes.writeDoubleLE(value)
  else bytes.writeFloatLE(value)
  return bytes
}

const RANGES: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
}

function integer(field: FieldDescriptor, text: string): Buffer | undefined {
  if (!/^-?\d{1,20}$/.test(text)) return undefined
  const value = BigInt(text)
  const [min, max] = RANGES[kindOf(field.type)!]!
  if (value < min || value > max) return undefined
  const bytes = Buffer.alloc(8)
  const wire = wireTypeOf(field.type)
  if (wire === WIRE.FIXED64) bytes.writeBigUInt64LE(BigInt.asUintN(64, value))
  else if (wire === WIRE.FIXED32) bytes.writeUInt32LE(Number(BigInt.asUintN(32, value)))
  else if (field.type === T.SINT32 || field.type === T.SINT64)
    return varintBytes(value < 0n ? -value * 2n - 1n : value * 2n)
  else return varintBytes(value)
  return bytes
}

const delimited = (bytes: Buffer): Buffer => Buffer.concat([varintBytes(BigInt(bytes.length)), bytes])

const NAMED: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** C escapes, as descriptors spell bytes defaults. */
function unescapedBytes(text: string): Buffer {
  const plain = text.replace(/\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))/g, (_all, octal, hex, other) => {
    if (octal) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff)
    return hex ? String.fromCharCode(Number.parseInt(hex, 16)) : (NAMED[other] ?? other)
  })
  return Buffer.from(plain, 'latin1')
}
