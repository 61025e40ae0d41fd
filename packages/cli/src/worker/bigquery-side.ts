// BigQuery for each set of credentials in use on this worker: channels and tokens are shared by connectors that share them.
import { createHash } from 'node:crypto'
import { type BigQuery, type CredentialSource, openBigQuery } from '@millrace/bigquery'
import { type ConnectorConfig, readAllowed, type WorkerConfig } from '@millrace/config'
import { MillraceError, Secret } from '@millrace/core'
import type { BigQueryServices } from '@millrace/worker'
import type { System } from './kafka-side.ts'
import { providerFiles } from './provider-files.ts'

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
  async servicesFor(connector: ConnectorConfig): Promise<BigQueryServices> {
    const credentials = this.#read(connector.credentials)
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

  /** A file is a key from here on: when it has changed, whoever opens it next has the new one. */
  #read(credentials: ConnectorConfig['credentials']): CredentialSource {
    if (credentials.kind !== 'keyFile') return credentials
    if (this.#isWithoutCredentials) return { kind: 'applicationDefault' }
    const { path } = credentials
    const answer = readAllowed(path, this.#config.connectorContext.keyfilePaths ?? null, providerFiles)
    if (answer.kind === 'value') return { kind: 'keyJson', json: new Secret(answer.value) }
    // What is no path may be a key under the wrong keySource.
    const shown = /^\/[\w./@+-]{1,255}$/.test(path) ? ` ${path}` : ''
    const message = `keyfile${shown}: ${answer.problem} (bigquery.keyfile.allowed.paths of the worker says where it may be).`
    throw new MillraceError('BIGQUERY_AUTH_FAILED', 'failPartition', message)
  }

  /** An emulator asks for none, so a pasted config need not have its key here. */
  get #isWithoutCredentials(): boolean {
    const { endpoint, restEndpoint } = this.#config.bigquery
    return [endpoint, restEndpoint].every(url => url?.startsWith('http://') ?? false)
  }

  #connect(credentials: CredentialSource): Promise<BigQuery> {
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

function credentialsKey(credentials: CredentialSource): string {
  if (credentials.kind === 'applicationDefault') return credentials.kind
  return `keyJson:${createHash('sha256').update(credentials.json.reveal()).digest('hex')}`
}
