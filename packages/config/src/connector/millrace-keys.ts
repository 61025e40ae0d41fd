// Connector keys that only Millrace has.

export const MILLRACE_KEYS = {
  'delivery.guarantee': {
    type: 'STRING',
    default: 'exactly_once',
    rule: { oneOf: ['exactly_once', 'at_least_once', 'pending', 'buffered', 'upsert', 'upsert_delete'] },
    doc: 'How records are delivered. exactly_once: committed streams and the journal.',
    importance: 'HIGH',
    group: 'Delivery',
    recommended: ['exactly_once'],
  },
  'append.max.bytes': {
    type: 'INT',
    default: 2000000,
    // https://cloud.google.com/bigquery/quotas#write-api-limits: 10 MB per AppendRows request, headroom for the envelope.
    rule: { atLeast: 10000, atMost: 9500000 },
    doc: 'Bytes of rows that close a batch. 2 MB is where throughput stops rising; the service takes at most 10 MB per request.',
    importance: 'LOW',
    group: 'Delivery',
  },
  'append.max.rows': {
    type: 'INT',
    default: 50000,
    rule: { atLeast: 1, atMost: 1000000 },
    doc: 'Rows that close a batch.',
    importance: 'LOW',
    group: 'Delivery',
  },
  'append.linger.ms': {
    type: 'INT',
    default: 100,
    rule: { atLeast: 0, atMost: 60000 },
    doc: 'Milliseconds after which a batch is closed even when it is not full.',
    importance: 'LOW',
    group: 'Delivery',
  },
  'schema.inference.enable': {
    type: 'BOOLEAN',
    default: false,
    doc: 'Creates tables for records without a schema from a sample of them.',
    importance: 'LOW',
    group: 'Tables',
    dependents: ['schema.inference.sample.records'],
  },
  'schema.inference.sample.records': {
    type: 'INT',
    default: 1000,
    rule: { atLeast: 1, atMost: 100000 },
    doc: 'Records in that sample.',
    importance: 'LOW',
    group: 'Tables',
    visibleWhen: { key: 'schema.inference.enable', in: ['true'] },
  },
  'config.unknown.keys': {
    type: 'STRING',
    default: null,
    rule: { oneOf: ['near', 'warn', 'error'] },
    doc: 'Unknown keys. near: one that looks like a typing error of a known key is an error, others are stored with a warning. warn: all are stored with a warning. error: all are errors. The worker’s setting when absent.',
    importance: 'LOW',
    group: 'Common',
  },
} as const
