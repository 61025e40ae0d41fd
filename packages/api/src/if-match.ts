// Optional optimistic locking: reads answer `ETag: "<version>"`, writes may send it back as `If-Match` and get 412 when it is old.
import { ApiError, badRequest } from './api-error.ts'

export const etagOf = (entry: { readonly version: number }): string => `"${entry.version}"`

/** The version a write insists on; undefined when it does not. */
export function ifMatchVersion(header: string | undefined): number | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const version = /^(?:W\/)?"(\d{1,15})"$/.exec(header.trim())?.[1]
  if (version === undefined) throw badRequest('If-Match must be one ETag as GET /connectors/{name}/config answered it.')
  return Number(version)
}

export const preconditionFailed = (name: string): ApiError =>
  new ApiError(412, `Connector ${name} was changed meanwhile: If-Match is not its current version. Read it again.`)
