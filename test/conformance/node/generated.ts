// AppendRows by the generated client, request by request: for what the managed writer never sends.
import assert from 'node:assert/strict'
import type { Duplex } from 'node:stream'
import { managedwriter } from '@google-cloud/bigquery-storage'
import { type AppendRequest, type AppendResponse, type Descriptor, inTime } from './google.ts'

export type RawAppend = {
  send(request: AppendRequest): void
  /** The next response; rejects with the error that ended the call instead. */
  next(): Promise<AppendResponse>
  /** The offset of the next response; fails when that is a refusal. */
  offset(): Promise<number>
  /** Says that no more requests come. */
  end(): void
  cancel(): void
}

export async function rawAppend(
  client: managedwriter.WriterClient,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawAppend> {
  await client.initialize()
  const call = client.getClient().appendRows({ otherArgs: { headers } }) as Duplex & { cancel(): void }
  const responses: AppendResponse[] = []
  const waiting: { resolve(response: AppendResponse): void; reject(error: Error): void }[] = []
  let ended: Error | undefined
  call.on('data', (response: AppendResponse) => {
    const waiter = waiting.shift()
    if (waiter) waiter.resolve(response)
    else responses.push(response)
  })
  const over = (error: Error): void => {
    ended ??= error
    for (const waiter of waiting.splice(0)) waiter.reject(ended)
  }
  call.on('error', over)
  call.on('end', () => setImmediate(() => over(new Error('the call ended well'))))
  const next = (): Promise<AppendResponse> => {
    const response = responses.shift()
    if (response) return Promise.resolve(response)
    if (ended) return Promise.reject(ended)
    return inTime(new Promise((resolve, reject) => waiting.push({ resolve, reject })), 'a response')
  }
  return {
    send: request => void call.write(request),
    next,
    async offset() {
      const response = await next()
      assert.equal(response.error?.message, undefined)
      return Number(response.appendResult?.offset?.value)
    },
    end: () => void call.end(),
    cancel: () => call.cancel(),
  }
}

/** What a JSONWriter would send, as an object. */
export function appendRequest(
  writeStream: string,
  protoDescriptor: Descriptor,
  rows: readonly object[],
  offset?: number,
): AppendRequest {
  let request: AppendRequest | undefined
  const connection = {
    getStreamId: () => writeStream,
    onSchemaUpdated: () => ({ off: () => {} }),
    write: (written: AppendRequest) => {
      request = written
    },
  }
  const writer = new managedwriter.JSONWriter({ connection: connection as never, protoDescriptor })
  writer.appendRows(rows as never, offset)
  assert.ok(request)
  return request
}
