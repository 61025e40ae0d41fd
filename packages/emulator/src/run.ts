// The emulator as a command: flags in, one ready line out, an exit code at the end.
import { startEmulator } from './emulator.ts'
import { collectForThroughput } from './garbage-collection.ts'
import { parseOptions, USAGE, UsageError } from './options.ts'

export type Output = { write(text: string): unknown }

/**
 * Runs until `signal` aborts. Resolves to the exit code: 0 stopped as asked, 1 the storage broke, 2 a flag, file or port is wrong.
 * Prints `ready grpc=HOST:PORT rest=HOST:PORT` once both ports are open.
 */
export async function runEmulator(
  args: readonly string[],
  {
    signal,
    stdout = process.stdout,
    stderr = process.stderr,
  }: { signal: AbortSignal; stdout?: Output; stderr?: Output },
): Promise<number> {
  try {
    const options = parseOptions(args)
    if (options === 'help') {
      stdout.write(USAGE)
      return 0
    }
    collectForThroughput()
    const emulator = await startEmulator(options)
    stdout.write(`ready grpc=${emulator.grpcAddress} rest=${emulator.restAddress}\n`)
    const stopped = new Promise<void>(resolve => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    try {
      await Promise.race([stopped, emulator.broken])
    } finally {
      await emulator.close()
    }
    return 0
  } catch (error) {
    const isUsage = error instanceof UsageError
    stderr.write(`emulator: ${isUsage ? error.message : `the storage broke: ${(error as Error).stack}`}\n`)
    return isUsage ? 2 : 1
  }
}
