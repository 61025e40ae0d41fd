// What each failure of Redis means to the cluster. Almost all of it is "try again": Redis is advice, and running partitions go on.
// Error prefixes: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors and the server's source (server.c).
import { type Disposition, type ErrorCode, isMillraceError, MillraceError } from '@millrace/core'

type Rule = { readonly code: ErrorCode; readonly disposition: Disposition }
const refused: Rule = { code: 'REDIS_REFUSED', disposition: 'retry' }
const auth: Rule = { code: 'REDIS_AUTH_FAILED', disposition: 'retry' }

/** By the first word of an error reply. */
export const REPLY_RULES: Readonly<Record<string, Rule>> = {
  LOADING: refused,
  BUSY: refused,
  READONLY: refused,
  MASTERDOWN: refused,
  NOREPLICAS: refused,
  OOM: refused,
  MISCONF: refused,
  TRYAGAIN: refused,
  CLUSTERDOWN: refused,
  UNBLOCKED: refused,
  NOAUTH: auth,
  WRONGPASS: auth,
  NOPERM: auth,
}
const UNREACHABLE: Rule = { code: 'REDIS_UNREACHABLE', disposition: 'retry' }
/** What ioredis says of a command while there is no connection; nothing is queued (connection.ts). */
const OFFLINE = "Stream isn't writeable and enableOfflineQueue options is false"
/** A reply without a rule is a defect of a script or a key of another type: loud, not retried. */
const UNKNOWN_REPLY: Rule = { code: 'REDIS_REFUSED', disposition: 'failPartition' }

/** The one place where an ioredis error becomes ours. The message never carries the URL, which may hold a password. */
export function classifyError(error: unknown, doing: string): MillraceError {
  if (isMillraceError(error)) return error
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) }
  if (name !== 'ReplyError') {
    const why = message === OFFLINE ? 'not connected' : message
    return new MillraceError(UNREACHABLE.code, UNREACHABLE.disposition, `Redis did not answer (${doing}): ${why}`)
  }
  const rule = REPLY_RULES[message.slice(0, /[^A-Z]|$/.exec(message)!.index)] ?? UNKNOWN_REPLY
  return new MillraceError(rule.code, rule.disposition, `Redis refused (${doing}): ${message}`)
}
