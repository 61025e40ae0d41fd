// A worker's configuration as the composition root uses it: typed, deep-frozen, every default filled in.
import { MillraceError, Secret } from '@millrace/core'
import { WORKER_CLIENT_DEFAULTS } from '../connector/client-overrides.ts'
import { parseConverter } from '../connector/converter-settings.ts'
import { CONVERTER_ROLES, type ConverterSettings, DEFAULT_CONVERTERS } from '../connector/converters.ts'
import type { ConnectorContext } from '../connector/inspect.ts'
import { notSupported } from '../connector/refusals.ts'
import { deepFreeze } from '../definition/freeze.ts'
import type { ConfigError, ConfigNotice, ConfigValue, KeyDef, KeyDefs, RawConfig, Values } from '../definition/key.ts'
import { invalid } from '../definition/key.ts'
import { judgeUnknownKeys } from '../definition/near-miss.ts'
import { type ParsedKeys, parseByName, parseKeys } from '../definition/parse-keys.ts'
import { valueText } from '../definition/parse-value.ts'
import type { ProviderFiles } from '../providers/config-provider.ts'
import { type Resolution, resolvePlaceholders } from '../providers/placeholders.ts'
import { type ProvidersParse, parseProviders, providerKeysOf, providerNames } from '../providers/provider-keys.ts'
import { unspoken } from '../providers/unspoken.ts'
import { CLIENT_KEYS, CLIENT_KEYS_BY_FULL_NAME, CLIENT_ROLES, type ClientRole } from './client-keys.ts'
import { IGNORED_WORKER_KEYS, REFUSED_WORKER_KEYS } from './ignored-worker-keys.ts'
import { LISTENER_TLS_KEYS, LISTENER_TLS_PREFIX } from './listener-tls-keys.ts'
import { overridePolicy } from './override-policy.ts'
import { type RestConfig, restConfig, restErrors } from './rest-config.ts'
import { mergeSources, type Origin, originText, type Settings, type WorkerSources } from './sources.ts'
import { WORKER_KEYS } from './worker-keys.ts'

/** Kafka client settings by Kafka's names, `bootstrap.servers` included; what is not set is absent. */
export type ClientProperties = Readonly<Record<string, string | Secret>>

export type WorkerConfig = {
  readonly bootstrapServers: readonly string[]
  readonly groupId: string
  readonly configTopic: { readonly name: string; readonly replicationFactor: number }
  readonly journalTopic: { readonly name: string; readonly replicationFactor: number; readonly partitions: number }
  readonly redis: { readonly url: Secret; readonly prefix: string }
  readonly leaseTtlMs: number
  readonly leaseRenewalMs: number
  readonly rebalanceDelayMs: number
  readonly shutdownTimeoutMs: number
  readonly offsetFlushIntervalMs: number
  readonly stallDetectionMs: number
  /** null: disabled. */
  readonly auditTopic: string | null
  readonly autoRestart: { readonly isEnabled: boolean; readonly backoffMs: number; readonly backoffMaxMs: number }
  readonly rest: RestConfig
  /** KIP-558. */
  readonly topicTracking: { readonly isEnabled: boolean; readonly mayReset: boolean }
  readonly advertised: {
    readonly hostName: string | null
    readonly port: number | null
  }
  /** null: Google's own. */
  readonly bigquery: { readonly endpoint: string | null; readonly restEndpoint: string | null }
  readonly streamCreate: { readonly burst: number; readonly maxPerSec: number; readonly maxPerHour: number }
  readonly memoryBudgetBytes: number
  /** For each kind of client: the common settings with those of its prefix on top. */
  readonly kafkaClients: Readonly<Record<'common' | ClientRole, ClientProperties>>
  /** How often values of config providers in use are looked at again; null: never. */
  readonly providersLookEveryMs: number | null
  /** What connectors inherit: pass it to parseConnectorConfig and validateConnectorConfig. */
  readonly connectorContext: ConnectorContext
}

/** One line of `describe`: what a setting is and where it comes from. Secrets are `[hidden]`. */
export type DescribedSetting = { readonly key: string; readonly value: string | null; readonly origin: string }

export type WorkerParse =
  | {
      readonly ok: true
      readonly config: WorkerConfig
      readonly notices: readonly ConfigNotice[]
      readonly described: readonly DescribedSetting[]
    }
  | { readonly ok: false; readonly errors: readonly ConfigError[]; readonly notices: readonly ConfigNotice[] }

type WorkerValues = Values<typeof WORKER_KEYS>

/** Every key a worker knows, in the order of the reference page. */
export const ALL_WORKER_KEYS: KeyDefs = {
  ...WORKER_KEYS,
  ...LISTENER_TLS_KEYS,
  ...WORKER_CLIENT_DEFAULTS,
  ...CLIENT_KEYS_BY_FULL_NAME,
  ...IGNORED_WORKER_KEYS,
}

/** All errors at once, each naming its key and where it was read. */
export function parseWorkerConfig(sources: WorkerSources = {}): WorkerParse {
  const read = readSources(sources)
  if (!read.ok) return { ok: false, errors: [read.error], notices: [] }
  const { written, settings, resolution, providers } = read
  const parsed: ParsedKeys<typeof WORKER_KEYS> = parseKeys(WORKER_KEYS, settings.raw)
  const clients = parseByName(CLIENT_KEYS_BY_FULL_NAME, settings.raw)
  const clientDefaults = parseByName(WORKER_CLIENT_DEFAULTS, settings.raw)
  const tls = parseByName(LISTENER_TLS_KEYS, settings.raw)
  const converters = CONVERTER_ROLES.map(role => parseConverter(settings.raw, role, DEFAULT_CONVERTERS[role]))
  const converterDefs = new Map(converters.flatMap(converter => [...converter.defs]))
  const unknown = judgeUnknownKeys(
    Object.keys(settings.raw).filter(
      key => !isKnown(key) && !converterDefs.has(key) && !Object.hasOwn(providers.defs, key),
    ),
    [
      ...Object.keys(ALL_WORKER_KEYS),
      ...Object.keys(providers.defs),
      ...Object.keys(REFUSED_WORKER_KEYS),
      ...converterDefs.keys(),
    ],
    parsed.values['config.unknown.keys'] ?? 'near',
  )
  const found = [
    ...parsed.errors,
    ...clients.errors,
    ...clientDefaults.errors,
    ...tls.errors,
    ...converters.flatMap(converter => converter.errors.filter(isFatal)),
    ...providers.errors,
    ...refusedKeys(settings.raw),
    ...workerChecks(parsed.values),
    ...restErrors(parsed.values, tls.values, clients.values),
    ...unknown.errors,
  ]
  const defs = new Map(Object.entries<KeyDef>({ ...ALL_WORKER_KEYS, ...providers.defs }))
  const errors = unspoken(found, resolution, defs).map(error => placed(error, settings))
  const notices = [...ignoredKeys(settings.raw), ...unknown.notices]
  if (errors.length > 0) return { ok: false, errors, notices }
  const values = parsed.values as WorkerValues
  const convertersSet = converters.flatMap(({ values }) => [...values]).filter(([key]) => settings.origins.has(key))
  const inherited = converters.map(converter => converter.settings)
  return {
    ok: true,
    config: deepFreeze(build(values, { clients, clientDefaults, tls }, inherited, providers)),
    notices,
    described: describe(
      settings,
      written,
      resolution.keys,
      new Map([
        ...Object.entries<ConfigValue>(values),
        ...convertersSet,
        ...tls.values,
        ...clients.values,
        ...clientDefaults.values,
      ]),
    ),
  }
}

const isKnown = (key: string): boolean => Object.hasOwn(ALL_WORKER_KEYS, key) || Object.hasOwn(REFUSED_WORKER_KEYS, key)

type Read =
  | {
      readonly ok: true
      /** As they were written. */
      readonly written: RawConfig
      readonly settings: Settings
      readonly resolution: Resolution
      readonly providers: ProvidersParse & { readonly defs: KeyDefs }
    }
  | { readonly ok: false; readonly error: ConfigError }

function readSources(sources: WorkerSources): Read {
  try {
    const known = [...Object.keys(ALL_WORKER_KEYS), ...Object.keys(REFUSED_WORKER_KEYS), ...CONVERTER_OPTION_KEYS]
    const defs = providerKeysOf(providerNames(mergeSources(sources, known).raw))
    const settings = mergeSources(sources, [...known, ...Object.keys(defs)])
    const providers = parseProviders(settings.raw, {
      files: sources.files ?? NO_FILES,
      environment: sources.environment ?? {},
      onValue: sources.onProviderValue ?? (() => {}),
    })
    const resolution = resolvePlaceholders(settings.raw, providers.providers)
    return {
      ok: true,
      written: settings.raw,
      settings: { ...settings, raw: resolution.config },
      resolution,
      providers: { ...providers, defs },
    }
  } catch (error) {
    if (error instanceof MillraceError) return { ok: false, error: invalid(sources.file?.path ?? '', error.message) }
    throw error
  }
}

/** Without a machine to read from, no file is there. */
const NO_FILES: ProviderFiles = {
  realPath: path => path,
  read: () => {
    throw new Error('no files')
  },
}

/** Also looked up in the environment: the settings of the converter that is the default. */
const CONVERTER_OPTION_KEYS = CONVERTER_ROLES.flatMap(role =>
  ['schemas.enable', 'decimal.format', 'replace.null.with.default'].map(option => `${role}.converter.${option}`),
)

/** A worker may name a converter this version has not built: only a connector that uses it is refused. */
const isFatal = (error: ConfigError): boolean => error.code !== 'NOT_SUPPORTED'

/** Says where the offending line stands. */
function placed(error: ConfigError, settings: Settings): ConfigError {
  const origin = settings.origins.get(error.key)
  return origin ? { ...error, message: `${error.message} (${originText(origin)})` } : error
}

function refusedKeys(raw: RawConfig): readonly ConfigError[] {
  return Object.entries(REFUSED_WORKER_KEYS)
    .filter(([key, { inert }]) => Object.hasOwn(raw, key) && !inert.includes(raw[key]?.trim() ?? ''))
    .map(([key, { reason }]) => notSupported(key, reason))
}

function ignoredKeys(raw: RawConfig): readonly ConfigNotice[] {
  return Object.entries<KeyDef>(ALL_WORKER_KEYS).flatMap(([key, def]) =>
    def.ignored && Object.hasOwn(raw, key)
      ? [{ key, kind: 'ignored' as const, message: `Configuration ${key} is ignored: ${def.ignored}.` }]
      : [],
  )
}

function workerChecks(values: Partial<WorkerValues>): readonly ConfigError[] {
  const errors: ConfigError[] = []
  const { 'session.timeout.ms': ttlMs, 'heartbeat.interval.ms': renewalMs } = values
  if (ttlMs !== undefined && renewalMs !== undefined && renewalMs * 2 > ttlMs) {
    const message = `heartbeat.interval.ms (${renewalMs}) must be at most half of session.timeout.ms (${ttlMs})`
    errors.push(invalid('heartbeat.interval.ms', message))
  }
  const { 'auto.restart.backoff.ms': backoffMs, 'auto.restart.backoff.max.ms': backoffMaxMs } = values
  if (backoffMs !== undefined && backoffMaxMs !== undefined && backoffMs > backoffMaxMs) {
    errors.push(invalid('auto.restart.backoff.max.ms', 'auto.restart.backoff.max.ms is below auto.restart.backoff.ms'))
  }
  if (values['group.id'] !== undefined && topicsOf(values).config === topicsOf(values).journal) {
    errors.push(invalid('journal.storage.topic', 'journal.storage.topic and config.storage.topic must differ'))
  }
  return errors
}

const topicsOf = (values: Partial<WorkerValues>): { readonly config: string; readonly journal: string } => ({
  config: values['config.storage.topic'] ?? `${values['group.id']}-config`,
  journal: values['journal.storage.topic'] ?? `${values['group.id']}-journal`,
})

function auditTopicOf(values: WorkerValues): string | null {
  const topic = values['audit.topic'] ?? `${values['group.id']}-audit`
  return topic === 'disabled' ? null : topic
}

function build(
  values: WorkerValues,
  byName: Readonly<Record<'clients' | 'clientDefaults' | 'tls', { readonly values: ReadonlyMap<string, ConfigValue> }>>,
  inherited: readonly ConverterSettings[],
  { providers, lookEveryMs }: ProvidersParse,
): WorkerConfig {
  const clients = byName.clients.values
  const topics = topicsOf(values)
  const [key, value, header] = inherited
  return {
    bootstrapServers: values['bootstrap.servers'],
    groupId: values['group.id'],
    configTopic: { name: topics.config, replicationFactor: values['config.storage.replication.factor'] },
    journalTopic: {
      name: topics.journal,
      replicationFactor: values['journal.storage.replication.factor'],
      partitions: values['journal.storage.partitions'],
    },
    redis: { url: values['redis.url'], prefix: values['redis.prefix'] ?? `${values['group.id']}:` },
    leaseTtlMs: values['session.timeout.ms'],
    leaseRenewalMs: values['heartbeat.interval.ms'],
    rebalanceDelayMs: values['scheduled.rebalance.max.delay.ms'],
    shutdownTimeoutMs: values['task.shutdown.graceful.timeout.ms'],
    offsetFlushIntervalMs: values['offset.flush.interval.ms'],
    stallDetectionMs: values['stall.detection.ms'],
    auditTopic: auditTopicOf(values),
    autoRestart: {
      isEnabled: values['auto.restart.enable'],
      backoffMs: values['auto.restart.backoff.ms'],
      backoffMaxMs: values['auto.restart.backoff.max.ms'],
    },
    rest: restConfig(values, byName.tls.values, clients),
    topicTracking: { isEnabled: values['topic.tracking.enable'], mayReset: values['topic.tracking.allow.reset'] },
    advertised: {
      hostName: values['rest.advertised.host.name'],
      port: values['rest.advertised.port'],
    },
    bigquery: { endpoint: values['bigquery.endpoint'], restEndpoint: values['bigquery.rest.endpoint'] },
    streamCreate: {
      burst: values['stream.create.burst'],
      maxPerSec: values['stream.create.max.per.sec'],
      maxPerHour: values['stream.create.max.per.hour'],
    },
    memoryBudgetBytes: values['worker.memory.budget'],
    kafkaClients: {
      common: clientProperties(values, clients, ''),
      consumer: clientProperties(values, clients, 'consumer.'),
      producer: clientProperties(values, clients, 'producer.'),
      admin: clientProperties(values, clients, 'admin.'),
    },
    connectorContext: {
      workerGroupId: values['group.id'],
      reservedTopics: [topics.config, topics.journal, ...[auditTopicOf(values) ?? []].flat()],
      converters: {
        ...(key ? { key } : {}),
        ...(value ? { value } : {}),
        ...(header ? { header } : {}),
      },
      unknownKeys: values['config.unknown.keys'],
      overridePolicy: overridePolicy(
        values['connector.client.config.override.policy'],
        values['connector.client.config.override.allowlist'],
      ),
      autoOffsetReset:
        byName.clientDefaults.values.get('consumer.auto.offset.reset') === 'latest' ? 'latest' : 'earliest',
      providers,
      keyfilePaths: values['bigquery.keyfile.allowed.paths'] ?? (values['rest.authentication'] === 'none' ? null : []),
    },
    providersLookEveryMs: lookEveryMs,
  }
}

function clientProperties(
  values: WorkerValues,
  clients: ReadonlyMap<string, ConfigValue>,
  prefix: string,
): ClientProperties {
  const properties: Record<string, string | Secret> = { 'bootstrap.servers': values['bootstrap.servers'].join(',') }
  for (const key of Object.keys(CLIENT_KEYS)) {
    const value = clients.get(prefix + key) ?? clients.get(key) ?? null
    if (value !== null) properties[key] = value instanceof Secret ? value : String(value)
  }
  return properties
}

/** Every setting; of the client settings of one role only those that are set. */
function describe(
  settings: Settings,
  written: RawConfig,
  placeholders: ReadonlySet<string>,
  values: ReadonlyMap<string, ConfigValue>,
): readonly DescribedSetting[] {
  return [...values]
    .filter(([key]) => settings.origins.has(key) || !(isRoleKey(key) || key.startsWith(LISTENER_TLS_PREFIX)))
    .map(([key, value]) => ({
      key,
      value: placeholders.has(key) ? (written[key] ?? null) : valueText(value),
      origin: originText(settings.origins.get(key) ?? DEFAULT),
    }))
}
const DEFAULT: Origin = { kind: 'default' }
const isRoleKey = (key: string): boolean => CLIENT_ROLES.some(role => key.startsWith(`${role}.`))
