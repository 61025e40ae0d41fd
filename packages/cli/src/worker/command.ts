// `millrace worker --config FILE`: reads the configuration, runs until SIGTERM or SIGINT, and says why when it cannot.
import { readFileSync } from 'node:fs'
import { parseWorkerConfig, type WorkerConfig } from '@millrace/config'
import { ERROR_CODES, isMillraceError, MillraceError, Shutdown } from '@millrace/core'
import { type Log, openLog } from './log.ts'
import { providerFiles } from './provider-files.ts'
import { Redactor } from './redactor.ts'
import { ADAPTERS, type Adapters, runWorker } from './run-worker.ts'
import { systemClock } from './system.ts'

const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const
/** For closing connections, after the time for draining. */
const CLOSE_MS = 5_000
/** Errors of the command line or the file: the same start would fail again. */
const USAGE_CODES: ReadonlySet<string> = new Set([
  'CONFIG_INVALID',
  'CONFIG_UNKNOWN_KEY',
  'NOT_SUPPORTED',
  'PORT_IN_USE',
])

export async function runWorkerCommand(
  options: { readonly config: string; readonly set?: readonly string[] },
  adapters: Adapters = ADAPTERS,
): Promise<number> {
  const redactor = new Redactor()
  const log = openLog(systemClock, redactor)
  const stop = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted) // asked twice: SIGKILL is always safe
    stop.abort(new Shutdown(`Received ${signal}.`))
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  try {
    const config = readConfig(options, log, redactor)
    stop.signal.addEventListener('abort', () => endAnyway(config.shutdownTimeoutMs + CLOSE_MS, log))
    await runWorker(config, log, {
      redactor,
      signal: stop.signal,
      onReady: url => process.stdout.write(`ready rest=${url}\n`),
      adapters,
    })
    return EXIT.ok
  } catch (error) {
    if (stop.signal.aborted) return EXIT.ok
    return explain(error, redactor)
  } finally {
    log.flush()
    process.off('SIGTERM', onSignal)
    process.off('SIGINT', onSignal)
  }
}

/** A service that hangs does not keep a stopping worker: what it could not release, the next owners recover. */
function endAnyway(afterMs: number, log: Log): void {
  const end = (): void => {
    log.logger.warn({ afterMs }, 'Closing takes too long; the process ends now.')
    log.flush()
    process.exit(EXIT.failed)
  }
  setTimeout(end, afterMs).unref()
}

export function readConfig(
  options: { readonly config: string; readonly set?: readonly string[] },
  log: Log,
  redactor: Redactor,
): WorkerConfig {
  const parse = parseWorkerConfig({
    file: { path: options.config, text: readFile(options.config) },
    environment: process.env,
    flags: flagsOf(options.set ?? []),
    files: providerFiles,
    onProviderValue: value => redactor.add(value),
  })
  for (const notice of parse.notices)
    log.logger[notice.kind === 'ignored' ? 'info' : 'warn']({ key: notice.key }, notice.message)
  if (parse.ok) return parse.config
  const message = parse.errors.map(error => error.message).join('\n')
  throw new MillraceError('CONFIG_INVALID', 'failPartition', message)
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new MillraceError('CONFIG_INVALID', 'failPartition', `--config: ${path} cannot be read (${why}).`, { cause })
  }
}

function flagsOf(set: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    set.map(flag => {
      const at = flag.indexOf('=')
      if (at < 1) throw new MillraceError('CONFIG_INVALID', 'failPartition', `--set ${flag} is not key=value.`)
      return [flag.slice(0, at), flag.slice(at + 1)]
    }),
  )
}

/** Says on stderr what failed; @returns the exit code. */
export function explain(error: unknown, redactor: Redactor, what = 'The worker'): number {
  const say = (text: string): unknown => process.stderr.write(redactor.text(text))
  if (!isMillraceError(error)) {
    say(`${what} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return EXIT.failed
  }
  const { cause, fix } = ERROR_CODES[error.code]
  say(`${error.code}: ${error.message}\nCause: ${cause}\nFix: ${fix}\n`)
  return USAGE_CODES.has(error.code) ? EXIT.usage : EXIT.failed
}
