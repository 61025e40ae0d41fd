// A child process that writes to a log file, is waited for, and is stopped within a bound.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { guardProcess, spareProcess } from './orphan-guard.ts'

const LOG_TAIL_CHARS = 2_000
const POLL_MS = 20

export type ChildOptions = {
  /** What people call it, for error messages. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** stdout and stderr are appended here. */
  readonly logFile: string
}

export type Child = {
  readonly name: string
  readonly pid: number
  readonly logFile: string
  /** null while it runs. */
  readonly exit: () => { readonly code: number | null; readonly signal: NodeJS.Signals | null } | null
  /** Resolves when it has exited, however that came about. */
  readonly exited: Promise<void>
  kill(signal: NodeJS.Signals): void
  /** SIGTERM, and SIGKILL after `graceMs`. Resolves when it is gone. */
  stop(graceMs?: number): Promise<void>
}

/** Starts a process in a session of its own (Ctrl-C reaches only us) that dies with us. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const log = openSync(options.logFile, 'a')
  let child: ChildProcess
  try {
    child = spawn(options.command, [...options.args], {
      stdio: ['ignore', log, log],
      detached: true,
      env: options.env ?? process.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', () => resolve())
      child.once('error', cause =>
        reject(new Error(`${options.name} could not be started: ${cause.message}`, { cause })),
      )
    })
  } finally {
    closeSync(log)
  }
  const pid = child.pid as number
  guardProcess(pid)
  const exited = new Promise<void>(resolve => {
    child.once('exit', () => {
      spareProcess(pid)
      resolve()
    })
  })
  const exit: Child['exit'] = () =>
    child.exitCode === null && child.signalCode === null ? null : { code: child.exitCode, signal: child.signalCode }
  return {
    name: options.name,
    pid,
    logFile: options.logFile,
    exit,
    exited,
    kill: signal => void child.kill(signal),
    async stop(graceMs = 5_000) {
      if (exit() !== null) return
      child.kill('SIGTERM')
      // A process stopped by SIGSTOP gets no SIGTERM until it is continued.
      child.kill('SIGCONT')
      const patience = new AbortController()
      const late = sleep(graceMs, 'late', { signal: patience.signal }).catch(() => 'gone')
      if ((await Promise.race([exited, late])) === 'late') child.kill('SIGKILL')
      patience.abort()
      await exited
    },
  }
}

/** Polls `probe` until it answers something; fails when the child exits first or `timeoutMs` passes, with the end of its log. */
export async function waitUntilReady<T>(
  child: Child,
  timeoutMs: number,
  probe: () => Promise<T | null> | T | null,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const exit = child.exit()
    if (exit !== null)
      throw new Error(
        `${child.name} ended before it was ready (${exit.signal ?? `exit code ${exit.code}`}).\n${logTail(child)}`,
      )
    const ready = await probe()
    if (ready !== null) return ready
    if (performance.now() > deadline)
      throw new Error(`${child.name} was not ready within ${timeoutMs} ms.\n${logTail(child)}`)
    await sleep(POLL_MS)
  }
}

/** First match of `pattern` in what the child has written so far. */
export function matchLog(child: Child, pattern: RegExp): RegExpMatchArray | null {
  return existsSync(child.logFile) ? readFileSync(child.logFile, 'utf8').match(pattern) : null
}

const logTail = (child: Child): string =>
  existsSync(child.logFile)
    ? `Last lines of ${child.logFile}:\n${readFileSync(child.logFile, 'utf8').slice(-LOG_TAIL_CHARS)}`
    : ''
