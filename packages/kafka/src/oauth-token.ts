// OAUTHBEARER tokens by the client-credentials grant (RFC 6749 §4.4), as Kafka's own login callback handler gets them.
// In memory only, renewed at three quarters of their life, one request at a time.
import { type Clock, MillraceError, type Secret } from '@millrace/core'

export type OauthSource = {
  readonly tokenEndpoint: URL
  readonly clientId: string
  readonly clientSecret: Secret
  readonly scope: string | null
}
export type Fetch = (url: URL, init: RequestInit) => Promise<Response>

const TIMEOUT_MS = 10_000
const RENEW_AT = 0.75
/** When the endpoint does not say how long a token lives. */
const DEFAULT_LIFE_SECONDS = 300

export class OauthTokens {
  readonly #source: OauthSource
  readonly #clock: Clock
  readonly #fetch: Fetch
  #token: { readonly value: string; readonly renewAtMs: number } | null = null
  #request: Promise<string> | null = null

  constructor(source: OauthSource, clock: Clock, fetch: Fetch) {
    this.#source = source
    this.#clock = clock
    this.#fetch = fetch
  }

  /** A token with a quarter of its life left. Rejects KAFKA_AUTH_FAILED, or KAFKA_UNREACHABLE when the endpoint is down. */
  async token(): Promise<string> {
    if (this.#token && this.#clock.monotonicMs() < this.#token.renewAtMs) return this.#token.value
    this.#request ??= this.#renew().finally(() => {
      this.#request = null
    })
    return this.#request
  }

  async #renew(): Promise<string> {
    const { tokenEndpoint, clientId, clientSecret, scope } = this.#source
    const host = tokenEndpoint.host
    const body = new URLSearchParams({ grant_type: 'client_credentials', ...(scope === null ? {} : { scope }) })
    const credentials = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret.reveal())}`)
    let response: Response
    let json: unknown
    try {
      response = await this.#fetch(tokenEndpoint, {
        method: 'POST',
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          accept: 'application/json',
          authorization: `Basic ${credentials.toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: body.toString(),
      })
      json = response.ok ? await response.json() : null
    } catch (cause) {
      throw new MillraceError('KAFKA_UNREACHABLE', 'retry', `The OAuth token endpoint ${host} does not answer.`, {
        cause,
      })
    }
    if (!response.ok) {
      const isTemporary = response.status >= 500 || response.status === 429
      throw new MillraceError(
        isTemporary ? 'KAFKA_UNREACHABLE' : 'KAFKA_AUTH_FAILED',
        isTemporary ? 'retry' : 'failPartition',
        `The OAuth token endpoint ${host} answered HTTP ${response.status}.`,
      )
    }
    const { access_token: value, expires_in: life } = (json ?? {}) as { access_token?: unknown; expires_in?: unknown }
    if (typeof value !== 'string' || value === '')
      throw new MillraceError(
        'KAFKA_AUTH_FAILED',
        'failPartition',
        `The OAuth token endpoint ${host} answered without access_token.`,
      )
    const lifeSeconds = typeof life === 'number' && life > 0 ? life : DEFAULT_LIFE_SECONDS
    this.#token = { value, renewAtMs: this.#clock.monotonicMs() + lifeSeconds * 1000 * RENEW_AT }
    return value
  }
}
