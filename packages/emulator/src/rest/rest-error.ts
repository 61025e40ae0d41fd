// Errors as Google's REST APIs state them.
import { CatalogError } from '../catalog/catalog.ts'
import { InvalidSchema } from '../catalog/table-schema.ts'
import { InvalidFault } from '../faults/fault-json.ts'
import { SqlRefused } from '../sql/translate.ts'
import { QueryRefused } from '../storage/storage.ts'

export class RestError extends Error {
  readonly httpStatus: number
  readonly reason: string

  constructor(httpStatus: number, reason: string, message: string) {
    super(message)
    this.httpStatus = httpStatus
    this.reason = reason
  }
}

/** google.rpc.Code by HTTP status; https://cloud.google.com/apis/design/errors */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'ALREADY_EXISTS',
  412: 'FAILED_PRECONDITION',
  501: 'UNIMPLEMENTED',
}

const CATALOG_ERRORS: Readonly<Record<CatalogError['kind'], readonly [number, string]>> = {
  notFound: [404, 'notFound'],
  duplicate: [409, 'duplicate'],
  invalid: [400, 'invalid'],
  resourceInUse: [400, 'resourceInUse'],
  conditionNotMet: [412, 'conditionNotMet'],
}

/** Any error as a RestError; what is not known is a 500. */
export function asRestError(error: unknown): RestError {
  if (error instanceof RestError) return error
  if (error instanceof CatalogError) return new RestError(...CATALOG_ERRORS[error.kind], error.message)
  if (error instanceof InvalidSchema || error instanceof InvalidFault || error instanceof RangeError)
    return new RestError(400, 'invalid', error.message)
  if (error instanceof SqlRefused && error.reason === 'notFound') return new RestError(404, 'notFound', error.message)
  if (error instanceof SqlRefused || error instanceof QueryRefused)
    return new RestError(400, 'invalidQuery', error.message)
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode && statusCode >= 400 && statusCode < 500)
    return new RestError(statusCode, 'invalid', message ?? 'Bad request')
  return new RestError(500, 'internalError', message ?? String(error))
}

export function errorBody(error: RestError): Record<string, unknown> {
  const { httpStatus, reason, message } = error
  return {
    error: {
      code: httpStatus,
      message,
      errors: [{ message, domain: 'global', reason }],
      status: STATUS_NAMES[httpStatus] ?? 'INTERNAL',
    },
  }
}
