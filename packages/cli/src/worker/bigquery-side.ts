// BigQuery for each set of credentials in use on this worker: channels and tokens are shared by connectors that share them.
import { createHash } from 'node:crypto'
import { type BigQuery, openBigQuery } from '@millrace/bigquery'
import type { ConnectorConfig, WorkerConfig } from '@millrace/config'
import type { BigQueryServices } from '@millrace/worker'
import type { System } from './kafka-side.ts'

export class BigQuerySide implements AsyncDisposable {
  readonly #config: WorkerConfig
  readonly #system: System
  /** By a digest of the credentials; one entry per service account in use. */
  readonly #open = new Map<string, Promise<BigQuery>>()

  constructor(config: WorkerConfig, system: System) {
    this.#config = config
    this.#system = system
  }

  /** Rejects CONFIG_INVALID or BIGQUERY_AUTH_FAILED. */
  async servicesFor({ credentials }: ConnectorConfig): Promise<BigQueryServices> {
    const key = credentialsKey(credentials)
    const opening = this.#open.get(key) ?? this.#connect(credentials)
    this.#open.set(key, opening)
    try {
      const { tables, writeStreams } = await opening
      return { tables, streams: writeStreams }
    } catch (error) {
      this.#open.delete(key)
      throw error
    }
  }

  #connect(credentials: ConnectorConfig['credentials']): Promise<BigQuery> {
    const { endpoint, restEndpoint } = this.#config.bigquery
    const { clock, timers, random } = this.#system
    return openBigQuery({
      ...(endpoint !== null && { endpoint }),
      ...(restEndpoint !== null && { restEndpoint }),
      credentials,
      clock,
      timers,
      random,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of this.#open.values()) {
      const bigQuery = await opening.catch(() => null)
      await bigQuery?.[Symbol.asyncDispose]()
    }
  }
}

function credentialsKey(credentials: ConnectorConfig['credentials']): string {
  if (credentials.kind === 'applicationDefault') return credentials.kind
  if (credentials.kind === 'keyFile') return `keyFile:${credentials.path}`
  return `keyJson:${createHash('sha256').update(credentials.json.reveal()).digest('hex')}`
}
