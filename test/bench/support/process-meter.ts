// CPU seconds and resident memory of another process, as Linux counts them.
import { readFileSync } from 'node:fs'

/** Linux: USER_HZ is 100 on every architecture Node runs on. */
const TICKS_PER_SECOND = 100

/** User and system time, children that have ended included. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the name, in brackets, and may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / TICKS_PER_SECOND
}

export function rssBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

/** The most it ever had. */
export function rssPeakBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024
}

export type RssSample = { readonly seconds: number; readonly bytes: number }

/** Samples the resident memory of `pid` until stopped. */
export function watchRss(pid: number, everyMs: number): () => RssSample[] {
  const started = performance.now()
  const samples: RssSample[] = []
  const sample = (): void => {
    samples.push({ seconds: (performance.now() - started) / 1000, bytes: rssBytes(pid) })
  }
  sample()
  const timer = setInterval(sample, everyMs)
  return () => {
    clearInterval(timer)
    sample()
    return samples
  }
}
