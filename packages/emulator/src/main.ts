// The emulator as its own process. SIGTERM and SIGINT stop it in order; a second one at once.
import { runEmulator } from './run.ts'

const stopping = new AbortController()
for (const name of ['SIGTERM', 'SIGINT'] as const)
  process.on(name, () => {
    if (stopping.signal.aborted) process.exit(130)
    stopping.abort()
  })
process.exitCode = await runEmulator(process.argv.slice(2), { signal: stopping.signal })
