// Opens BigQuery: channels, tokens and the two APIs behind the ports. The one entrance of this package.
import type { Clock, Random, RowOrigins, Tables, Timers, WriteStreams } from '@millrace/core'
import { ChannelPool } from './channel-pool.ts'
import { type CredentialSource, openCredentials } from './credentials.ts'
import { parseEndpoint, REST_ENDPOINT, WRITE_API_ENDPOINT } from './endpoint.ts'
import { RestQueries } from './queries.ts'
import { RestClient } from './rest-client.ts'
import { SqlRowOrigins } from './row-origins.ts'
import { RestTables } from './tables.ts'
import { TokenCache } from './token-cache.ts'
import { GrpcWriteStreams } from './write-streams.ts'

export type BigQueryOptions = {
  /** `bigquery.endpoint`; default is Google's. `http://`: plaintext, no credentials. */
  readonly endpoint?: string
  /** `bigquery.rest.endpoint`; default is Google's. */
  readonly restEndpoint?: string
  /** Default: the worker's application default credentials. Not looked at when both endpoints are plaintext. */
  readonly credentials?: CredentialSource
  /** PEM certificates trusted besides the system's. */
  readonly ca?: string
  /** Replaces Google's OAuth token endpoint. Operator's setting only: a connector must not choose where keys are sent. */
  readonly tokenEndpoint?: string
  /** How long the oldest append may stay unanswered; default 60 s. */
  readonly appendDeadlineMs?: number
  /** Shown in Google's own telemetry; default `millrace`. */
  readonly traceId?: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
}

export interface BigQuery extends AsyncDisposable {
  readonly tables: Tables
  readonly writeStreams: WriteStreams
  /** Where rows came from, by queries that this project runs and pays for. */
  rowOrigins(project: string): RowOrigins
}

const APPEND_DEADLINE_MS = 60_000

/** Rejects CONFIG_INVALID or BIGQUERY_AUTH_FAILED. Opens no connection yet. */
export async function openBigQuery(options: BigQueryOptions): Promise<BigQuery> {
  const endpoint = parseEndpoint(options.endpoint ?? WRITE_API_ENDPOINT, 'bigquery.endpoint')
  const restEndpoint = parseEndpoint(options.restEndpoint ?? REST_ENDPOINT, 'bigquery.rest.endpoint')
  const { clock, timers, random } = options

  const needsTokens = !endpoint.isPlaintext || !restEndpoint.isPlaintext
  const source = options.credentials ?? { kind: 'applicationDefault' }
  const tokens = needsTokens
    ? new TokenCache(await openCredentials(source, options.tokenEndpoint), clock, timers)
    : null

  const channels = new ChannelPool(endpoint, options.ca)
  const rest = new RestClient(restEndpoint, restEndpoint.isPlaintext ? null : tokens, timers, options.ca)
  return {
    tables: new RestTables(rest, timers, random),
    writeStreams: new GrpcWriteStreams({
      channels,
      tokens: endpoint.isPlaintext ? null : tokens,
      clock,
      timers,
      random,
      appendDeadlineMs: options.appendDeadlineMs ?? APPEND_DEADLINE_MS,
      traceId: options.traceId ?? 'millrace',
    }),
    rowOrigins: project => new SqlRowOrigins(new RestQueries(rest, timers, random), project),
    async [Symbol.asyncDispose]() {
      channels.close()
      rest.close()
      tokens?.close()
    },
  }
}
