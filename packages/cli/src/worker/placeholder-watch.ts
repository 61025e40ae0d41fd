// Placeholders in use on this worker, looked at again: when what they stand for has changed, the connector's tasks start anew here
// (KIP-297's TTL, but by what changed and not by the clock). Other workers look for themselves.
import { createHash } from 'node:crypto'
import type { ConnectorContext } from '@millrace/config'
import { fullyResolvedConfig, hasPlaceholder } from '@millrace/config'
import type { ConnectorEntry, Logger, RawConfig, Timers } from '@millrace/core'

/** 10,000 connectors of a config and 32 bytes; beyond it the oldest are no longer looked at. */
const CONNECTORS_MAX = 10_000

type Used = {
  readonly incarnation: string
  readonly config: RawConfig
  digest: string | null
  isLost: boolean
}

export class PlaceholderWatch {
  readonly #context: ConnectorContext
  readonly #used = new Map<string, Used>()

  constructor(context: ConnectorContext) {
    this.#context = context
  }

  /** Called when this worker has parsed the config to run it. */
  note({ name, incarnation, config }: ConnectorEntry): void {
    this.#used.delete(name)
    if (!Object.values(config).some(hasPlaceholder)) return
    if (config['config.action.reload']?.trim().toLowerCase() === 'none') return
    if (this.#used.size >= CONNECTORS_MAX) {
      const oldest = this.#used.keys().next()
      if (!oldest.done) this.#used.delete(oldest.value)
    }
    this.#used.set(name, { incarnation, config, digest: this.#digest(config), isLost: false })
  }

  /** Until aborted. @param isRunning whether this worker still runs that config. */
  async run(
    deps: {
      readonly timers: Timers
      readonly logger: Logger
      readonly lookEveryMs: number
      isRunning(name: string, incarnation: string): boolean
      restart(name: string): void
    },
    { signal }: { signal: AbortSignal },
  ): Promise<void> {
    for (;;) {
      await deps.timers.sleep(deps.lookEveryMs, { signal })
      for (const [name, used] of this.#used) {
        if (!deps.isRunning(name, used.incarnation)) {
          this.#used.delete(name)
          continue
        }
        const digest = this.#digest(used.config)
        if (digest === null && !used.isLost)
          deps.logger.warn(
            { connector: name },
            'A placeholder in use does not resolve any more; its tasks go on with what it stood for.',
          )
        used.isLost = digest === null
        if (digest === null || digest === used.digest) continue
        used.digest = digest
        deps.logger.info(
          { connector: name },
          'What its placeholders stand for has changed; its tasks on this worker restart.',
        )
        deps.restart(name)
      }
    }
  }

  /** null while one does not resolve: a file that is being replaced is no reason to stop what runs. */
  #digest(config: RawConfig): string | null {
    const resolved = fullyResolvedConfig(config, this.#context)
    return resolved === null ? null : createHash('sha256').update(JSON.stringify(resolved)).digest('hex')
  }
}
