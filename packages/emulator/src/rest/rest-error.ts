// Errors as Google's REST APIs state them.
import { CatalogError } from '../catalog/catalog.ts'
import { InvalidSchema } from '../catalog/table-schema.ts'
import { InvalidFault } from '../faults/fault-json.ts'
import { SqlRefused } from '../sql/refused.ts'
import { QueryRefused } from '../storage/storage.ts'

/** The part of a request an error is about. */
type ErrorPlace = { readonly location: string; readonly locationType: 'parameter' | 'header' | 'other' }

/** A message may repeat a name or a query the request was full of. */
const MESSAGE_CHARS_MAX = 5_000

export class RestError extends Error {
  readonly httpStatus: number
  readonly reason: string
  readonly place: ErrorPlace | undefined

  constructor(httpStatus: number, reason: string, message: string, place?: ErrorPlace) {
    super(message.length > MESSAGE_CHARS_MAX ? `${message.slice(0, MESSAGE_CHARS_MAX)}…`.toWellFormed() : message)
    this.httpStatus = httpStatus
    this.reason = reason
    this.place = place
  }
}

/** What this emulator does not have, by name. */
export const notImplemented = (what: string): RestError =>
  new RestError(501, 'notImplemented', `${what} is not supported by this emulator`)
export const required = (name: string): RestError =>
  new RestError(400, 'required', `Required parameter is missing: ${name}`)

/** google.rpc.Code by HTTP status; https://cloud.google.com/apis/design/errors */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ALREADY_EXISTS',
  412: 'FAILED_PRECONDITION',
  413: 'INVALID_ARGUMENT',
  499: 'CANCELLED',
  501: 'UNIMPLEMENTED',
}

const CATALOG_ERRORS: Readonly<Record<CatalogError['kind'], readonly [number, string, ErrorPlace?]>> = {
  notFound: [404, 'notFound'],
  duplicate: [409, 'duplicate'],
  invalid: [400, 'invalid'],
  resourceInUse: [400, 'resourceInUse'],
  conditionNotMet: [412, 'conditionNotMet', { location: 'If-Match', locationType: 'header' }],
  rateLimitExceeded: [403, 'rateLimitExceeded', { location: 'table.write', locationType: 'other' }],
}
const IN_QUERY: ErrorPlace = { location: 'q', locationType: 'parameter' }

/** Any error as a RestError; what is not known is a 500. */
export function asRestError(error: unknown): RestError {
  if (error instanceof RestError) return error
  if (error instanceof CatalogError) {
    const [status, reason, place] = CATALOG_ERRORS[error.kind]
    return new RestError(status, reason, error.message, place)
  }
  if (error instanceof InvalidSchema || error instanceof InvalidFault)
    return new RestError(400, 'invalid', error.message)
  if (error instanceof SqlRefused && error.reason === 'notFound') return new RestError(404, 'notFound', error.message)
  if (error instanceof SqlRefused || error instanceof QueryRefused)
    return new RestError(400, 'invalidQuery', error.message, IN_QUERY)
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode && statusCode >= 400 && statusCode < 500)
    return new RestError(statusCode, 'invalid', message ?? 'Bad request')
  // Numbers out of range, and settings of the control API. Fastify's are RangeErrors too, with a status.
  if (error instanceof RangeError) return new RestError(400, 'invalid', error.message)
  return new RestError(500, 'internalError', message ?? String(error))
}

/** One error as `errors[]` lists it and jobs carry it. */
export const errorProto = ({ reason, message, place }: RestError): Record<string, unknown> => ({
  reason,
  message,
  ...(place && { location: place.location }),
})

export function errorBody(error: RestError): Record<string, unknown> {
  const { httpStatus, reason, message, place } = error
  return {
    error: {
      code: httpStatus,
      message,
      errors: [{ message, domain: 'global', reason, ...place }],
      status: STATUS_NAMES[httpStatus] ?? 'INTERNAL',
    },
  }
}
