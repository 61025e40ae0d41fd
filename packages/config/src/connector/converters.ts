// The converters Kafka Connect ships, by class, with their own keys; and which of them this version can use.
import type { KeyDefs } from '../definition/key.ts'

export const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter'
export const STRING_CONVERTER = 'org.apache.kafka.connect.storage.StringConverter'
export const SIMPLE_HEADER_CONVERTER = 'org.apache.kafka.connect.storage.SimpleHeaderConverter'
export const BYTE_ARRAY_CONVERTER = 'org.apache.kafka.connect.converters.ByteArrayConverter'

/** A converter and its keys without their prefix, as a connector or a worker sets them. */
export type ConverterSettings = { readonly className: string; readonly options: Readonly<Record<string, string>> }

export type ConverterRole = 'key' | 'value' | 'header'
export const CONVERTER_ROLES: readonly ConverterRole[] = ['key', 'value', 'header']

/** What a worker uses that says nothing: Kafka Connect's own choice of sample files. */
export const DEFAULT_CONVERTERS: Readonly<Record<ConverterRole, ConverterSettings>> = {
  key: { className: JSON_CONVERTER, options: {} },
  value: { className: JSON_CONVERTER, options: {} },
  header: { className: SIMPLE_HEADER_CONVERTER, options: {} },
}

export const JSON_CONVERTER_KEYS = {
  'schemas.enable': {
    type: 'BOOLEAN',
    default: true,
    doc: 'Every record is an envelope {"schema": …, "payload": …}. Set false for plain JSON.',
    importance: 'HIGH',
    group: 'Schemas',
    order: 0,
    width: 'MEDIUM',
    displayName: 'Enable Schemas',
  },
  'schemas.cache.size': {
    type: 'INT',
    default: 1000,
    rule: { atLeast: 0 },
    doc: 'Number of schemas kept.',
    importance: 'HIGH',
    group: 'Schemas',
    order: 1,
    width: 'MEDIUM',
    displayName: 'Schema Cache Size',
  },
  'decimal.format': {
    type: 'STRING',
    default: 'BASE64',
    rule: { oneOf: ['NUMERIC', 'BASE64'], ignoreCase: true },
    doc: 'How Decimal values are written in the JSON: base64 of the unscaled bytes, or a number.',
    importance: 'LOW',
    group: 'Serialization',
    order: 0,
    width: 'MEDIUM',
    displayName: 'Decimal Format',
  },
  'replace.null.with.default': {
    type: 'BOOLEAN',
    default: true,
    doc: 'A null field becomes the default its schema declares.',
    importance: 'LOW',
    group: 'Serialization',
    order: 1,
    width: 'MEDIUM',
    displayName: 'Replace null with default',
  },
} as const

const ENCODING: KeyDefs = {
  'converter.encoding': {
    type: 'STRING',
    default: 'UTF-8',
    doc: 'Character set.',
    importance: 'HIGH',
    group: null,
    width: 'MEDIUM',
    displayName: 'Encoding',
  },
}
/** Which of a record it converts: the runtime says it, whatever a configuration says. */
export const CONVERTER_TYPE = 'converter.type'
const TYPE: KeyDefs = {
  [CONVERTER_TYPE]: {
    type: 'STRING',
    doc: 'How the converter is used: key, value or header.',
    importance: 'LOW',
    group: null,
  },
}
const REGISTRY: KeyDefs = {
  'schema.registry.url': { type: 'LIST', doc: 'Schema Registry addresses.', importance: 'HIGH', group: null },
}

/** Classes by name. Those outside SUPPORTED are known, so that they can be refused by name instead of "not found". */
export const CONVERTERS: Readonly<Record<string, KeyDefs>> = {
  [JSON_CONVERTER]: { ...TYPE, ...JSON_CONVERTER_KEYS },
  [STRING_CONVERTER]: { ...TYPE, ...ENCODING },
  [SIMPLE_HEADER_CONVERTER]: {},
  [BYTE_ARRAY_CONVERTER]: TYPE,
  'org.apache.kafka.connect.converters.BooleanConverter': TYPE,
  'org.apache.kafka.connect.converters.ShortConverter': TYPE,
  'org.apache.kafka.connect.converters.IntegerConverter': TYPE,
  'org.apache.kafka.connect.converters.LongConverter': TYPE,
  'org.apache.kafka.connect.converters.FloatConverter': TYPE,
  'org.apache.kafka.connect.converters.DoubleConverter': TYPE,
  'io.confluent.connect.avro.AvroConverter': REGISTRY,
  'io.confluent.connect.json.JsonSchemaConverter': REGISTRY,
  'io.confluent.connect.protobuf.ProtobufConverter': REGISTRY,
}

/** Keys and header values are not written to tables, so any converter that cannot fail a record does for them. */
export const SUPPORTED_CONVERTERS: Readonly<Record<ConverterRole, readonly string[]>> = {
  value: [JSON_CONVERTER],
  key: [JSON_CONVERTER, STRING_CONVERTER, BYTE_ARRAY_CONVERTER],
  header: [SIMPLE_HEADER_CONVERTER, JSON_CONVERTER, STRING_CONVERTER, BYTE_ARRAY_CONVERTER],
}
