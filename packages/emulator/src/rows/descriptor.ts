// DescriptorProto, read by hand, with the raw column_name option that generic decoders drop.
// Field numbers: google/protobuf/descriptor.proto.
import { Cursor, MalformedProto } from '../wire/cursor.ts'

export const PROTO_TYPE = {
  DOUBLE: 1,
  FLOAT: 2,
  INT64: 3,
  UINT64: 4,
  INT32: 5,
  FIXED64: 6,
  FIXED32: 7,
  BOOL: 8,
  STRING: 9,
  GROUP: 10,
  MESSAGE: 11,
  BYTES: 12,
  UINT32: 13,
  ENUM: 14,
  SFIXED32: 15,
  SFIXED64: 16,
  SINT32: 17,
  SINT64: 18,
} as const

export type FieldDescriptor = {
  readonly name: string
  readonly number: number
  readonly label: 'optional' | 'required' | 'repeated'
  readonly type: number
  readonly typeName: string
  readonly defaultValue: string | undefined
  readonly columnName: string | undefined
}
export type EnumDescriptor = {
  readonly name: string
  /** The first name of each number. */
  readonly names: ReadonlyMap<number, string>
  readonly numbers: ReadonlyMap<string, number>
}
export type MessageDescriptor = {
  readonly name: string
  readonly fields: readonly FieldDescriptor[]
  readonly nested: readonly MessageDescriptor[]
  readonly enums: readonly EnumDescriptor[]
}

/** BigQuery allows 15 levels of nesting; https://cloud.google.com/bigquery/docs/nested-repeated */
const NESTING_MAX = 16
/** BigQuery allows 10,000 columns per table, nested ones included; https://cloud.google.com/bigquery/quotas#table_quotas */
const FIELDS_MAX = 10_000
/** Enum values, about 100 bytes each: what else a hostile descriptor could be large by. */
const NAMES_MAX = 100_000
/** Messages and enums count for so many names: each field's type is looked for among them. */
const NAMES_PER_TYPE = 10

type Budget = { fields: number; names: number }

function spendNames(budget: Budget, count: number): void {
  budget.names -= count
  if (budget.names < 0) throw new MalformedProto('descriptor with too many types or enum values')
}

const LABELS = { 1: 'optional', 2: 'required', 3: 'repeated' } as const
const COLUMN_NAME_TAG = 454943157 * 8 + 2

/** Throws MalformedProto. */
export function readDescriptor(bytes: Buffer): MessageDescriptor {
  const budget: Budget = { fields: FIELDS_MAX, names: NAMES_MAX }
  return readMessage(new Cursor(bytes), 1, budget)
}

function readMessage(c: Cursor, depth: number, budget: Budget): MessageDescriptor {
  spendNames(budget, NAMES_PER_TYPE)
  if (depth > NESTING_MAX) throw new MalformedProto('descriptor nested too deeply')
  let name = ''
  const fields: FieldDescriptor[] = []
  const nested: MessageDescriptor[] = []
  const enums: EnumDescriptor[] = []
  while (c.pos < c.end) {
    const tag = c.tag()
    if (tag === 0x0a) name = c.text()
    else if (tag === 0x12) {
      if (--budget.fields < 0) throw new MalformedProto('descriptor with too many fields')
      c.within(inner => fields.push(readField(inner)))
    } else if (tag === 0x1a) c.within(inner => nested.push(readMessage(inner, depth + 1, budget)))
    else if (tag === 0x22) c.within(inner => enums.push(readEnum(inner, budget)))
    else c.skip(tag & 7)
  }
  return { name, fields, nested, enums }
}

function readField(c: Cursor): FieldDescriptor {
  let name = ''
  let number = 0
  let label: FieldDescriptor['label'] = 'optional'
  let type = 0
  let typeName = ''
  let defaultValue: string | undefined
  let columnName: string | undefined
  while (c.pos < c.end) {
    const tag = c.tag()
    if (tag === 0x0a) name = c.text()
    else if (tag === 0x18) number = c.uint32()
    else if (tag === 0x20) label = LABELS[c.uint32() as 1 | 2 | 3] ?? 'optional'
    else if (tag === 0x28) type = c.uint32()
    else if (tag === 0x32) typeName = c.text()
    else if (tag === 0x3a) defaultValue = c.text()
    else if (tag === 0x42) {
      c.within(options => {
        while (options.pos < options.end) {
          const optionTag = options.tag()
          if (optionTag === COLUMN_NAME_TAG) columnName = options.text()
          else options.skip(optionTag & 7)
        }
      })
    } else c.skip(tag & 7)
  }
  return { name, number, label, type, typeName, defaultValue, columnName }
}

function readEnum(c: Cursor, budget: Budget): EnumDescriptor {
  spendNames(budget, NAMES_PER_TYPE)
  let name = ''
  const names = new Map<number, string>()
  const numbers = new Map<string, number>()
  while (c.pos < c.end) {
    const tag = c.tag()
    if (tag === 0x0a) name = c.text()
    else if (tag === 0x12) {
      spendNames(budget, 1)
      c.within(value => {
        let valueName = ''
        let valueNumber = 0
        while (value.pos < value.end) {
          const valueTag = value.tag()
          if (valueTag === 0x0a) valueName = value.text()
          else if (valueTag === 0x10) valueNumber = value.uint32() | 0
          else value.skip(valueTag & 7)
        }
        if (!names.has(valueNumber)) names.set(valueNumber, valueName)
        numbers.set(valueName, valueNumber)
      })
    } else c.skip(tag & 7)
  }
  return { name, names, numbers }
}
