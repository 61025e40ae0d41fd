// The table from REST statuses and reasons to what the runtime does. Pure.
// https://cloud.google.com/bigquery/docs/error-messages
import { type Disposition, type ErrorCode, MillraceError } from '@millrace/core'
import type { RestResponse } from './rest-client.ts'

/** What an error body says, as far as it does. */
export type RestFailure = { readonly status: number; readonly reason: string; readonly message: string }

const THROTTLED: ReadonlySet<string> = new Set(['rateLimitExceeded', 'userRateLimitExceeded', 'quotaExceeded'])
const MESSAGE_MAX_CHARS = 2000

/** Reads `{error: {message, errors: [{reason}]}}`; a proxy's HTML page has neither. */
export function readFailure(response: RestResponse): RestFailure {
  const error = fieldOf(response.body, 'error')
  const first: unknown = fieldOf(fieldOf(error, 'errors'), '0')
  const reason = fieldOf(first, 'reason')
  const message = fieldOf(error, 'message')
  return {
    status: response.status,
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message.slice(0, MESSAGE_MAX_CHARS) : '',
  }
}

export function classifyRestError(failure: RestFailure): {
  readonly code: ErrorCode
  readonly disposition: Disposition
} {
  const { status, reason, message } = failure
  if (status === 429 || (status === 403 && THROTTLED.has(reason)))
    return { code: 'BIGQUERY_QUOTA', disposition: 'retry' }
  if (status === 403) return { code: 'BIGQUERY_PERMISSION_DENIED', disposition: 'failPartition' }
  if (status === 401) return { code: 'BIGQUERY_AUTH_FAILED', disposition: 'failPartition' }
  if (status === 404 && isDatasetMissing(message)) return { code: 'DATASET_MISSING', disposition: 'failPartition' }
  if (status === 404) return { code: 'TABLE_MISSING', disposition: 'failPartition' }
  if (status === 408 || status >= 500) return { code: 'BIGQUERY_UNREACHABLE', disposition: 'retry' }
  return { code: 'BIGQUERY_REQUEST_INVALID', disposition: 'failPartition' }
}

/** `Not found: Dataset project:dataset`, where a table would be named `Not found: Table project:dataset.table`. */
export const isDatasetMissing = (message: string): boolean => /\bDataset\b/.test(message)

export function toRestError(response: RestResponse, what: string): MillraceError {
  const failure = readFailure(response)
  const { code, disposition } = classifyRestError(failure)
  const words = [`HTTP ${failure.status}`, failure.reason, failure.message].filter(word => word !== '').join(', ')
  return new MillraceError(code, disposition, `BigQuery on ${what}: ${words}`, {
    details: { httpStatus: failure.status },
  })
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined
