// `worker --config FILE` as the command line starts it, for workers of the chaos harness: the same worker, with what the matrix asks
// for from inside a process. All of it is told by the environment and none of it stands in production code:
//   CRASH_AT=site:n         dies by SIGKILL there (crash-sites.ts)
//   APPEND_DEADLINE_MS=n    how long an append may stay unanswered; production says 60 s
//   TOKEN_ENDPOINT=url      where access tokens come from instead of Google
//   CLOCK_SHIFT_MS=n        its wall clock is wrong by so much; CLOCK_RATE=x: and so much too fast
//   BLOCK_MS=n              on SIGUSR2 its event loop stands still for so long
//   HOG=1                   on SIGUSR2 it fills its heap until V8 ends it
import { writeSync } from 'node:fs'
import { runWorkerCommand } from '../../packages/cli/src/worker/command.ts'
import { ADAPTERS } from '../../packages/cli/src/worker/run-worker.ts'
import { CrashSite } from './crash-sites.ts'

const { CRASH_AT = 'nowhere', APPEND_DEADLINE_MS, TOKEN_ENDPOINT } = process.env
const { CLOCK_SHIFT_MS, CLOCK_RATE = '1', BLOCK_MS = '0', HOG } = process.env
const config = process.argv[process.argv.indexOf('--config') + 1]
if (config === undefined) throw new Error('--config FILE')

if (CLOCK_SHIFT_MS !== undefined || CLOCK_RATE !== '1') {
  const now = Date.now
  const startMs = now()
  const [shiftMs, rate] = [Number(CLOCK_SHIFT_MS ?? 0), Number(CLOCK_RATE)]
  Date.now = () => Math.round(startMs + shiftMs + (now() - startMs) * rate)
}

process.on('SIGUSR2', () => {
  const hoard: number[][] = []
  while (HOG !== undefined) hoard.push(Array.from({ length: 100_000 }, Math.random))
  const until = performance.now() + Number(BLOCK_MS)
  while (performance.now() < until);
  writeSync(2, `chaos: blocked for ${BLOCK_MS} ms\n`)
})

const given = {
  ...(APPEND_DEADLINE_MS === undefined ? {} : { appendDeadlineMs: Number(APPEND_DEADLINE_MS) }),
  ...(TOKEN_ENDPOINT === undefined ? {} : { tokenEndpoint: TOKEN_ENDPOINT }),
}
process.exit(await runWorkerCommand({ config }, new CrashSite(CRASH_AT).around(ADAPTERS, given)))
