// An answer that is not the one hoped for: `{error_code, message}`, always, with error_code = HTTP status.
import { type ErrorCode, isMillraceError } from '@millrace/core'

export class ApiError extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.name = 'ApiError'
    this.status = status
  }
}

export const badRequest = (message: string): ApiError => new ApiError(400, message)
export const notFound = (message: string): ApiError => new ApiError(404, message)

export type ErrorBody = { readonly error_code: number; readonly message: string }
export const errorBody = (status: number, message: string): ErrorBody => ({ error_code: status, message })

const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  CONFIG_INVALID: 400,
  CONFIG_UNKNOWN_KEY: 400,
  POSITION_REFUSED: 400,
  CONNECTOR_NOT_FOUND: 404,
  CONNECTOR_EXISTS: 409,
  CONFIG_CONFLICT: 412,
  NOT_SUPPORTED: 501,
}

/** Status and text for anything thrown on the way. What nobody foresaw is 500 without details of our insides. */
export function describeFailure(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof ApiError) return { status: error.status, message: error.message }
  if (isMillraceError(error)) return { status: STATUS_OF[error.code] ?? 500, message: error.message }
  const status = httpStatusOf(error)
  return status === undefined
    ? { status: 500, message: 'Internal server error; the log of this worker has the details.' }
    : {
        status,
        message: status === 415 ? UNSUPPORTED_MEDIA_TYPE : error instanceof Error ? error.message : 'Request refused.',
      }
}

/** In Connect's words. */
const UNSUPPORTED_MEDIA_TYPE = 'HTTP 415 Unsupported Media Type'

/** Fastify's own refusals (body too large, unsupported media type, bad URL) carry their status. */
function httpStatusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined
  const status = error.statusCode
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined
}
