// What every test of the adapter needs: real time, rows in a frozen buffer, and a listener that remembers.
import { randomInt } from 'node:crypto'
import { setTimeout as sleepFor } from 'node:timers/promises'
import {
  APPEND_HEADROOM_BYTES,
  type AppendListener,
  type AppendRefusal,
  type AppendRequest,
  type Clock,
  type FrozenRows,
  type MillraceError,
  PROTO_TYPE,
  type Random,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type TableName,
  type Timers,
  tableName,
  type WriterSchema,
} from '@millrace/core'

export const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() }
export const timers: Timers = {
  async sleep(ms, { signal }) {
    try {
      await sleepFor(ms, undefined, { signal })
    } catch {
      throw signal.reason
    }
  },
}
export const random: Random = { nextUint32: () => randomInt(2 ** 32), nextId: () => 'id' }
export const time: { clock: Clock; timers: Timers; random: Random } = { clock, timers, random }
/** Real time would make backoffs take theirs. */
export const impatientTimers: Timers = {
  sleep: (ms, options) => timers.sleep(Math.min(ms, ms >= 20_000 ? ms : 1), options),
}

export const table: TableName = tableName('p', 'd', 't')
export const stream: StreamName = `${table}/streams/s1` as StreamName
export const schema: WriterSchema = {
  fields: [
    { name: 'id', number: 1, type: PROTO_TYPE.INT64, label: 'optional' },
    { name: 'name', number: 2, type: PROTO_TYPE.STRING, label: 'optional' },
  ],
}

/** `count` rows of `{id, name}`, with `id` counting from `firstId`. */
export function freezeRows(
  count: number,
  firstId = 0,
  nameBytes = 8,
  headroom: number = APPEND_HEADROOM_BYTES,
): FrozenRows {
  const name = Buffer.alloc(nameBytes, 'x')
  const parts: Buffer[] = []
  for (let i = 0; i < count; i++) {
    const row = Buffer.concat([Buffer.from([0x08]), varint(firstId + i), Buffer.from([0x12]), varint(nameBytes), name])
    parts.push(Buffer.concat([Buffer.from([0x0a]), varint(row.length), row]))
  }
  const bytes = Buffer.concat([Buffer.alloc(headroom), ...parts])
  return { bytes, start: headroom, end: bytes.length, rowCount: count }
}

export const request = (id: number, firstRow: number, rows: FrozenRows = freezeRows(1)): AppendRequest => ({
  id,
  firstRow: streamOffset(firstRow),
  rows,
})

function varint(value: number): Buffer {
  const out: number[] = []
  let rest = value
  while (rest > 127) {
    out.push((rest & 127) | 128)
    rest = Math.floor(rest / 128)
  }
  out.push(rest)
  return Buffer.from(out)
}

export type Heard =
  | { readonly kind: 'acknowledged'; readonly id: number; readonly offset: StreamOffset }
  | { readonly kind: 'refused'; readonly id: number; readonly error: AppendRefusal }
  | { readonly kind: 'broken'; readonly error: MillraceError }
  | { readonly kind: 'schemaUpdated' }

export class RecordingListener implements AppendListener {
  readonly heard: Heard[] = []
  #waiting: (() => void)[] = []

  onAcknowledged(id: number, offset: StreamOffset): void {
    this.#hear({ kind: 'acknowledged', id, offset })
  }
  onRefused(id: number, error: AppendRefusal): void {
    this.#hear({ kind: 'refused', id, error })
  }
  onBroken(error: MillraceError): void {
    this.#hear({ kind: 'broken', error })
  }
  onSchemaUpdated(): void {
    this.#hear({ kind: 'schemaUpdated' })
  }

  /** Resolves with everything heard once there are `count` of them; rejects after five seconds. */
  async hears(count: number, withinMs = 5_000): Promise<readonly Heard[]> {
    const deadline = AbortSignal.timeout(withinMs)
    while (this.heard.length < count) {
      if (deadline.aborted)
        throw new Error(`Heard ${this.heard.length} of ${count}: ${JSON.stringify(this.heard, bigints)}`)
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      deadline.addEventListener('abort', () => resolve(), { once: true })
      await promise
    }
    return this.heard
  }

  #hear(event: Heard): void {
    this.heard.push(event)
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

const bigints = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)
export const signal: AbortSignal = new AbortController().signal
