// What `trace` shows: the code, the sentence, its cause and fix from the manual, then causes. Never a secret: messages hold none.
import { ERROR_CODES, isMillraceError } from '@millrace/core'

export function traceOf(error: unknown): string {
  if (!isMillraceError(error)) return error instanceof Error ? (error.stack ?? error.message) : String(error)
  const { cause, fix } = ERROR_CODES[error.code]
  const lines = [`${error.code}: ${error.message}`, `Cause: ${cause}`, `Fix: ${fix}`]
  if (error.code === 'BUG') lines.push(error.stack ?? '')
  for (let inner = error.cause; inner instanceof Error; inner = inner.cause)
    lines.push(`Caused by: ${inner.name}: ${inner.message}`)
  return lines.join('\n')
}
