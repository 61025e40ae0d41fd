// Memory and file handles of every process of a soak, sampled while it lives.
import { readdirSync, readFileSync } from 'node:fs'

export type Watched = { readonly name: string; readonly pid: number }

export type ProcessReport = {
  readonly name: string
  readonly pid: number
  readonly livedMinutes: number
  readonly rssMegabytesFirst: number
  readonly rssMegabytesLast: number
  readonly rssMegabytesMax: number
  /** By least squares over the second half of its life; null: too short a life to tell. */
  readonly rssMegabytesPerHour: number | null
  readonly handlesFirst: number
  readonly handlesLast: number
  readonly handlesMax: number
}

type Sample = { readonly atMs: number; readonly rss: number; readonly handles: number }

/** One life of an hour at one sample each five seconds: 720; a day: 17,280 samples of some 50 bytes. */
const SAMPLES_MAX = 20_000
/** Lives remembered; of a process that died young little is to be told. */
const LIVES_MAX = 5_000
/** A process warms up for minutes. */
const SLOPE_FROM_MINUTES = 5
const MIB = 2 ** 20
const HOUR_MS = 3_600_000

export class ProcessWatch {
  readonly #lives = new Map<number, { readonly name: string; readonly samples: Sample[] }>()

  sample(processes: readonly Watched[]): void {
    const atMs = performance.now()
    for (const { name, pid } of processes) {
      const rss = rssBytes(pid)
      if (rss === null) continue
      let life = this.#lives.get(pid)
      if (life === undefined) {
        if (this.#lives.size >= LIVES_MAX) continue
        life = { name, samples: [] }
        this.#lives.set(pid, life)
      }
      if (life.samples.length < SAMPLES_MAX) life.samples.push({ atMs, rss, handles: handlesOf(pid) })
    }
  }

  /** The longest life of each name. */
  reports(): readonly ProcessReport[] {
    const longest = new Map<string, ProcessReport>()
    for (const [pid, { name, samples }] of this.#lives) {
      const report = reportOf(name, pid, samples)
      if (report.livedMinutes >= (longest.get(name)?.livedMinutes ?? 0)) longest.set(name, report)
    }
    return [...longest.values()]
  }
}

function reportOf(name: string, pid: number, samples: readonly Sample[]): ProcessReport {
  const [first, last] = [samples[0] as Sample, samples.at(-1) as Sample]
  const livedMinutes = (last.atMs - first.atMs) / 60_000
  const half = samples.slice(samples.length >> 1)
  const mib = (bytes: number): number => Math.round(bytes / MIB)
  return {
    name,
    pid,
    livedMinutes,
    rssMegabytesFirst: mib(first.rss),
    rssMegabytesLast: mib(last.rss),
    rssMegabytesMax: mib(Math.max(...samples.map(sample => sample.rss))),
    rssMegabytesPerHour: livedMinutes < SLOPE_FROM_MINUTES ? null : (slopePerMs(half) * HOUR_MS) / MIB,
    handlesFirst: first.handles,
    handlesLast: last.handles,
    handlesMax: Math.max(...samples.map(sample => sample.handles)),
  }
}

/** Least squares. */
export function slopePerMs(samples: readonly { readonly atMs: number; readonly rss: number }[]): number {
  const meanX = samples.reduce((sum, { atMs }) => sum + atMs, 0) / samples.length
  const meanY = samples.reduce((sum, { rss }) => sum + rss, 0) / samples.length
  const xy = samples.reduce((sum, { atMs, rss }) => sum + (atMs - meanX) * (rss - meanY), 0)
  const xx = samples.reduce((sum, { atMs }) => sum + (atMs - meanX) ** 2, 0)
  return xx === 0 ? 0 : xy / xx
}

/** null: it is gone. */
function rssBytes(pid: number): number | null {
  try {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return match === null ? null : Number(match[1]) * 1024
  } catch {
    return null
  }
}
function handlesOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}
