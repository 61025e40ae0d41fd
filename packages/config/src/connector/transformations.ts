// The transformations and predicates of Kafka Connect (apache/kafka connect/transforms), by class with their keys: all are known,
// listed and validated; which of them run is said in SUPPORTED_TRANSFORMATIONS.
import type { KeyDef, KeyDefs } from '../definition/key.ts'

const key = (type: KeyDef['type'], doc: string, rest: Partial<KeyDef> = {}): KeyDef => ({
  type,
  doc,
  importance: 'HIGH',
  group: null,
  ...rest,
})
const replaceNull: KeyDefs = {
  'replace.null.with.default': key('BOOLEAN', 'A null field becomes the default its schema declares.', {
    default: true,
    importance: 'MEDIUM',
  }),
}
const syntaxVersion: KeyDefs = {
  'field.syntax.version': key('STRING', 'V1: plain field names. V2: paths into nested fields.', {
    default: 'V1',
    rule: { oneOf: ['V1', 'V2'], ignoreCase: true },
  }),
}
const optionalField = (doc: string): KeyDef => key('STRING', doc, { default: null, importance: 'MEDIUM' })

const PACKAGE = 'org.apache.kafka.connect.transforms.'
const PREDICATE_PACKAGE = 'org.apache.kafka.connect.transforms.predicates.'
export const FILTER_CLASS: string = `${PACKAGE}Filter`
export const TOPIC_NAME_MATCHES: string = `${PREDICATE_PACKAGE}TopicNameMatches`
export const HAS_HEADER_KEY: string = `${PREDICATE_PACKAGE}HasHeaderKey`
const RECORD_IS_TOMBSTONE: string = `${PREDICATE_PACKAGE}RecordIsTombstone`

/** Classes that exist as X$Key and X$Value. */
const ON_KEY_OR_VALUE: Readonly<Record<string, KeyDefs>> = {
  Cast: {
    spec: key('LIST', 'field:type pairs, or one type for the whole.', {
      rule: { nonEmpty: true, format: 'castSpec' },
    }),
    ...replaceNull,
  },
  ExtractField: {
    field: key('STRING', 'Field to extract.', { importance: 'MEDIUM' }),
    ...syntaxVersion,
    ...replaceNull,
  },
  Flatten: { delimiter: key('STRING', 'Between the parts of a name.', { default: '.', importance: 'MEDIUM' }) },
  HeaderFrom: {
    fields: key('LIST', 'Fields that become headers.', { rule: { nonEmpty: true } }),
    headers: key('LIST', 'Their header names, in the same order.', { rule: { nonEmpty: true } }),
    operation: key('STRING', 'Whether the fields stay.', { rule: { oneOf: ['move', 'copy'] } }),
    ...replaceNull,
  },
  HoistField: { field: key('STRING', 'Field that will hold the whole.', { importance: 'MEDIUM' }) },
  InsertField: {
    'topic.field': optionalField('Field for the topic.'),
    'partition.field': optionalField('Field for the partition.'),
    'offset.field': optionalField('Field for the offset.'),
    'timestamp.field': optionalField('Field for the timestamp.'),
    'static.field': optionalField('Field for a fixed value.'),
    'static.value': optionalField('The fixed value.'),
    ...replaceNull,
  },
  MaskField: {
    fields: key('LIST', 'Fields to mask.', { rule: { nonEmpty: true } }),
    replacement: key('STRING', 'Replacement instead of an empty value.', {
      default: null,
      rule: { nonEmpty: true },
      importance: 'LOW',
    }),
    ...replaceNull,
  },
  ReplaceField: {
    include: key('LIST', 'Fields to keep.', { default: [], importance: 'MEDIUM' }),
    exclude: key('LIST', 'Fields to drop.', { default: [], importance: 'MEDIUM' }),
    renames: key('LIST', 'old:new pairs.', { default: [], rule: { format: 'rename' }, importance: 'MEDIUM' }),
    ...replaceNull,
  },
  SetSchemaMetadata: {
    'schema.name': key('STRING', 'Name of the schema.', { default: null }),
    'schema.version': key('INT', 'Version of the schema.', { default: null }),
    ...replaceNull,
  },
  TimestampConverter: {
    field: key('STRING', 'Field to convert; empty for the whole.', { default: '' }),
    'target.type': key('STRING', 'Resulting type.', {
      rule: { oneOf: ['string', 'unix', 'Date', 'Time', 'Timestamp'] },
    }),
    format: key('STRING', 'SimpleDateFormat pattern of strings.', { default: '', importance: 'MEDIUM' }),
    'unix.precision': key('STRING', 'Unit of unix times.', {
      default: 'milliseconds',
      rule: { oneOf: ['nanoseconds', 'microseconds', 'milliseconds', 'seconds'] },
      importance: 'LOW',
    }),
    ...replaceNull,
  },
}

const ON_RECORD: Readonly<Record<string, KeyDefs>> = {
  DropHeaders: { headers: key('LIST', 'Headers to drop.', { rule: { nonEmpty: true } }) },
  Filter: {},
  InsertHeader: {
    header: key('STRING', 'Name of the header.'),
    'value.literal': key('STRING', 'Its value.'),
  },
  RegexRouter: {
    regex: key('STRING', 'Expression the topic is matched against.', { rule: { format: 'regex' } }),
    replacement: key('STRING', 'Replacement of the topic.'),
  },
  TimestampRouter: {
    // Not a template of ours: Connect's own placeholders.
    'topic.format': key('STRING', 'New topic name.', { default: '$' + '{topic}-$' + '{timestamp}' }),
    'timestamp.format': key('STRING', 'SimpleDateFormat pattern of the timestamp.', { default: 'yyyyMMdd' }),
  },
  ValueToKey: { fields: key('LIST', 'Fields that make the key.', { rule: { nonEmpty: true } }), ...replaceNull },
}

export const TRANSFORMATIONS: Readonly<Record<string, KeyDefs>> = Object.fromEntries([
  ...Object.entries(ON_RECORD).map(([name, keys]) => [PACKAGE + name, keys] as const),
  ...Object.entries(ON_KEY_OR_VALUE).flatMap(([name, keys]) =>
    ['$Key', '$Value'].map(side => [PACKAGE + name + side, keys] as const),
  ),
])
export const SUPPORTED_TRANSFORMATIONS: readonly string[] = [FILTER_CLASS]

export const PREDICATES: Readonly<Record<string, KeyDefs>> = {
  [TOPIC_NAME_MATCHES]: {
    pattern: key('STRING', 'Expression the whole topic name must match.', {
      rule: { nonEmpty: true, format: 'regex' },
      importance: 'MEDIUM',
    }),
  },
  [HAS_HEADER_KEY]: { name: key('STRING', 'Name of the header.', { rule: { nonEmpty: true }, importance: 'MEDIUM' }) },
  [RECORD_IS_TOMBSTONE]: {},
}

/** The full name of a class given in full, by its simple name (`Filter`), or as `InsertField$Value`; null when there is none. */
export function classNamed(classes: Readonly<Record<string, unknown>>, name: string): string | null {
  return Object.keys(classes).find(known => known === name || known.endsWith(`.${name}`)) ?? null
}
