// A row plan laid out for the transcoder: integers instead of words, and what it remembers from one record to the next.
import type { ConnectSchema } from '../connect/connect-schema.ts'
import { logicalTypeOf } from '../connect/connect-schema.ts'
import type { FieldPlan, MessagePlan } from '../row-plan.ts'
import { WIRE_TYPE } from '../schema/writer-schema.ts'
import { COLUMNS_IN_BITS, KeyTable } from './transcoder/keys.ts'

/** How the transcoder reads a value. SLOW = always by the general path, value by value. */
export const KIND = {
  SLOW: 0,
  BOOL: 1,
  INT64: 2,
  FLOAT64: 3,
  NUMERIC: 4,
  STRING: 5,
  BYTES: 6,
  DATE: 7,
  TIME: 8,
  DATETIME: 9,
  TIMESTAMP: 10,
  JSON: 11,
  MESSAGE: 12,
  /** Integer tokens of logical types: milliseconds and microseconds since the epoch, days since the epoch. */
  EPOCH_MILLIS: 13,
  EPOCH_MICROS: 14,
  EPOCH_DAYS: 15,
  /** Connect's Decimal (base64 of the unscaled value) into NUMERIC and FLOAT64. */
  DECIMAL_NUMERIC: 16,
  DECIMAL_FLOAT64: 17,
} as const
export type Kind = (typeof KIND)[keyof typeof KIND]

/** One column. */
export type Slot = {
  readonly index: number
  readonly kind: Kind
  /** Field number and wire type, ready to be written. */
  readonly tag: number
  readonly repeated: boolean
  /** 1 when null or absent refuses the record. */
  readonly mandatory: number
  /** The source's integer type has less than 64 bits: then its bounds. */
  readonly narrow: boolean
  readonly min: number
  readonly max: number
  /** Of a DECIMAL. */
  readonly scale: number
  readonly message: TranscoderPlan | null
  readonly field: FieldPlan
  /** Without a source schema the token alone decides, so that several tokens are usual. */
  readonly schemaless: boolean
  /** Nesting of the column's value in the record; of one element, when repeated. */
  readonly depth: number
}

export class TranscoderPlan {
  /** Nesting of the members' values in the record. */
  readonly memberDepth: number
  readonly slots: readonly Slot[]
  readonly mandatoryCount: number
  readonly withDefault: readonly Slot[]
  readonly keys: KeyTable
  /** `stamps[slot.index] === stamp`: the current message already had this column. Only for columns without a bit. */
  readonly stamps: Int32Array
  stamp = 0
  /** Bytes the last message's length took: predicted for the next. */
  lengthWidth = 1

  /** @param depth nesting of the object that this plan reads; 0 for the row. */
  constructor(plan: MessagePlan, depth: number) {
    this.memberDepth = depth + 1
    this.slots = plan.fields.map(field => slotOf(field, depth))
    this.mandatoryCount = plan.mandatoryCount
    this.withDefault = plan.withDefault.map(field => this.slots[field.index]!)
    this.stamps = new Int32Array(this.slots.length > COLUMNS_IN_BITS ? this.slots.length : 0)
    this.keys = new KeyTable(plan, this.slots)
  }

  /** A fresh stamp for the next message. */
  nextStamp(): number {
    if (this.stamp === 0x3fff_ffff) {
      this.stamps.fill(0)
      this.stamp = 0
    }
    return ++this.stamp
  }
}

function slotOf(field: FieldPlan, parentDepth: number): Slot {
  const kind = kindOf(field)
  const depth = parentDepth + (field.repeated ? 2 : 1)
  const bounds = INTEGER_BOUNDS[elementOf(field)?.type ?? '']
  const [min, max] = bounds ?? [0, 0]
  return {
    index: field.index,
    kind,
    tag: tagOf(field),
    repeated: field.repeated,
    mandatory: field.mandatory ? 1 : 0,
    narrow: bounds !== undefined,
    min,
    max,
    scale: scaleOf(field),
    schemaless: field.source === null,
    message: kind === KIND.MESSAGE ? new TranscoderPlan(field.message!, depth) : null,
    field,
    depth,
  }
}

const INTEGER_BOUNDS: Readonly<Record<string, readonly [number, number]>> = {
  int8: [-(2 ** 7), 2 ** 7 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
}

const elementOf = (field: FieldPlan): ConnectSchema | null =>
  field.repeated ? (field.source?.items ?? null) : field.source

function scaleOf(field: FieldPlan): number {
  const source = elementOf(field)
  const logical = source && logicalTypeOf(source)
  return logical?.kind === 'decimal' ? logical.scale : 0
}

/** Wire types by proto type; proto numbers of core's PROTO_TYPE. */
function tagOf(field: FieldPlan): number {
  const type = WIRE_TYPE[field.type]
  const wire = type === undefined || type === 9 || type === 11 || type === 12 ? 2 : type === 1 ? 1 : 0
  return field.number * 8 + wire
}

function kindOf(field: FieldPlan): Kind {
  if (field.number === 0 || field.map !== null || field.refuses) return KIND.SLOW
  if (field.message !== null) return KIND.MESSAGE
  const source = elementOf(field)
  if (source === null) return field.type in KIND ? KIND[field.type as keyof typeof KIND] : KIND.SLOW
  return kindWithSource(field, source)
}

/** Only where the token the transcoder reads at once is exactly the one the source schema asks for. */
function kindWithSource(field: FieldPlan, source: ConnectSchema): Kind {
  const logical = logicalTypeOf(source)
  if (logical?.kind === 'timestamp' && field.type === 'TIMESTAMP' && source.type === 'int64') {
    return logical.unit === 'millis' ? KIND.EPOCH_MILLIS : logical.unit === 'micros' ? KIND.EPOCH_MICROS : KIND.SLOW
  }
  if (logical?.kind === 'decimal' && logical.scale >= 0) {
    if (field.type === 'NUMERIC' && logical.scale <= 9) return KIND.DECIMAL_NUMERIC
    if (field.type === 'FLOAT64' && logical.scale <= 22) return KIND.DECIMAL_FLOAT64
  }
  if (logical?.kind === 'date' && field.type === 'DATE' && source.type === 'int32') return KIND.EPOCH_DAYS
  if (logical !== null) return KIND.SLOW
  switch (source.type) {
    case 'int8':
    case 'int16':
    case 'int32':
    case 'int64':
      if (field.type === 'TIMESTAMP' && source.type === 'int64') return KIND.EPOCH_MICROS
      return field.type === 'INT64' ? KIND.INT64 : KIND.SLOW
    case 'float':
    case 'double':
      return field.type === 'FLOAT64' ? KIND.FLOAT64 : field.type === 'NUMERIC' ? KIND.NUMERIC : KIND.SLOW
    case 'boolean':
      return field.type === 'BOOL' ? KIND.BOOL : KIND.SLOW
    case 'string':
      switch (field.type) {
        case 'STRING':
        case 'DATE':
        case 'TIME':
        case 'DATETIME':
        case 'TIMESTAMP':
          return KIND[field.type]
        default:
          return KIND.SLOW
      }
    case 'bytes':
      return field.type === 'BYTES' ? KIND.BYTES : KIND.SLOW
    default:
      return KIND.SLOW
  }
}
