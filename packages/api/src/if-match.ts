// Optional optimistic locking (RFC 9110 §13.1.1): reads and writes answer `ETag: "<version>"`, writes may send it back as `If-Match`
// and get 412 when it is not the current version any more.
import { ApiError, badRequest } from './api-error.ts'
import { type Context, REQUEST_TIMEOUT_MS } from './context.ts'

export const etagOf = (entry: { readonly version: number }): string => `"${entry.version}"`

/** Of no connector: to insist on it is to be refused. */
const NO_VERSION = -1

export type Condition = {
  /** `*`: whichever version it has, but there must be one. */
  readonly mustExist: boolean
  /** The version a write insists on. */
  readonly ifVersion?: number
}

/** What a write insists on. Of several versions the one that is current now, which the write then compares again. */
export async function conditionOf(context: Context, name: string, header: string | undefined): Promise<Condition> {
  if (header === undefined) return { mustExist: false }
  if (header.trim() === '*') return { mustExist: true }
  const versions = versionsIn(header)
  if (versions.length <= 1) return { mustExist: true, ifVersion: versions[0] ?? NO_VERSION }
  const { connectors } = await context.within(REQUEST_TIMEOUT_MS, 'reading the config topic', signal =>
    context.deps.configStore.refresh({ signal }),
  )
  const current = connectors.get(name)?.version
  return { mustExist: true, ifVersion: versions.find(version => version === current) ?? NO_VERSION }
}

/** Entity tags, with commas between them. */
const TAGS = /^\s*(?:(?:W\/)?"[!#-~\u0080-\u00ff]*"\s*(?:,\s*|$))+$/
const TAG = /(?:W\/)?"[!#-~\u0080-\u00ff]*"/g

/** Tags that are weak, or none of ours, match nothing: the comparison is the strong one. */
function versionsIn(header: string): readonly number[] {
  if (!TAGS.test(header))
    throw badRequest('If-Match must be ETags as GET /connectors/{name}/config answers them, in quotes, or *.')
  return [...header.matchAll(TAG)].flatMap(([tag]) => /^"(\d{1,15})"$/.exec(tag)?.[1] ?? []).map(Number)
}

export const preconditionFailed = (name: string): ApiError =>
  new ApiError(412, `Connector ${name} was changed meanwhile: If-Match is not its current version. Read it again.`)
