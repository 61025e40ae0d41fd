// `config.providers` of the worker, and the keys of each provider that is named there.
import type { ConfigError, KeyDefs, RawConfig } from '../definition/key.ts'
import { invalid } from '../definition/key.ts'
import { parseByName } from '../definition/parse-keys.ts'
import type { ConfigProvider, ConfigProviders, ProviderFiles } from './config-provider.ts'
import { environmentProvider } from './environment-provider.ts'
import { directoryProvider, fileProvider } from './file-providers.ts'

const GROUP = 'Config providers'
const CLASSES = {
  file: ['file', 'FileConfigProvider', 'org.apache.kafka.common.config.provider.FileConfigProvider'],
  dir: ['dir', 'DirectoryConfigProvider', 'org.apache.kafka.common.config.provider.DirectoryConfigProvider'],
  env: ['env', 'EnvVarConfigProvider', 'org.apache.kafka.common.config.provider.EnvVarConfigProvider'],
} as const
const EVERY_CLASS: readonly string[] = Object.values(CLASSES).flat()

/** Each under `config.providers.<name>.`. */
export const PROVIDER_KEYS: KeyDefs = {
  class: {
    type: 'STRING',
    rule: { oneOf: EVERY_CLASS },
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what users write
    doc: 'What it reads: file, a key of a properties file (${name:/path/of/file:key}); dir, a file of a folder (${name:/folder:file}); env, a variable (${name:VARIABLE}). The class names of Kafka mean the same.',
    importance: 'MEDIUM',
    group: GROUP,
  },
  'param.allowed.paths': {
    type: 'LIST',
    default: [],
    rule: { maxItems: 100 },
    doc: 'file and dir: folders and files it may read, absolute, separated by commas. Required, unlike with Kafka.',
    importance: 'MEDIUM',
    group: GROUP,
  },
  'param.allowlist.pattern': {
    type: 'STRING',
    default: '',
    rule: { format: 'regex' },
    doc: 'env: regular expression for the whole name of a variable it may read. Required, unlike with Kafka.',
    importance: 'MEDIUM',
    group: GROUP,
  },
  'param.ttl.ms': {
    type: 'LONG',
    default: 5000,
    rule: { atLeast: 0 },
    doc: 'How often values in use are looked at again, in milliseconds. When one changed, the connector’s tasks restart, unless its config.action.reload is none. 0: never.',
    importance: 'LOW',
    group: GROUP,
  },
}

const PREFIX = 'config.providers'
/** More are no help to anybody. */
const PROVIDERS_MAX = 20

export type ProviderSources = {
  readonly files: ProviderFiles
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly onValue: (value: string) => void
}

export type ProvidersParse = {
  readonly providers: ConfigProviders
  readonly errors: readonly ConfigError[]
  /** The shortest ttl.ms that is not 0; null when there is none. */
  readonly lookEveryMs: number | null
}

/** Names as `config.providers` has them, before anything is checked. */
export const providerNames = (raw: RawConfig): readonly string[] =>
  [...new Set((raw[PREFIX] ?? '').split(',').map(name => name.trim())).values()].filter(name => name !== '')

/** Every key of these providers, by full name. */
export const providerKeysOf = (names: readonly string[]): KeyDefs =>
  Object.fromEntries(
    names.flatMap(name => Object.entries(PROVIDER_KEYS).map(([key, def]) => [`${PREFIX}.${name}.${key}`, def])),
  )

export function parseProviders(raw: RawConfig, sources: ProviderSources): ProvidersParse {
  const names = providerNames(raw)
  const errors: ConfigError[] = []
  const byName = new Map<string, ConfigProvider>()
  const ttls: number[] = []
  if (names.length > PROVIDERS_MAX) errors.push(invalid(PREFIX, `${PREFIX} has more than ${PROVIDERS_MAX} names`))
  for (const name of names.slice(0, PROVIDERS_MAX)) {
    if (!/^[\w.-]{1,64}$/.test(name)) {
      errors.push(invalid(PREFIX, `${PREFIX}: a name has letters, digits, dots, hyphens and underscores only`))
      continue
    }
    const { values, errors: own } = parseByName(providerKeysOf([name]), raw)
    errors.push(...own)
    if (own.length > 0) continue
    const of = (key: string): unknown => values.get(`${PREFIX}.${name}.${key}`)
    const made = providerOf(name, of, sources)
    if ('get' in made) byName.set(name, made)
    else errors.push(made)
    ttls.push(Number(of('param.ttl.ms')))
  }
  const looked = ttls.filter(ttl => ttl > 0)
  return {
    providers: { byName, onValue: sources.onValue },
    errors,
    lookEveryMs: looked.length === 0 ? null : Math.min(...looked),
  }
}

function providerOf(
  name: string,
  of: (key: string) => unknown,
  { files, environment }: ProviderSources,
): ConfigProvider | ConfigError {
  const kind = (Object.keys(CLASSES) as (keyof typeof CLASSES)[]).find(candidate =>
    (CLASSES[candidate] as readonly unknown[]).includes(of('class')),
  )
  if (kind === 'env') {
    const pattern = of('param.allowlist.pattern')
    if (typeof pattern === 'string' && pattern !== '') return environmentProvider(pattern, environment)
    return missing(name, 'param.allowlist.pattern', 'every variable of the worker could be read')
  }
  const allowed = of('param.allowed.paths') as readonly string[]
  if (allowed.length === 0) return missing(name, 'param.allowed.paths', 'every file of the worker could be read')
  if (!allowed.every(path => path.startsWith('/'))) {
    const key = `${PREFIX}.${name}.param.allowed.paths`
    return invalid(key, `${key}: each path must be absolute`)
  }
  return kind === 'dir' ? directoryProvider(allowed, files) : fileProvider(allowed, files)
}

function missing(name: string, param: string, otherwise: string): ConfigError {
  const key = `${PREFIX}.${name}.${param}`
  return invalid(key, `${key} is required: without it ${otherwise} by whoever writes a connector.`)
}
