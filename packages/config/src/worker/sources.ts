// Where worker settings come from: flag > environment > file > default. The environment is asked per known key only, so a stray
// CONNECT_… variable of a container image changes nothing.
import type { RawConfig } from '../definition/key.ts'
import type { ProviderFiles } from '../providers/config-provider.ts'
import { parseProperties } from './properties.ts'

export type WorkerSources = {
  /** Keys as on the command line: `--set key=value` and the like. */
  readonly flags?: RawConfig
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly file?: { readonly path: string; readonly text: string }
  /** What config providers read files with. */
  readonly files?: ProviderFiles
  /** Is told every value that comes out of a config provider, now and later, so that it can be kept out of logs. */
  readonly onProviderValue?: (value: string) => void
}

export type Origin =
  | { readonly kind: 'flag' }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'file'; readonly path: string; readonly line: number }
  | { readonly kind: 'default' }

export type Settings = { readonly raw: RawConfig; readonly origins: ReadonlyMap<string, Origin> }

/** `CONNECT_` + the key in capitals, dots as underscores: what the Connect container images do. */
export const environmentVariable = (key: string): string => `CONNECT_${key.toUpperCase().replaceAll('.', '_')}`

export function mergeSources(sources: WorkerSources, knownKeys: Iterable<string>): Settings {
  const raw: Record<string, string> = {}
  const origins = new Map<string, Origin>()
  const set = (key: string, value: string, origin: Origin): void => {
    raw[key] = value
    origins.set(key, origin)
  }
  if (sources.file) {
    const { path, text } = sources.file
    for (const [key, { value, line }] of parseProperties(text, path)) set(key, value, { kind: 'file', path, line })
  }
  for (const key of knownKeys) {
    const variable = environmentVariable(key)
    const value = sources.environment?.[variable]
    if (value !== undefined) set(key, value, { kind: 'environment', variable })
  }
  for (const [key, value] of Object.entries(sources.flags ?? {})) set(key, value, { kind: 'flag' })
  return { raw, origins }
}

export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'flag':
      return 'command line'
    case 'environment':
      return `environment variable ${origin.variable}`
    case 'file':
      return `${origin.path}:${origin.line}`
    case 'default':
      return 'default'
  }
}
