// Millrace's own processes, started as users start them: `main.ts` of a package under the Node that runs us.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, matchLog, startChild, waitUntilReady } from './child.ts'
import { dataFolder } from './data-folder.ts'

const START_TIMEOUT_MS = 60_000
const packages = fileURLToPath(new URL('../../..', import.meta.url))

export type EmulatorProcess = {
  /** `host:port` of the Storage Write API. */
  readonly grpc: string
  /** `http://host:port` of REST v2. */
  readonly rest: string
  readonly child: Child
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts the emulator on free ports. `args` are its own options, e.g. `['--storage', 'null']`. */
export async function startEmulatorProcess(
  options: {
    readonly args?: readonly string[]
    readonly dataDir?: string
    readonly logFile?: string
    readonly env?: NodeJS.ProcessEnv
  } = {},
): Promise<EmulatorProcess> {
  const data = dataFolder('emulator', options.dataDir)
  const args = [join(packages, 'emulator/src/main.ts'), '--grpc-port', '0', '--rest-port', '0', ...(options.args ?? [])]
  const child = await startChild({
    name: 'emulator',
    command: process.execPath,
    args,
    logFile: options.logFile ?? join(data.path, 'emulator.log'),
    ...(options.env === undefined ? {} : { env: options.env }),
  })
  const stop = async (): Promise<void> => {
    await child.stop()
    await data.remove()
  }
  try {
    const ready = await waitUntilReady(child, START_TIMEOUT_MS, () => matchLog(child, /^ready grpc=(\S+) rest=(\S+)$/m))
    const rest = ready[2] ?? ''
    return {
      grpc: ready[1] ?? '',
      rest: rest.includes('://') ? rest : `http://${rest}`,
      child,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

export type WorkerProcess = {
  /** `http://host:port` of its admin REST API. */
  readonly rest: string
  readonly child: Child
  readonly configFile: string
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export type WorkerProcessOptions = {
  readonly dataDir?: string
  readonly name?: string
  readonly env?: NodeJS.ProcessEnv
  /** A program that takes the same arguments as `millrace`, and flags of Node for it. */
  readonly main?: string
  readonly nodeFlags?: readonly string[]
}

/** Starts `millrace worker --config FILE` with these worker properties and resolves when its REST API is up. */
export async function startWorkerProcess(
  properties: Readonly<Record<string, string>>,
  options: WorkerProcessOptions = {},
): Promise<WorkerProcess> {
  const data = dataFolder('worker', options.dataDir)
  const name = options.name ?? 'worker'
  mkdirSync(data.path, { recursive: true })
  const configFile = join(data.path, `${name}.properties`)
  const lines = Object.entries({ listeners: 'http://127.0.0.1:0', ...properties }).map(
    ([key, value]) => `${key}=${value}\n`,
  )
  writeFileSync(configFile, lines.join(''), { mode: 0o600 })
  const child = await startChild({
    name,
    command: process.execPath,
    args: [
      ...(options.nodeFlags ?? []),
      options.main ?? join(packages, 'cli/src/main.ts'),
      'worker',
      '--config',
      configFile,
    ],
    logFile: join(data.path, `${name}.log`),
    ...(options.env === undefined ? {} : { env: options.env }),
  })
  const stop = async (): Promise<void> => {
    await child.stop(15_000)
    await data.remove()
  }
  try {
    const ready = await waitUntilReady(child, START_TIMEOUT_MS, () => matchLog(child, /^ready rest=(\S+)$/m))
    return { rest: ready[1] ?? '', child, configFile, stop, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}
