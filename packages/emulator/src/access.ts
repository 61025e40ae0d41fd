// Who may call: nobody is asked, or a bearer token is compared with one token or with a file of tokens that may change at any time.
import { readFileSync, statSync } from 'node:fs'

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

export const UNAUTHENTICATED_TEXT =
  'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.'
export const FORBIDDEN_TEXT = 'The caller does not have permission'
