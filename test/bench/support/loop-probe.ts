// Preloaded into a Node process that is measured (`--import`): what its event loop and its collector did, a line of JSON per second
// and one at the end, in the file MILLRACE_BENCH_LOOP_LOG. Without that variable it does nothing.
import { appendFileSync } from 'node:fs'
import { monitorEventLoopDelay, PerformanceObserver, performance } from 'node:perf_hooks'
import { type LoopLine, RESOLUTION_MS } from './loop-log.ts'

const EVERY_MS = 1_000
const NANOSECONDS = 1e6

const file = process.env['MILLRACE_BENCH_LOOP_LOG']
if (file !== undefined) watch(file)

function watch(file: string): void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  let gc = { count: 0, ms: 0, maxMs: 0 }
  const observer = new PerformanceObserver(list => {
    for (const { duration } of list.getEntries())
      gc = { count: gc.count + 1, ms: gc.ms + duration, maxMs: Math.max(gc.maxMs, duration) }
  })
  observer.observe({ entryTypes: ['gc'] })
  let idle = performance.eventLoopUtilization()
  const write = (): void => {
    const utilization = performance.eventLoopUtilization(idle)
    idle = performance.eventLoopUtilization()
    const line: LoopLine = {
      atMs: Date.now(),
      maxMs: delay.max / NANOSECONDS,
      p99Ms: delay.percentile(99) / NANOSECONDS,
      utilization: utilization.utilization,
      gc,
    }
    appendFileSync(file, `${JSON.stringify(line)}\n`)
    delay.reset()
    gc = { count: 0, ms: 0, maxMs: 0 }
  }
  setInterval(write, EVERY_MS).unref()
  process.once('exit', write)
}
