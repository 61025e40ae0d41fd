// Placeholders in use on this worker, looked at again: when what they stand for has changed, the connector's tasks start anew here
// (KIP-297's TTL, but by what changed and not by the clock). Other workers look for themselves.
import { createHash } from 'node:crypto'
import type { ConnectorContext } from '@millrace/config'
import { hasPlaceholder, resolvedConfig } from '@millrace/config'
import type { ConnectorEntry, Logger, RawConfig, Timers } from '@millrace/core'

/** 10,000 connectors of a config and 32 bytes; beyond it the oldest are no longer looked at. */
const CONNECTORS_MAX = 10_000

type Used = { readonly incarnation: string; readonly generation: number; readonly config: RawConfig; digest: string }

export class PlaceholderWatch {
  readonly #context: ConnectorContext
  readonly #used = new Map<string, Used>()

  constructor(context: ConnectorContext) {
    this.#context = context
  }

  /** Called when this worker has parsed the config to run it. */
  note({ name, incarnation, configGeneration, config }: ConnectorEntry): void {
    this.#used.delete(name)
    if (!Object.values(config).some(hasPlaceholder)) return
    if (config['config.action.reload']?.trim().toLowerCase() === 'none') return
    if (this.#used.size >= CONNECTORS_MAX) {
      const oldest = this.#used.keys().next()
      if (!oldest.done) this.#used.delete(oldest.value)
    }
    this.#used.set(name, { incarnation, generation: configGeneration, config, digest: this.#digest(config) })
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
        if (digest === used.digest) continue
        used.digest = digest
        deps.logger.info(
          { connector: name },
          'What its placeholders stand for has changed; its tasks on this worker restart.',
        )
        deps.restart(name)
      }
    }
  }

  /** One that does not resolve now counts as a change: the restart says what is wrong, and goes on when it is put right. */
  #digest(config: RawConfig): string {
    return createHash('sha256')
      .update(JSON.stringify(resolvedConfig(config, this.#context)))
      .digest('hex')
  }
}
