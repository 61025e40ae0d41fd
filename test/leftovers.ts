// Whatever a test started carries the run's mark in its environment, however many parents lie between: so nothing that
// outlives the tests goes unseen. Linux only (/proc); elsewhere nothing is found.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Environment variable with an id of this run, inherited by every process below it. */
export const MARK = 'MILLRACE_TEST_RUN'
/** Orphan guards end a moment after the process they watched. */
const PATIENCE_MS = 5_000
const POLL_MS = 100

/** Waits a little for processes of this run to end, kills those that do not, and answers their command lines. */
export async function endLeftovers(): Promise<string[]> {
  const deadline = performance.now() + PATIENCE_MS
  const running = (): MarkedProcess[] => markedProcesses(MARK, process.env[MARK] ?? '')
  let left = running()
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(POLL_MS)
    left = running()
  }
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  return left.map(({ pid, command }) => `${pid} ${command}`)
}

export type MarkedProcess = { readonly pid: number; readonly command: string }

/** Processes other than this one with `name=value` in the environment they were started with; orphan guards left out. */
export function markedProcesses(name: string, value: string): MarkedProcess[] {
  const mark = `${name}=${value}`
  if (!existsSync('/proc/self/environ')) return []
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap(pid => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark)) return []
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        // The guard of this very process waits for our end; a zombie has no command line.
        return command === '' || command.endsWith('millrace-orphan-guard')
          ? []
          : [{ pid: Number(pid), command: command.slice(0, 200) }]
      } catch {
        return []
      }
    })
}
