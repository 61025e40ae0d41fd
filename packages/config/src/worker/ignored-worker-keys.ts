// Worker keys of Kafka Connect that are accepted, so that an existing worker file starts, and that change nothing here.
import type { KeyDef, KeyDefs } from '../definition/key.ts'

const STORAGE = 'offsets and status are kept in the journal and in Redis'
const GROUP_PROTOCOL = 'workers are coordinated by Redis leases, not by Kafka’s group protocol'
const PLUGINS = 'there is no plug-in class path'
const METRICS = 'metrics are not built in this version'
const SOURCES = 'there are no source connectors'
const INTERNAL_KEYS = 'workers send each other no requests, so there is nothing to sign'

const REASONS: Readonly<Record<string, string>> = {
  'offset.storage.topic': STORAGE,
  'offset.storage.partitions': STORAGE,
  'offset.storage.replication.factor': STORAGE,
  'offset.storage.file.filename': STORAGE,
  'status.storage.topic': STORAGE,
  'status.storage.partitions': STORAGE,
  'status.storage.replication.factor': STORAGE,
  'offset.flush.timeout.ms': STORAGE,
  'connect.protocol': GROUP_PROTOCOL,
  'rebalance.timeout.ms': GROUP_PROTOCOL,
  'worker.sync.timeout.ms': GROUP_PROTOCOL,
  'worker.unsync.backoff.ms': GROUP_PROTOCOL,
  'client.id': 'client ids name the worker and what the client does',
  'client.dns.lookup': 'addresses are resolved by the operating system',
  'rest.advertised.listener': 'workers do not ask each other: any worker answers',
  'plugin.path': PLUGINS,
  'plugin.discovery': PLUGINS,
  'internal.key.converter': PLUGINS,
  'internal.value.converter': PLUGINS,
  'exactly.once.source.support': SOURCES,
  'topic.creation.enable': SOURCES,
  'inter.worker.key.ttl.ms': INTERNAL_KEYS,
  'inter.worker.key.size': INTERNAL_KEYS,
  'inter.worker.key.generation.algorithm': INTERNAL_KEYS,
  'inter.worker.signature.algorithm': INTERNAL_KEYS,
  'inter.worker.verification.algorithms': INTERNAL_KEYS,
  'metrics.sample.window.ms': METRICS,
  'metrics.num.samples': METRICS,
  'metrics.recording.level': METRICS,
  'metric.reporters': METRICS,
  'auto.include.jmx.reporter': METRICS,
}

const ignoredKey = (ignored: string): KeyDef => ({
  type: 'STRING',
  default: null,
  doc: 'A key of Kafka Connect’s worker.',
  importance: 'LOW',
  group: 'Ignored',
  ignored,
})
export const IGNORED_WORKER_KEYS: KeyDefs = Object.fromEntries(
  Object.entries(REASONS).map(([key, reason]) => [key, ignoredKey(reason)]),
)

/**
 * Worker keys that would be a hole or a broken promise if they were ignored: set to anything but these values, the worker refuses
 * to start.
 */
export const REFUSED_WORKER_KEYS: Readonly<
  Record<string, { readonly inert: readonly string[]; readonly reason: string }>
> = {
  'rest.extension.classes': {
    inert: [''],
    reason: 'there are no Java REST extensions; for authentication see rest.authentication',
  },
}
