// Peak resident memory of the demo's processes, sampled from /proc (Linux; elsewhere nothing is reported).
import { readFileSync } from 'node:fs'

export class MemoryWatch {
  readonly #peaks = new Map<string, number>()

  sample(processes: Iterable<readonly [name: string, pid: number]>): void {
    for (const [name, pid] of processes) {
      const bytes = residentBytes(pid)
      if (bytes !== null) this.#peaks.set(name, Math.max(bytes, this.#peaks.get(name) ?? 0))
    }
  }
  /** Bytes by process name. */
  peaks(): Record<string, number> {
    return Object.fromEntries(this.#peaks)
  }
}

function residentBytes(pid: number): number | null {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kilobytes === undefined ? null : Number(kilobytes) * 1024
  } catch {
    return null
  }
}
