// Who may call: nobody is asked, or a bearer token is compared with one token or with a file of tokens that may change at any time.
import { readFileSync, statSync } from 'node:fs'
import type { Clock } from './clock.ts'

export type Verdict = 'allowed' | 'unauthenticated' | 'forbidden'
export interface Access {
  /** Judges the value of an Authorization header. */
  judge(authorization: string | undefined): Verdict
}

const bearer = (authorization: string | undefined): string | undefined =>
  /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1]

export const openAccess: Access = { judge: () => 'allowed' }

export function singleToken(token: string): Access {
  return { judge: authorization => (bearer(authorization) === token ? 'allowed' : 'unauthenticated') }
}

/** The file: `{"<token>": "ok" | "expired" | "forbidden"}`. Read anew whenever it has changed; a token not in it is unknown. */
export function tokenFile(path: string): Access {
  let readAt = ''
  let tokens: Record<string, unknown> = {}
  const refresh = (): void => {
    const { mtimeMs, size, ino } = statSync(path)
    const stamp = `${mtimeMs}/${size}/${ino}`
    if (stamp === readAt) return
    tokens = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
    readAt = stamp
  }
  refresh()
  return {
    judge(authorization) {
      try {
        refresh()
      } catch {
        // Being rewritten this moment: what was read last holds until it can be read again.
      }
      const token = bearer(authorization)
      const state = token !== undefined && Object.hasOwn(tokens, token) ? tokens[token] : undefined
      if (state === 'ok') return 'allowed'
      return state === 'forbidden' ? 'forbidden' : 'unauthenticated'
    },
  }
}

/** Tokens whose first use is remembered, about 2 KB each; the oldest are forgotten first and count as new. */
const TOKENS_MAX = 10_000

/** Tokens that also run out: so long after they are first seen, or when told to. */
export class Tokens implements Access {
  private readonly access: Access
  private readonly ttlMs: number
  private readonly clock: Clock
  private readonly expiresAtMs = new Map<string, number>()

  /** `ttlMs` 0 = they are good for ever. */
  constructor(access: Access, ttlMs: number, clock: Clock) {
    this.access = access
    this.ttlMs = ttlMs
    this.clock = clock
  }

  judge(authorization: string | undefined): Verdict {
    const verdict = this.access.judge(authorization)
    if (verdict !== 'allowed') return verdict
    return this.remainingMs(authorization) > 0 ? 'allowed' : 'unauthenticated'
  }

  /** How long the token is still good; a call without one is never asked. */
  remainingMs(authorization: string | undefined): number {
    const token = bearer(authorization)
    if (token === undefined) return Number.POSITIVE_INFINITY
    const nowMs = this.clock.nowMs()
    let expiresAtMs = this.expiresAtMs.get(token)
    if (expiresAtMs === undefined) {
      expiresAtMs = this.ttlMs === 0 ? Number.POSITIVE_INFINITY : nowMs + this.ttlMs
      if (this.expiresAtMs.size >= TOKENS_MAX) this.expiresAtMs.delete(this.expiresAtMs.keys().next().value!)
      this.expiresAtMs.set(token, expiresAtMs)
    }
    return expiresAtMs - nowMs
  }

  /** Ends the life of one token, or of all seen so far. */
  expire(token?: string): void {
    const nowMs = this.clock.nowMs()
    for (const one of token === undefined ? [...this.expiresAtMs.keys()] : [token]) this.expiresAtMs.set(one, nowMs)
  }
}

export const UNAUTHENTICATED_TEXT =
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.'
export const FORBIDDEN_TEXT = 'The caller does not have permission'
