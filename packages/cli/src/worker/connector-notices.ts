// What a connector's config holds without effect, such as unknown keys: said once per config and worker, by key.
import type { ConfigNotice } from '@millrace/config'
import type { ConnectorEntry, Logger } from '@millrace/core'

/** 10,000 connectors of some 100 bytes each; beyond it all is forgotten, which costs a repeated line. */
const CONNECTORS_MAX = 10_000

export class ConnectorNotices {
  readonly #logger: Logger
  /** The config that was spoken of, by connector. */
  readonly #told = new Map<string, string>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Called whenever the config is parsed; a config that was spoken of already is passed over. */
  tell(
    { name, incarnation, configGeneration }: Pick<ConnectorEntry, 'name' | 'incarnation' | 'configGeneration'>,
    notices: readonly ConfigNotice[],
  ): void {
    const config = `${incarnation}/${configGeneration}`
    if (this.#told.get(name) === config) return
    if (this.#told.size >= CONNECTORS_MAX) this.#told.clear()
    this.#told.set(name, config)
    for (const { key, kind, message } of notices)
      this.#logger[kind === 'ignored' ? 'info' : 'warn']({ connector: name, key }, message)
  }
}
