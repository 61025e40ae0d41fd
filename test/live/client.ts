// A client of the service: the production adapter, with credentials as Google's libraries find them.
import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleepFor } from 'node:timers/promises'
import { openBigQuery } from '@millrace/bigquery'
import type { Clock, Random, Timers, WriteStreams } from '@millrace/core'

export type Service = {
  readonly project: string
  readonly dataset: string
  /** Both absent: Google's. `http://`: an emulator, without credentials. */
  readonly endpoint?: string
  readonly restEndpoint?: string
}

export type Client = AsyncDisposable & { readonly streams: WriteStreams }

const APPEND_DEADLINE_MS = 30_000

/** Opens no connection yet. Rejects BIGQUERY_AUTH_FAILED where credentials are needed and none are found. */
export async function openClient({ endpoint, restEndpoint }: Service): Promise<Client> {
  const bigquery = await openBigQuery({
    ...(endpoint !== undefined && { endpoint }),
    ...(restEndpoint !== undefined && { restEndpoint }),
    appendDeadlineMs: APPEND_DEADLINE_MS,
    traceId: 'millrace-live-test',
    clock,
    timers,
    random,
  })
  return {
    streams: bigquery.writeStreams,
    [Symbol.asyncDispose]: () => bigquery[Symbol.asyncDispose](),
  }
}

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
export const timers: Timers = {
  async sleep(ms, { signal }) {
    try {
      await sleepFor(ms, undefined, { signal })
    } catch {
      throw signal.reason
    }
  },
}
const random: Random = { nextUint32: () => randomInt(2 ** 32), nextId: () => randomUUID() }
