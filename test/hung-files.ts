// Ends test files that do not end: node:test bounds a test, not a file whose process stays alive after its tests. Linux only.
import { readdirSync, readFileSync } from 'node:fs'

const LOOK_EVERY_MS = 2_000

/** Kills any test process of ours that runs longer than `timeoutMs`, and says so; node:test then reports the file as failed. */
export function watchForHungFiles(timeoutMs: number, onHung: (file: string) => void): Disposable {
  const firstSeenMs = new Map<number, number>()
  const timer = setInterval(() => {
    for (const { pid, file } of testProcesses()) {
      const since = firstSeenMs.get(pid) ?? performance.now()
      firstSeenMs.set(pid, since)
      if (performance.now() - since < timeoutMs) continue
      onHung(file)
      process.kill(pid, 'SIGKILL')
    }
  }, LOOK_EVERY_MS)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** Children of ours that run a test file. */
function testProcesses(): { readonly pid: number; readonly file: string }[] {
  try {
    return readdirSync('/proc')
      .filter(entry => /^\d+$/.test(entry))
      .flatMap(entry => {
        try {
          // pid (command) state parent …; the command may hold anything but is the only thing in parentheses.
          const parent = Number(/\) \S+ (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, 'utf8'))?.[1])
          if (parent !== process.pid) return []
          const file = readFileSync(`/proc/${entry}/cmdline`, 'utf8')
            .split('\0')
            .findLast(argument => argument.endsWith('.test.ts'))
          return file === undefined ? [] : [{ pid: Number(entry), file }]
        } catch {
          return []
        }
      })
  } catch {
    return []
  }
}
