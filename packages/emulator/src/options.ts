// The emulator's flags. Parsed once, here; a wrong one is a UsageError that says which.
import { parseArgs } from 'node:util'
import { type BehaviorPatch, behaviorWith } from './behavior.ts'
import type { Clock } from './clock.ts'
import { InvalidSetting, knobsFromFlags } from './knobs.ts'
import { type QuotaPatch, quotasWith } from './quotas/quota-settings.ts'

export class UsageError extends Error {}

export type EmulatorOptions = {
  readonly host: string
  /** 0 = any free port. */
  readonly grpcPort: number
  readonly restPort: number
  readonly project: string | undefined
  /** Created in `project` at start when missing. */
  readonly dataset: string | undefined
  readonly storage: 'duckdb' | 'null'
  /** Absent = in memory only. */
  readonly dataDir: string | undefined
  /** YAML or JSON file of faults, behavior and quotas to start with. */
  readonly faultsFile: string | undefined
  readonly requestLimitBytes: number
  readonly tlsCert: string | undefined
  readonly tlsKey: string | undefined
  readonly requireToken: string | undefined
  readonly tokenFile: string | undefined
  /** Knobs that differ from their defaults; over those of the faults file. */
  readonly behavior: BehaviorPatch
  /** Quotas that differ from their defaults; over those of the faults file. */
  readonly quotas: QuotaPatch
  /** How long a token is good from when it is first seen. 0 = for ever. */
  readonly tokenTtlMs: number
  /** For tests: time moved by hand. Absent = the system's. */
  readonly clock: Clock | undefined
}

/** 20 MB is what the API states today; 10,485,760 was enforced for years and can be set. */
const REQUEST_LIMIT_BYTES = 20 * 1024 * 1024

export const DEFAULT_OPTIONS: EmulatorOptions = {
  host: '127.0.0.1',
  grpcPort: 9060,
  restPort: 9050,
  project: undefined,
  dataset: undefined,
  storage: 'duckdb',
  dataDir: undefined,
  faultsFile: undefined,
  requestLimitBytes: REQUEST_LIMIT_BYTES,
  tlsCert: undefined,
  tlsKey: undefined,
  requireToken: undefined,
  tokenFile: undefined,
  behavior: {},
  quotas: {},
  tokenTtlMs: 0,
  clock: undefined,
}

export const USAGE: string = `millrace emulator: BigQuery's Storage Write API and REST v2 in a process

  --grpc-port N            Write API port (default 9060; 0 = any free)
  --rest-port N            REST port (default 9050; 0 = any free)
  --host ADDRESS           address to listen on (default 127.0.0.1)
  --project P --dataset D  a dataset to create at start
  --storage duckdb|null    keep rows in DuckDB (default), or count and discard them
  --data-dir DIR           keep everything across restarts (default: memory only)
  --faults FILE            YAML or JSON file of faults, behavior and quotas to start with
  --behavior KEY=VALUE     sets a knob, such as idleMs=5000 or ttlMs.buffered=60000; repeatable
  --quota KEY=VALUE        sets a quota, such as connections=10 or preset=region; repeatable
  --request-limit BYTES    largest AppendRows request (default ${REQUEST_LIMIT_BYTES})
  --tls-cert FILE --tls-key FILE   serve both ports over TLS (PEM)
  --require-token TOKEN    accept only this bearer token
  --token-file FILE        JSON {"<token>": "ok"|"expired"|"forbidden"}, read anew when it changes
  --token-ttl SECONDS      tokens expire so long after they are first seen (default: never)
`

const FLAGS = {
  'grpc-port': { type: 'string' },
  'rest-port': { type: 'string' },
  host: { type: 'string' },
  project: { type: 'string' },
  dataset: { type: 'string' },
  storage: { type: 'string' },
  'data-dir': { type: 'string' },
  faults: { type: 'string' },
  behavior: { type: 'string', multiple: true },
  quota: { type: 'string', multiple: true },
  'request-limit': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-key': { type: 'string' },
  'require-token': { type: 'string' },
  'token-file': { type: 'string' },
  'token-ttl': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

/** Throws UsageError; 'help' when asked for it. */
export function parseOptions(args: readonly string[]): EmulatorOptions | 'help' {
  const values = parse(args)
  if (values.help) return 'help'
  const { storage = 'duckdb', dataset, project } = values
  if (storage !== 'duckdb' && storage !== 'null')
    throw new UsageError(`--storage must be duckdb or null, not ${storage}`)
  if (storage === 'null' && values['data-dir'] !== undefined)
    throw new UsageError('--storage null keeps nothing: it cannot go with --data-dir')
  if ((dataset === undefined) !== (project === undefined)) throw new UsageError('--project and --dataset go together')
  if ((values['tls-cert'] === undefined) !== (values['tls-key'] === undefined))
    throw new UsageError('--tls-cert and --tls-key go together')
  if (values['require-token'] !== undefined && values['token-file'] !== undefined)
    throw new UsageError('--require-token and --token-file exclude each other')
  return {
    host: values.host ?? DEFAULT_OPTIONS.host,
    grpcPort: wholeNumber('--grpc-port', values['grpc-port'], 65535) ?? DEFAULT_OPTIONS.grpcPort,
    restPort: wholeNumber('--rest-port', values['rest-port'], 65535) ?? DEFAULT_OPTIONS.restPort,
    project,
    dataset,
    storage,
    dataDir: values['data-dir'],
    faultsFile: values.faults,
    requestLimitBytes: wholeNumber('--request-limit', values['request-limit'], 1024 ** 3) ?? REQUEST_LIMIT_BYTES,
    tlsCert: values['tls-cert'],
    tlsKey: values['tls-key'],
    requireToken: values['require-token'],
    tokenFile: values['token-file'],
    behavior: knobs('--behavior', values.behavior ?? [], behaviorWith),
    quotas: knobs('--quota', values.quota ?? [], quotasWith),
    tokenTtlMs: 1000 * (wholeNumber('--token-ttl', values['token-ttl'], 10 ** 9) ?? 0),
    clock: undefined,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: false }).values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** The patch that `key=value` flags make, once `check` has taken it. */
function knobs(flag: string, pairs: readonly string[], check: (patch: unknown) => unknown): Record<string, unknown> {
  try {
    const patch = knobsFromFlags(pairs)
    check(patch)
    return patch
  } catch (error) {
    if (error instanceof InvalidSetting) throw new UsageError(`${flag}: ${error.message}`)
    throw error
  }
}

function wholeNumber(flag: string, value: string | undefined, max: number): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (value.trim() === '' || !Number.isInteger(number) || number < 0 || number > max)
    throw new UsageError(`${flag} must be a whole number from 0 to ${max}, not ${value}`)
  return number
}
