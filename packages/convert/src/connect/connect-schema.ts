// Kafka Connect's schema as JsonConverter spells it in the envelope: `{"type":"struct","fields":[…],"optional":false,…}`.
import { decodeString, type JsonMembers, type JsonNode, parseJson } from '../json/json-tree.ts'
import { type Refusal, unreadable } from '../refusal.ts'

export type ConnectType =
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float'
  | 'double'
  | 'boolean'
  | 'string'
  | 'bytes'
  | 'struct'
  | 'array'
  | 'map'

export type ConnectSchema = {
  readonly type: ConnectType
  readonly optional: boolean
  /** Logical type or struct name. */
  readonly name: string | null
  readonly doc: string | null
  readonly parameters: Readonly<Record<string, string>>
  readonly defaultValue: JsonSource | null
  readonly fields: readonly ConnectField[]
  /** Of arrays. */
  readonly items: ConnectSchema | null
  /** Of maps. */
  readonly keys: ConnectSchema | null
  readonly values: ConnectSchema | null
}
export type ConnectField = { readonly name: string; readonly schema: ConnectSchema }

/** A JSON value with the bytes it lies in. */
export type JsonSource = { readonly bytes: Buffer; readonly node: JsonNode }

const TYPES: ReadonlySet<string> = new Set<ConnectType>([
  'int8',
  'int16',
  'int32',
  'int64',
  'float',
  'double',
  'boolean',
  'string',
  'bytes',
  'struct',
  'array',
  'map',
])

/** Parses the schema part of an envelope; `null` for the JSON literal null. Throws a Refusal. Copies what it keeps. */
export function parseConnectSchema(text: Uint8Array): ConnectSchema | null {
  const bytes = Buffer.from(text)
  const node = parseJson(bytes, 0, bytes.length)
  return node.kind === 'null' ? null : schemaOf(bytes, node)
}

function schemaOf(bytes: Buffer, node: JsonNode): ConnectSchema {
  if (node.kind !== 'object') throw invalid('a schema is not an object')
  const type = textMember(bytes, node.members, 'type')
  if (type === null) throw invalid('a schema has no "type"')
  if (!TYPES.has(type)) throw invalid(`unknown schema type ${type.slice(0, 40)}`)
  const part = (name: string): ConnectSchema => {
    const value = node.members.get(name)
    if (value === undefined) throw invalid(`a schema of type ${type} has no "${name}"`)
    return schemaOf(bytes, value)
  }
  const defaultNode = node.members.get('default')
  return {
    type: type as ConnectType,
    optional: node.members.get('optional')?.kind === 'true',
    name: textMember(bytes, node.members, 'name'),
    doc: textMember(bytes, node.members, 'doc'),
    parameters: parametersOf(bytes, node.members.get('parameters')),
    defaultValue: defaultNode === undefined || defaultNode.kind === 'null' ? null : { bytes, node: defaultNode },
    fields: type === 'struct' ? fieldsOf(bytes, node.members.get('fields')) : [],
    items: type === 'array' ? part('items') : null,
    keys: type === 'map' ? part('keys') : null,
    values: type === 'map' ? part('values') : null,
  }
}

function fieldsOf(bytes: Buffer, node: JsonNode | undefined): ConnectField[] {
  if (node?.kind !== 'array') throw invalid('a struct schema has no array "fields"')
  return node.items.map(item => {
    const name = item.kind === 'object' ? textMember(bytes, item.members, 'field') : null
    if (name === null) throw invalid('a field of a struct schema has no "field" name')
    return { name, schema: schemaOf(bytes, item) }
  })
}

function parametersOf(bytes: Buffer, node: JsonNode | undefined): Record<string, string> {
  if (node?.kind !== 'object') return {}
  const entries = [...node.members.keys()].map(key => [key, textMember(bytes, node.members, key)] as const)
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, string] => entry[1] !== null))
}

function textMember(bytes: Buffer, members: JsonMembers, name: string): string | null {
  const node = members.get(name)
  return node?.kind === 'string' ? decodeString(bytes, node.start, node.end) : null
}

const invalid = (what: string): Refusal => unreadable(`The schema of the JSON envelope is invalid: ${what}.`)

/** Logical types that change how a base type is read. */
export type LogicalType =
  | { readonly kind: 'decimal'; readonly scale: number }
  | { readonly kind: 'variableScaleDecimal' }
  | { readonly kind: 'date' }
  | { readonly kind: 'time' | 'timestamp'; readonly unit: TimeUnit }
export type TimeUnit = 'millis' | 'micros' | 'nanos'

const LOGICAL_TIMES: Readonly<Record<string, LogicalType>> = {
  'org.apache.kafka.connect.data.Date': { kind: 'date' },
  'org.apache.kafka.connect.data.Time': { kind: 'time', unit: 'millis' },
  'org.apache.kafka.connect.data.Timestamp': { kind: 'timestamp', unit: 'millis' },
  'io.debezium.time.Date': { kind: 'date' },
  'io.debezium.time.Time': { kind: 'time', unit: 'millis' },
  'io.debezium.time.MicroTime': { kind: 'time', unit: 'micros' },
  'io.debezium.time.NanoTime': { kind: 'time', unit: 'nanos' },
  'io.debezium.time.Timestamp': { kind: 'timestamp', unit: 'millis' },
  'io.debezium.time.MicroTimestamp': { kind: 'timestamp', unit: 'micros' },
  'io.debezium.time.NanoTimestamp': { kind: 'timestamp', unit: 'nanos' },
}

/** The logical type of a schema, or null for a plain one (ZonedTimestamp, Json, Enum and Uuid are plain strings to us). */
export function logicalTypeOf(schema: ConnectSchema): LogicalType | null {
  switch (schema.name) {
    case null:
      return null
    case 'org.apache.kafka.connect.data.Decimal':
      return schema.type === 'bytes' ? { kind: 'decimal', scale: scaleOf(schema) } : null
    case 'io.debezium.data.VariableScaleDecimal':
      return schema.type === 'struct' ? { kind: 'variableScaleDecimal' } : null
    default: {
      const integer = schema.type === 'int32' || schema.type === 'int64'
      return (integer && LOGICAL_TIMES[schema.name]) || null
    }
  }
}

/** Scales outside this range would ask for absurd powers of ten. */
const MAX_DECIMAL_SCALE = 1_000

function scaleOf(schema: ConnectSchema): number {
  const text = schema.parameters.scale ?? ''
  const scale = Number(text)
  if (!/^-?[0-9]+$/.test(text) || Math.abs(scale) > MAX_DECIMAL_SCALE) {
    throw invalid('a Decimal has no usable "scale" parameter')
  }
  return scale
}
