// `consumer.override.*` and its siblings: a typed allow-list. Free client settings let a connector's author run code or read files
// in other systems (CVE-2023-25194), so everything not listed is refused by name, security settings first of all.
import {
  type ConfigError,
  type ConfigNotice,
  type ConfigValue,
  invalid,
  type KeyDef,
  type KeyDefs,
  type RawConfig,
} from '../definition/key.ts'
import { parseValue } from '../definition/parse-value.ts'
import { CLIENT_KEYS_BY_FULL_NAME } from '../worker/client-keys.ts'
import { isOverrideAllowed, type OverridePolicy } from '../worker/override-policy.ts'
import { notSupported } from './refusals.ts'

const GROUP = 'Client overrides'
const without = (type: KeyDef['type'], why: string): KeyDef => ({
  type,
  default: null,
  doc: 'A setting of Kafka’s Java client.',
  importance: 'LOW',
  group: GROUP,
  ignored: why,
})
const READER = 'the reader paces itself by worker.memory.budget'
const MEMBERSHIP = 'partitions are assigned by the coordinator, not by a consumer group'
const PRODUCER = 'dead letters are always produced idempotently with acks=all'

const GROUP_ID = 'consumer.override.group.id'
const ALLOWED: Readonly<Record<string, KeyDef>> = {
  'consumer.override.auto.offset.reset': {
    type: 'STRING',
    default: 'earliest',
    rule: { oneOf: ['earliest', 'latest'] },
    doc: 'Where a partition begins that neither the journal nor the consumer group knows a position of.',
    importance: 'MEDIUM',
    group: GROUP,
  },
  [GROUP_ID]: {
    type: 'STRING',
    default: null,
    rule: { nonEmpty: true },
    doc: 'Consumer group that shows the offsets, instead of connect-<name>.',
    importance: 'MEDIUM',
    group: GROUP,
  },
  'consumer.override.isolation.level': {
    ...without('STRING', 'only committed records are ever read'),
    rule: { oneOf: ['read_committed'] },
  },
  'consumer.override.enable.auto.commit': without('BOOLEAN', 'offsets are committed after the rows'),
  'consumer.override.client.id': without('STRING', 'client ids name worker and connector'),
  'consumer.override.max.poll.records': without('INT', READER),
  'consumer.override.max.poll.interval.ms': without('INT', MEMBERSHIP),
  'consumer.override.session.timeout.ms': without('INT', MEMBERSHIP),
  'consumer.override.heartbeat.interval.ms': without('INT', MEMBERSHIP),
  'consumer.override.partition.assignment.strategy': without('STRING', MEMBERSHIP),
  'consumer.override.request.timeout.ms': without('INT', READER),
  'consumer.override.fetch.min.bytes': without('INT', READER),
  'consumer.override.fetch.max.bytes': without('INT', READER),
  'consumer.override.fetch.max.wait.ms': without('INT', READER),
  'consumer.override.max.partition.fetch.bytes': without('INT', READER),
  'consumer.override.receive.buffer.bytes': without('INT', READER),
  'producer.override.acks': { ...without('STRING', PRODUCER), rule: { oneOf: ['all', '-1'] } },
  'producer.override.compression.type': without('STRING', PRODUCER),
  'producer.override.linger.ms': without('LONG', PRODUCER),
  'producer.override.batch.size': without('INT', PRODUCER),
  'producer.override.buffer.memory': without('LONG', PRODUCER),
  'producer.override.max.request.size': without('INT', PRODUCER),
}

/**
 * The same settings in a worker's file, `consumer.auto.offset.reset`: for all its connectors that do not say themselves. What has no
 * effect may have any value there: files come from Kafka Connect as they are.
 */
export const WORKER_CLIENT_DEFAULTS: KeyDefs = Object.fromEntries(
  Object.entries(ALLOWED)
    .map(
      ([key, { rule, ...def }]) =>
        [
          key.replace('.override.', '.'),
          {
            ...def,
            ...(def.ignored === undefined && rule !== undefined ? { rule } : {}),
            ...(key === GROUP_ID ? { ignored: 'each connector has a consumer group of its own' } : {}),
            default: null,
          } satisfies KeyDef,
        ] as const,
    )
    .filter(([key]) => !Object.hasOwn(CLIENT_KEYS_BY_FULL_NAME, key)),
)

export const isClientOverride = (key: string): boolean => /^(consumer|producer|admin)\.override\./.test(key)
export const CLIENT_OVERRIDE_KEYS: Readonly<Record<string, KeyDef>> = ALLOWED

const ALL: OverridePolicy = { name: 'All', allowlist: [] }

export type ClientOverrides = {
  /** Of the overrides that are set and listed. */
  readonly defs: ReadonlyMap<string, KeyDef>
  readonly values: ReadonlyMap<string, ConfigValue>
  readonly errors: readonly ConfigError[]
  readonly notices: readonly ConfigNotice[]
}

export function parseClientOverrides(raw: RawConfig, policy: OverridePolicy = ALL): ClientOverrides {
  const defs = new Map<string, KeyDef>()
  const values = new Map<string, ConfigValue>()
  const errors: ConfigError[] = []
  const notices: ConfigNotice[] = []
  for (const [key, text] of Object.entries(raw).filter(([key]) => isClientOverride(key))) {
    const def = Object.hasOwn(ALLOWED, key) ? ALLOWED[key] : undefined
    const setting = key.replace(/^(consumer|producer|admin)\.override\./, '')
    if (!isOverrideAllowed(policy, setting)) {
      const text = `The '${policy.name}' policy does not allow '${setting}' to be overridden in the connector configuration.`
      errors.push(invalid(key, text))
      continue
    }
    if (!def) {
      errors.push(notSupported(key, 'this client override is not in the allow-list (the worker sets up its clients)'))
      continue
    }
    defs.set(key, def)
    const parsed = parseValue(key, def, text)
    if ('error' in parsed) errors.push(parsed.error)
    else values.set(key, parsed.value)
    if (def.ignored) notices.push({ key, kind: 'ignored', message: `Configuration ${key} is ignored: ${def.ignored}.` })
  }
  return { defs, values, errors, notices }
}
