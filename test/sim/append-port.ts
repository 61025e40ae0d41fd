// Append connections over the simulated network: requests arrive in order, answers come back in order, and what lingers out there
// is not the sender's memory.
import {
  type AppendConnection,
  type AppendListener,
  type AppendRequest,
  MillraceError,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type WriterSchema,
} from '@millrace/core'
import type { AppendFate, Machine } from '@millrace/testkit'
import type { Stores } from './stores.ts'

const HELD_MS_MAX = 60_000

export function connectOver(
  stores: Stores,
  machine: Machine,
  onDurableStep: (when: 'before' | 'after') => void,
  stream: StreamName,
  schema: WriterSchema,
  listener: AppendListener,
): AppendConnection {
  const { scheduler, chance, bigQuery } = stores
  const label = `${machine.name} append`
  /** In order, whatever the network does to each: the head is taken by whichever event comes first. */
  const coming: (() => void)[] = []
  const going: { readonly request: AppendRequest; readonly isFirst: boolean }[] = []
  let inFlightBytes = 0
  let isBroken = false
  let isClosed = false
  const closeWhenSent = (): void => {
    if (isClosed && going.length === 0) inner.close()
  }
  const hear = (what: string, tell: () => void): void => {
    coming.push(tell)
    machine.deliver(chance.latencyMs(), `${label} ${what}`, () => {
      const tellIt = coming.shift()
      if (!isClosed) tellIt?.()
    })
  }
  const inner = bigQuery.writeStreams.connect(stream, schema, {
    onAcknowledged: (id, offset) => hear('acknowledged', () => listener.onAcknowledged(id, offset)),
    onRefused: (id, refusal) => hear(`refused ${refusal.kind}`, () => listener.onRefused(id, refusal)),
    onBroken: error => {
      isBroken = true
      hear('broken', () => listener.onBroken(error))
    },
    onSchemaUpdated: () => hear('schema', () => listener.onSchemaUpdated()),
  })
  return {
    send: request => {
      onDurableStep('before')
      if (!machine.isAlive) return
      going.push({ request: copyOf(request), isFirst: isFirstCopy(stores, stream, request.firstRow) })
      inFlightBytes += request.rows.end - request.rows.start
      scheduler.at(chance.latencyMs(), `${label} arrives`, () => {
        const arrived = going.shift()
        if (arrived === undefined || isBroken) return
        const fate = fateBy(stores, arrived.request.firstRow, arrived.isFirst)
        scheduler.note(fate.kind)
        bigQuery.appendFate = () => fate
        inner.send(arrived.request)
        closeWhenSent()
        onDurableStep('after')
      })
    },
    get inFlightBytes() {
      return inFlightBytes
    },
    close: () => {
      isClosed = true
      closeWhenSent()
    },
  }
}

function copyOf({ id, firstRow, rows }: AppendRequest): AppendRequest {
  const bytes = Buffer.from(rows.bytes.subarray(rows.start, rows.end))
  return { id, firstRow, rows: { bytes, start: 0, end: bytes.length, rowCount: rows.rowCount } }
}

function fateBy(stores: Stores, firstRow: StreamOffset, isFirst: boolean): AppendFate {
  const { chance, scheduler } = stores
  if (stores.isBigQueryDown) return { kind: 'loseRequest' }
  if (chance.strikes('appendLost')) return { kind: 'loseRequest' }
  if (chance.strikes('appendReplyLost')) return { kind: 'loseReply' }
  if (chance.strikes('appendHeld')) {
    const { promise, resolve } = Promise.withResolvers<void>()
    scheduler.at(chance.for('appendHeld').below(HELD_MS_MAX), 'held append goes on', resolve)
    return { kind: 'hold', until: promise }
  }
  if (chance.strikes('appendSilent')) return { kind: 'silence', applies: chance.for('appendSilent').chance(0.5) }
  if (chance.strikes('appendRefused')) {
    const code = chance.for('appendRefused').pick(['BIGQUERY_QUOTA', 'BIGQUERY_UNREACHABLE'] as const)
    return { kind: 'refuse', error: { kind: 'other', error: new MillraceError(code, 'retry', 'Not now.') } }
  }
  if (chance.strikes('wrongAnswer', 0.3)) {
    const refusal = { kind: 'alreadyExists', message: 'The offset is within stream' } as const
    // Of a later copy nobody could tell that it is a lie.
    return chance.for('wrongAnswer').chance(0.5) || !isFirst
      ? { kind: 'acknowledgeAt', offset: streamOffset(firstRow + 1n), isLie: true }
      : { kind: 'refuse', error: refusal }
  }
  return { kind: 'apply' }
}

function isFirstCopy({ attempted }: Stores, stream: StreamName, firstRow: StreamOffset): boolean {
  const place = `${stream}@${firstRow}`
  const isFirst = !attempted.has(place)
  attempted.add(place)
  return isFirst
}
