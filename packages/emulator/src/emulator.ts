// The emulator as a whole: storage, core, two listeners; started and stopped in one piece.
import { readFileSync } from 'node:fs'
import { type Access, openAccess, singleToken, Tokens, tokenFile } from './access.ts'
import { behaviorWith } from './behavior.ts'
import { DEFAULT_LOCATION } from './catalog/catalog.ts'
import { systemClock } from './clock.ts'
import { type EmulatorCore, openCore } from './emulator-core.ts'
import { readSettingsFile, type SettingsFile } from './faults/settings-file.ts'
import { listenGrpc, type Tls } from './grpc/grpc-server.ts'
import { InvalidSetting } from './knobs.ts'
import { DEFAULT_OPTIONS, type EmulatorOptions, UsageError } from './options.ts'
import { quotasWith } from './quotas/quota-settings.ts'
import { listenRest } from './rest/rest-server.ts'
import { DuckDbStorage } from './storage/duckdb-storage.ts'
import { NullStorage } from './storage/null-storage.ts'

export type RunningEmulator = {
  readonly grpcPort: number
  readonly restPort: number
  /** HOST:PORT, for clients. */
  readonly grpcAddress: string
  readonly restAddress: string
  /** Rejects when the storage breaks; never resolves. */
  readonly broken: Promise<never>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts an emulator; what is not given is as the flags' defaults say. Throws UsageError for what the caller can mend. */
export async function startEmulator(given: Partial<EmulatorOptions> = {}): Promise<RunningEmulator> {
  const options = { ...DEFAULT_OPTIONS, ...given }
  const access = accessFor(options)
  const tls = tlsFor(options)
  const file = settingsFile(options.faultsFile)
  const behavior = checked(() => behaviorWith(file.behavior, options.behavior))
  const quotas = checked(() => quotasWith(file.quotas, options.quotas))
  const clock = options.clock ?? systemClock
  const { promise: broken, reject: onBroken } = Promise.withResolvers<never>()
  // Whoever does not watch `broken` must not die of it.
  broken.catch(() => {})

  await using stack = new AsyncDisposableStack()
  const storage =
    options.storage === 'null' ? new NullStorage() : await openDuckDb(options.dataDir, () => clock.nowMs())
  stack.defer(() => storage.close())
  const core = await openCore(storage, {
    access: new Tokens(access, options.tokenTtlMs, clock),
    behavior,
    quotas,
    clock,
    requestLimitBytes: options.requestLimitBytes,
    onBroken,
  })
  stack.defer(() => Promise.race([core.committer.idle(), broken.catch(() => {})]))
  if (options.project !== undefined && options.dataset !== undefined)
    await ensureDataset(core, options.project, options.dataset)
  for (const fault of file.faults) core.faults.add(fault)
  const { host } = options
  const grpc = await listening('gRPC', host, options.grpcPort, () =>
    listenGrpc(core, { host, port: options.grpcPort, tls }),
  )
  stack.defer(() => grpc.close())
  core.drains.add(graceMs => grpc.drain(graceMs))
  const rest = await listening('REST', host, options.restPort, () =>
    listenRest(core, { host, port: options.restPort, tls }),
  )
  stack.defer(() => rest.close())

  const running = stack.move()
  const close = (): Promise<void> => running.disposeAsync()
  return {
    grpcPort: grpc.port,
    restPort: rest.port,
    grpcAddress: `${host}:${grpc.port}`,
    restAddress: `${host}:${rest.port}`,
    broken,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function listening<T>(what: string, host: string, port: number, listen: () => Promise<T>): Promise<T> {
  try {
    return await listen()
  } catch (error) {
    throw new UsageError(`Cannot listen for ${what} on ${host}:${port}: ${(error as Error).message}`, { cause: error })
  }
}

async function openDuckDb(dataDir: string | undefined, nowMs: () => number): Promise<DuckDbStorage> {
  try {
    return await DuckDbStorage.open(dataDir, nowMs)
  } catch (error) {
    throw new UsageError(`Cannot open the data directory ${dataDir}: ${(error as Error).message}`, { cause: error })
  }
}

async function ensureDataset(core: EmulatorCore, project: string, dataset: string): Promise<void> {
  if (!core.catalog.findDataset({ project, dataset }))
    await core.catalog.createDataset({ project, dataset }, DEFAULT_LOCATION, {})
}

function accessFor({ requireToken, tokenFile: path }: EmulatorOptions): Access {
  if (requireToken !== undefined) return singleToken(requireToken)
  return path === undefined ? openAccess : reading('--token-file', path, () => tokenFile(path))
}

function checked<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof InvalidSetting) throw new UsageError(error.message, { cause: error })
    throw error
  }
}

function tlsFor({ tlsCert, tlsKey }: EmulatorOptions): Tls | undefined {
  if (tlsCert === undefined || tlsKey === undefined) return undefined
  return {
    cert: reading('--tls-cert', tlsCert, path => readFileSync(path)),
    key: reading('--tls-key', tlsKey, path => readFileSync(path)),
  }
}

function settingsFile(path: string | undefined): SettingsFile {
  return path === undefined
    ? { faults: [], behavior: {}, quotas: {} }
    : reading('--faults', path, () => readSettingsFile(path))
}

function reading<T>(flag: string, path: string, read: (path: string) => T): T {
  try {
    return read(path)
  } catch (error) {
    throw new UsageError(`${flag} ${path}: ${(error as Error).message}`, { cause: error })
  }
}
