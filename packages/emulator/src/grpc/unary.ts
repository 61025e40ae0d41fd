// The unary calls of the Write API.
import { parseTableResource, type TableRef } from '../catalog/names.ts'
import { schemaToWriteApi } from '../catalog/table-schema.ts'
import type { EmulatorCore } from '../emulator-core.ts'
import type { FaultMethod } from '../faults/faults.ts'
import { type Found, Refused } from '../streams/streams.ts'

type Message = Record<string, unknown>
export type UnaryMethod = {
  readonly requestType: string
  readonly responseType: string
  /** The name faults are matched with. */
  readonly subject: (request: Message) => string
  readonly run: (request: Message, core: EmulatorCore) => Promise<Message>
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Multi-regions are lower case in the Write API. */
const writeApiLocation = (location: string): string => (/^(US|EU)$/.test(location) ? location.toLowerCase() : location)

/** Throws Refused. */
function tableOf(parent: unknown): TableRef {
  const ref = parseTableResource(text(parent))
  if (ref) return ref
  throw new Refused({ code: 'INVALID_ARGUMENT', message: `Invalid table name: ${text(parent).slice(0, 300)}` })
}

const timestamp = (ms: number): Message => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 })

function streamMessage({ name, table, state }: Found, isFull: boolean): Message {
  // Rows of a committed stream are committed as they come; of a buffered one nothing is said of a commit.
  const committedMs = state?.type === 'COMMITTED' ? state.createdMs : state?.committedMs
  return {
    name,
    type: state?.type ?? 'COMMITTED',
    writeMode: 'INSERT',
    location: writeApiLocation(table.location),
    // The default stream states no times, whatever the proto says (measured by Google's Go suite).
    ...(state && { createTime: timestamp(state.createdMs) }),
    ...(committedMs !== undefined && { commitTime: timestamp(committedMs) }),
    ...(isFull && { tableSchema: schemaToWriteApi(table.schema) }),
  }
}

/** FlushRows has one. */
export function offsetOf(request: Message): bigint | undefined {
  const offset = request.offset as { value?: string } | undefined
  return offset && BigInt(offset.value ?? 0)
}

export const UNARY_METHODS: Readonly<Record<Exclude<FaultMethod, 'AppendRows'>, UnaryMethod>> = {
  CreateWriteStream: {
    requestType: 'CreateWriteStreamRequest',
    responseType: 'WriteStream',
    subject: request => text(request.parent),
    async run(request, core) {
      const ref = tableOf(request.parent)
      const type = (request.writeStream as Message | undefined)?.type
      if (type !== 'COMMITTED' && type !== 'PENDING' && type !== 'BUFFERED')
        throw new Refused({
          code: 'INVALID_ARGUMENT',
          message: `Write stream type must be specified. Entity: ${text(request.parent)}`,
        })
      return streamMessage(await core.streams.create(ref, type), true)
    },
  },
  GetWriteStream: {
    requestType: 'GetWriteStreamRequest',
    responseType: 'WriteStream',
    subject: request => text(request.name),
    async run(request, core) {
      const found = core.streams.find(text(request.name))
      await core.committer.stored()
      return streamMessage(found, request.view === 'FULL')
    },
  },
  FinalizeWriteStream: {
    requestType: 'FinalizeWriteStreamRequest',
    responseType: 'FinalizeWriteStreamResponse',
    subject: request => text(request.name),
    async run(request, core) {
      return { rowCount: String(await core.streams.finalize(text(request.name))) }
    },
  },
  BatchCommitWriteStreams: {
    requestType: 'BatchCommitWriteStreamsRequest',
    responseType: 'BatchCommitWriteStreamsResponse',
    subject: request => text(request.parent),
    async run(request, core) {
      const names = (request.writeStreams as readonly unknown[] | undefined) ?? []
      const outcome = await core.streams.commit(tableOf(request.parent), names.map(text))
      return 'committedMs' in outcome
        ? { commitTime: timestamp(outcome.committedMs) }
        : { streamErrors: outcome.refusals.map(({ storage, message }) => ({ ...storage, errorMessage: message })) }
    },
  },
  FlushRows: {
    requestType: 'FlushRowsRequest',
    responseType: 'FlushRowsResponse',
    subject: request => text(request.writeStream),
    async run(request, core) {
      return { offset: String(await core.streams.flush(text(request.writeStream), offsetOf(request))) }
    },
  },
}
