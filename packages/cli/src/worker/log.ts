// Structured logs by pino, and their levels as the REST API's /admin/loggers shows and sets them.

import { writeSync } from 'node:fs'
import type { LoggerLevel, LoggerLevels } from '@millrace/api'
import type { Clock, Logger } from '@millrace/core'
import { type Logger as PinoLogger, pino } from 'pino'
import type { Redactor } from './redactor.ts'
import { shownError } from './shown-error.ts'

const ROOT = 'root'
const PINO_LEVEL: Readonly<Record<string, string>> = {
  FATAL: 'fatal',
  ERROR: 'error',
  WARN: 'warn',
  INFO: 'info',
  DEBUG: 'debug',
  TRACE: 'trace',
  OFF: 'silent',
}

type OwnLevels = Pick<LoggerLevels, 'list' | 'set'>
export type Log = { readonly logger: Logger; readonly levels: OwnLevels; flush(): void }

type Sink = { write(line: string): unknown; flushSync(): void }

/** How long a reader of our stderr that is behind is waited for before it is asked again. */
const PIPE_FULL_MS = 100

/** Writes at once. On a full disk lines are dropped: that is no reason to stop working. */
export function lineSink(fd: number): Sink {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  return {
    write(line) {
      let rest = Buffer.from(line)
      while (rest.length > 0) {
        try {
          rest = rest.subarray(writeSync(fd, rest))
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
          Atomics.wait(pause, 0, 0, PIPE_FULL_MS)
        }
      }
    },
    flushSync() {},
  }
}

/** JSON lines on stderr: stdout belongs to the answers of commands. */
export function openLog(clock: Clock, redactor: Redactor, sink: Sink = lineSink(2)): Log {
  const redacting = { write: (line: string): void => void sink.write(withoutControls(redactor.jsonLine(line))) }
  const serializers = { err: shownError }
  const root = pino({ level: 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers }, redacting)
  return { logger: loggerOf(root), levels: new Levels(root, clock), flush: () => sink.flushSync() }
}

/**
 * A name from outside may hold what a terminal obeys or what turns text around. JSON escapes what is below a space; these it does
 * not. They can only stand in strings, where an escape means the same.
 */
const withoutControls = (line: string): string =>
  line.replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, escaped)
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

function loggerOf(log: PinoLogger): Logger {
  return {
    error: (fields, sentence) => log.error(fields, sentence),
    warn: (fields, sentence) => log.warn(fields, sentence),
    info: (fields, sentence) => log.info(fields, sentence),
    debug: (fields, sentence) => log.debug(fields, sentence),
    child: bindings => loggerOf(log.child(bindings)),
  }
}

/** One level for the whole worker so far: `root`. Forgotten at restart, as in Connect. */
class Levels implements OwnLevels {
  readonly #root: PinoLogger
  readonly #clock: Clock
  #level: LoggerLevel = { level: 'INFO', lastModifiedMs: null }

  constructor(root: PinoLogger, clock: Clock) {
    this.#root = root
    this.#clock = clock
  }
  list(): ReadonlyMap<string, LoggerLevel> {
    return new Map([[ROOT, this.#level]])
  }
  set(name: string, level: string): readonly string[] | null {
    const pinoLevel = PINO_LEVEL[level.toUpperCase()]
    if (pinoLevel === undefined) return null
    if (name !== ROOT) return []
    this.#root.level = pinoLevel
    this.#level = { level: level.toUpperCase(), lastModifiedMs: this.#clock.nowMs() }
    return [ROOT]
  }
}
