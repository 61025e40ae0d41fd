// BigQuery for each set of credentials in use on this worker: channels and tokens are shared by connectors that share them, and
// closed and forgotten when the last of those is gone.
import { createHash } from 'node:crypto'
import { type BigQuery, type CredentialSource, openBigQuery } from '@millrace/bigquery'
import { type ConnectorConfig, readAllowed, type WorkerConfig } from '@millrace/config'
import { MillraceError, type RowOrigins, Secret } from '@millrace/core'
import type { BigQueryServices } from '@millrace/worker'
import type { System } from './kafka-side.ts'
import { providerFiles } from './provider-files.ts'

/** For comparing tables; no partition needs it. */
type WithRowOrigins = { rowOrigins(project: string): RowOrigins }
type Shared = { readonly opening: Promise<BigQuery>; users: number }

export class BigQuerySide implements AsyncDisposable {
  readonly #config: WorkerConfig
  readonly #system: System
  readonly #openBigQuery: typeof openBigQuery
  /** By a digest of the credentials; each has a user, so at most as many as connectors run here. */
  readonly #open = new Map<string, Shared>()
  readonly #closing = new Set<Promise<void>>()

  constructor(config: WorkerConfig, system: System, open: typeof openBigQuery = openBigQuery) {
    this.#config = config
    this.#system = system
    this.#openBigQuery = open
  }

  /** Rejects CONFIG_INVALID or BIGQUERY_AUTH_FAILED. */
  async servicesFor(connector: ConnectorConfig): Promise<BigQueryServices & WithRowOrigins> {
    const credentials = this.#read(connector.credentials)
    const key = credentialsKey(credentials)
    const shared = this.#open.get(key) ?? { opening: this.#connect(credentials), users: 0 }
    this.#open.set(key, shared)
    shared.users += 1
    try {
      const opened = await shared.opening
      const { tables, writeStreams } = opened
      let isUsed = true
      const close = (): void => {
        if (isUsed) this.#letGo(key, shared)
        isUsed = false
      }
      return { tables, streams: writeStreams, rowOrigins: project => opened.rowOrigins(project), close }
    } catch (error) {
      this.#letGo(key, shared)
      throw error
    }
  }

  #letGo(key: string, shared: Shared): void {
    shared.users -= 1
    if (shared.users > 0) return
    this.#open.delete(key)
    const closing = close(shared.opening).finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
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
    return this.#openBigQuery({
      ...(endpoint !== null && { endpoint }),
      ...(restEndpoint !== null && { restEndpoint }),
      credentials,
      clock,
      timers,
      random,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...[...this.#open.values()].map(({ opening }) => close(opening)), ...this.#closing])
  }
}

/** What never opened has nothing to close. */
async function close(opening: Promise<BigQuery>): Promise<void> {
  const bigQuery = await opening.catch(() => null)
  await bigQuery?.[Symbol.asyncDispose]()
}

function credentialsKey(credentials: CredentialSource): string {
  if (credentials.kind === 'applicationDefault') return credentials.kind
  return `keyJson:${createHash('sha256').update(credentials.json.reveal()).digest('hex')}`
}
