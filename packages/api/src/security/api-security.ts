// Everything that stands between a socket and a route, as one value. `cli` makes it from the worker's configuration.
import type { ResponseHeader, RestConfig } from '@millrace/config'
import type { Authenticator } from './authenticator.ts'

export type ApiSecurity = {
  /** null: nobody logs in and everybody is admin, which `startApi` allows on loopback only. */
  readonly authenticator: Authenticator | null
  /** Names a Host header may carry beside addresses, localhost and the advertised one; `*` allows any. */
  readonly allowedHosts: readonly string[]
  /** Whose pages may call from a browser; null: only those of this server. */
  readonly cors: RestConfig['cors']
  /** For every answer. */
  readonly headers: readonly ResponseHeader[]
  /** null: none. */
  readonly rates: RequestRates | null
}
/** Requests per second; 0: no limit. */
export type RequestRates = { readonly all: number; readonly perAddress: number }

export const OPEN: ApiSecurity = { authenticator: null, allowedHosts: [], cors: null, headers: [], rates: null }
