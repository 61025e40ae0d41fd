// The unary calls of the Write API.

import { parseTableResource } from '../catalog/names.ts'
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

const timestamp = (ms: number): Message => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 })

function streamMessage({ name, table, state }: Found, isFull: boolean): Message {
  return {
    name,
    type: state?.type ?? 'COMMITTED',
    writeMode: 'INSERT',
    location: writeApiLocation(table.location),
    // The default stream states no times, whatever the proto says (measured by Google's Go suite).
    ...(state && { createTime: timestamp(state.createdMs) }),
    ...(state?.type === 'COMMITTED' && { commitTime: timestamp(state.createdMs) }),
    ...(isFull && { tableSchema: schemaToWriteApi(table.schema) }),
  }
}

const unsupported =
  (method: string): UnaryMethod['run'] =>
  async () => {
    throw new Refused({ code: 'UNIMPLEMENTED', message: `${method} is not supported by this emulator yet` })
  }

export const UNARY_METHODS: Readonly<
  Record<Exclude<FaultMethod, 'AppendRows'> | 'BatchCommitWriteStreams' | 'FlushRows', UnaryMethod>
> = {
  CreateWriteStream: {
    requestType: 'CreateWriteStreamRequest',
    responseType: 'WriteStream',
    subject: request => text(request.parent),
    async run(request, core) {
      const ref = parseTableResource(text(request.parent))
      if (!ref)
        throw new Refused({
          code: 'INVALID_ARGUMENT',
          message: `Invalid table name: ${text(request.parent).slice(0, 300)}`,
        })
      const type = (request.writeStream as Message | undefined)?.type
      if (type === 'PENDING' || type === 'BUFFERED')
        throw new Refused({ code: 'UNIMPLEMENTED', message: `${type} streams are not supported by this emulator yet` })
      if (type !== 'COMMITTED')
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
    run: unsupported('BatchCommitWriteStreams'),
  },
  FlushRows: {
    requestType: 'FlushRowsRequest',
    responseType: 'FlushRowsResponse',
    subject: request => text(request.writeStream),
    run: unsupported('FlushRows'),
  },
}
