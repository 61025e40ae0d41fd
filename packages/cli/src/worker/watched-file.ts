// A file that operators and other programs change while the worker runs: certificates, users, secrets. Looked at every few
// seconds rather than by inotify, which sees neither network drives nor the symbolic links Kubernetes swaps.
import { statSync } from 'node:fs'
import type { Logger, Timers } from '@millrace/core'

const LOOK_EVERY_MS = 2_000

export class WatchedFile {
  readonly #path: string
  readonly #apply: () => void
  #applied: string
  #refused: string | null = null

  /** @param apply reads the file and takes it over, or throws and leaves everything as it was. Called once at once. */
  constructor(path: string, apply: () => void) {
    this.#path = path
    this.#apply = apply
    this.#applied = this.#signature()
    apply()
  }

  /** Until aborted. A file that cannot be used is said once; it is tried again until it can, since it may be half written. */
  async run(name: string, { timers, logger }: Deps, { signal }: { signal: AbortSignal }): Promise<void> {
    for (;;) {
      await timers.sleep(LOOK_EVERY_MS, { signal })
      const now = this.#signature()
      if (now === this.#applied) continue
      try {
        this.#apply()
        this.#applied = now
        this.#refused = null
        logger.info({ key: name, path: this.#path }, 'A changed file was read again.')
      } catch (error) {
        if (this.#refused !== now)
          logger.error(
            { key: name, path: this.#path, err: error },
            'A changed file cannot be used; what was read before stays.',
          )
        this.#refused = now
      }
    }
  }

  #signature(): string {
    try {
      const { mtimeMs, size, ino } = statSync(this.#path)
      return `${mtimeMs}/${size}/${ino}`
    } catch {
      return 'absent'
    }
  }
}

type Deps = { readonly timers: Timers; readonly logger: Logger }
