// Errors as the log shows them: what they say, their code, where they come from. Nothing else of them: libraries hang on what they
// were doing, and that holds passwords (ioredis the arguments of AUTH, HTTP clients the headers of the request).
import { type ErrorDetails, isMillraceError } from '@millrace/core'

/** Causes of causes; beyond it somebody made a ring. */
const DEPTH_MAX = 5
const TOGETHER_MAX = 10

export type ShownError = {
  readonly type: string
  readonly message: string
  readonly code?: string
  readonly disposition?: string
  readonly details?: ErrorDetails
  readonly stack?: string
  readonly cause?: ShownError
  readonly errors?: readonly ShownError[]
}

export function shownError(error: unknown, depth = 0): ShownError {
  if (!(error instanceof Error)) return { type: typeof error, message: typeof error === 'string' ? error : '' }
  const { name, message, stack, cause } = error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const together = error instanceof AggregateError ? error.errors.slice(0, TOGETHER_MAX) : []
  const isDeep = depth >= DEPTH_MAX
  return {
    type: name,
    message,
    ...(code !== undefined && { code }),
    ...(isMillraceError(error) && { disposition: error.disposition, details: error.details }),
    ...(stack !== undefined && { stack }),
    ...(cause instanceof Error && !isDeep && { cause: shownError(cause, depth + 1) }),
    ...(together.length > 0 && !isDeep && { errors: together.map(each => shownError(each, depth + 1)) }),
  }
}
