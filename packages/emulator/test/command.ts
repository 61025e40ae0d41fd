// The emulator as its own process, for tests that kill it.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export type Exited = { code: number | null; stdout: string; stderr: string }
export type Spawned = {
  readonly child: ChildProcess
  /** Resolves to the addresses in the ready line; rejects when the process ends first. */
  readonly ready: Promise<{ grpc: string; rest: string }>
  readonly exited: Promise<Exited>
  kill(signal: NodeJS.Signals): Promise<Exited>
}

const spawned = new Set<ChildProcess>()

/** Ends what a failed test left running: otherwise the test process would wait for it for ever. */
export function endSpawned(): void {
  for (const child of spawned) child.kill('SIGKILL')
}

export function spawnEmulator(args: readonly string[]): Spawned {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  spawned.add(child)
  let stdout = ''
  let stderr = ''
  const { promise: ready, resolve, reject } = Promise.withResolvers<{ grpc: string; rest: string }>()
  ready.catch(() => {})
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
    const line = /^ready grpc=(\S+) rest=(\S+)\n/m.exec(stdout)
    if (line) resolve({ grpc: line[1]!, rest: line[2]! })
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const exited = once(child, 'close').then(([code]): Exited => {
    spawned.delete(child)
    reject(new Error(`the emulator ended before it was ready: ${stderr}`))
    return { code: code as number | null, stdout, stderr }
  })
  return {
    child,
    ready,
    exited,
    kill(signal) {
      assert.ok(child.kill(signal))
      return exited
    },
  }
}
