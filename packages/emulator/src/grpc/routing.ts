// The routing header, x-goog-request-params: which table a call is for, said outside of its messages.
// The service mostly works without it and at times denies: https://github.com/googleapis/java-bigquerystorage (PR 1017)
import type { Metadata } from '@grpc/grpc-js'
import type { Behavior } from '../behavior.ts'
import { denied, type Refusal } from '../wire/storage-error.ts'

/** The parameters, decoded: `write_stream`, `write_location`, `parent`, `name`. */
export type Routing = Readonly<Record<string, string>>

/** Header text looked at; longer ones count as none. */
const HEADER_LENGTH_MAX = 8192

export function readRouting(metadata: Metadata): Routing | undefined {
  const header = metadata.get('x-goog-request-params')[0]?.toString()
  if (!header || header.length > HEADER_LENGTH_MAX) return undefined
  return Object.fromEntries(new URLSearchParams(header))
}

/** The project that a call is metered on: the one billed, or the one it writes to. */
export function clientProject(metadata: Metadata, routing: Routing | undefined): string {
  const billed = metadata.get('x-goog-user-project')[0]?.toString()
  if (billed) return billed
  const named = routing?.write_stream ?? routing?.write_location ?? ''
  return /^projects\/([^/]+)/.exec(named)?.[1] ?? ''
}

/** In strict mode, the refusal of a call for `name` whose header is missing or speaks of another table. */
export function checkRouting(behavior: Behavior, routing: Routing | undefined, name: string): Refusal | undefined {
  if (behavior.routingHeader === 'lenient') return undefined
  if (routing?.write_location !== undefined && name.startsWith(projectOf(routing.write_location))) return undefined
  const stated = routing?.write_stream ?? routing?.parent ?? routing?.name
  const table = tableOf(name)
  if (stated !== undefined && tableOf(stated) === table) return undefined
  return denied(table)
}

const tableOf = (name: string): string => /^projects\/[^/]+\/datasets\/[^/]+\/tables\/[^/]+/.exec(name)?.[0] ?? name

/** `projects/P/` of `projects/P/locations/L`. */
const projectOf = (location: string): string => /^projects\/[^/]+\//.exec(location)?.[0] ?? '\0'
