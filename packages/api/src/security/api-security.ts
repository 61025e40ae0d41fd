// Everything that stands between a socket and a route, as one value. `cli` makes it from the worker's configuration.
import type { Authenticator } from './authenticator.ts'

export type ApiSecurity = {
  /** null: nobody logs in and everybody is admin, which `startApi` allows on loopback only. */
  readonly authenticator: Authenticator | null
  /** Names a Host header may carry beside addresses, localhost and the advertised one; `*` allows any. */
  readonly allowedHosts: readonly string[]
}

export const OPEN: ApiSecurity = { authenticator: null, allowedHosts: [] }
