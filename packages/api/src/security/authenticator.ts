// The seam of authentication: basic today, OIDC and client certificates later, each one class.
import type { Principal } from './principal.ts'

/** What an authenticator may look at. */
export type AuthRequest = {
  readonly authorization: string | undefined
  /** Of the connection; no header can change it. */
  readonly address: string
}

export type AuthOutcome =
  | { readonly kind: 'known'; readonly principal: Principal }
  /** 401 with this challenge in `WWW-Authenticate`. */
  | { readonly kind: 'unknown'; readonly challenge: string }
  /** 429: too many wrong attempts from there. */
  | { readonly kind: 'tooMany'; readonly retryAfterSec: number }
  /** 503: more log-ins wait than are checked at a time. */
  | { readonly kind: 'busy'; readonly retryAfterSec: number }

export interface Authenticator {
  /** Called before the body is read. Takes as long as a password check; rejects only when the signal aborts. */
  authenticate(request: AuthRequest, options: { readonly signal: AbortSignal }): Promise<AuthOutcome>
}
