// Failures on demand: which call is hit and what happens to it. Pure but for the counters; probability draws are seeded.
import type { GrpcCodeName, Refusal, StorageErrorCode } from '../wire/storage-error.ts'
import { tablePattern } from './table-pattern.ts'

export const FAULT_EFFECTS = [
  /** The RPC fails with `code`; nothing was applied. */
  'close',
  /** Applied and stored, then the RPC fails with `code` instead of the reply: the lost acknowledgement. */
  'closeAfterApply',
  /** AppendRows: an error response, nothing applied, the RPC goes on. Unary: as `close`. */
  'inBand',
  /** AppendRows: applied and stored, and an error response. Unary: as `closeAfterApply`. */
  'inBandAfterApply',
  /** Applied; the reply comes `delayMs` later. */
  'delayReply',
  /** Applied `delayMs` later, even if the caller is gone by then; what follows on the connection waits behind. */
  'delayApply',
  /** Not applied, never answered; nor is anything that follows on the connection. */
  'blackhole',
  /** Applied and never answered. */
  'blackholeAfterApply',
  /** AppendRows: the call fails with `code` as it is opened; its stream is the one its routing header names. */
  'refuseOpen',
] as const
type FaultEffect = (typeof FAULT_EFFECTS)[number]

export const FAULT_METHODS = [
  'AppendRows',
  'CreateWriteStream',
  'GetWriteStream',
  'FinalizeWriteStream',
  'FlushRows',
  'BatchCommitWriteStreams',
] as const
export type FaultMethod = (typeof FAULT_METHODS)[number]

export type FaultSpec = {
  readonly method: FaultMethod | '*'
  readonly effect: FaultEffect
  /** Substring of the stream's (or, for CreateWriteStream and BatchCommitWriteStreams, the table's) full name. Absent = any. */
  readonly stream?: string
  /** `table`, `dataset.table`, `project.dataset.table` or a resource name. Absent = any. */
  readonly table?: string
  /** Only the append or flush at this offset. */
  readonly offset?: bigint
  /** Only the nth call that matches so far, counted from 1. */
  readonly nth?: number
  /** Every nth call. */
  readonly every?: number
  /** Chance of each call, 0…1. */
  readonly probability?: number
  readonly seed: number
  /** How often it may fire; absent = 1 with `nth` or `offset`, else no limit. */
  readonly times?: number
  readonly code: GrpcCodeName
  /** The StorageError that goes with the error; its entity is the stream. */
  readonly storageCode?: StorageErrorCode
  /** `{stream}` and `{table}` in it stand for the names of what was hit. */
  readonly message: string
  /** How much later: the reply, the apply, or with `close` and `inBand` the error. */
  readonly delayMs: number
}

type FaultView = FaultSpec & { readonly id: number; readonly seen: number; readonly fired: number }

/** A fault that hit a call. */
export type Struck = { readonly effect: FaultEffect; readonly delayMs: number; readonly refusal: Refusal }

/** Faults set at one time. */
const FAULTS_MAX = 1000

type Armed = {
  readonly id: number
  readonly spec: FaultSpec
  readonly table: RegExp | undefined
  seen: number
  fired: number
  readonly random: () => number
}

export class Faults {
  private armed: Armed[] = []
  private nextId = 1

  add(spec: FaultSpec): number {
    if (this.armed.length >= FAULTS_MAX) throw new RangeError(`At most ${FAULTS_MAX} faults can be set`)
    const id = this.nextId++
    const table = spec.table === undefined ? undefined : tablePattern(spec.table)
    this.armed.push({ id, spec, table, seen: 0, fired: 0, random: seededRandom(spec.seed) })
    return id
  }

  clear(): void {
    this.armed = []
  }

  /** False when there is no such fault (any more). */
  remove(id: number): boolean {
    const before = this.armed.length
    this.armed = this.armed.filter(fault => fault.id !== id)
    return this.armed.length < before
  }

  list(): readonly FaultView[] {
    return this.armed.map(({ id, spec, seen, fired }) => ({ ...spec, id, seen, fired }))
  }

  /** The fault that hits this request, if any; the first set wins. `name` is that of a stream or table. */
  strike(method: FaultMethod, name: string, offset?: bigint): Struck | undefined {
    return this.armed.length === 0 ? undefined : this.draw(false, method, name, offset)
  }

  /** The fault that hits an AppendRows call as it is opened, if any. */
  strikeOpen(name: string): Struck | undefined {
    return this.armed.length === 0 ? undefined : this.draw(true, 'AppendRows', name, undefined)
  }

  private draw(isOpening: boolean, method: FaultMethod, name: string, offset: bigint | undefined): Struck | undefined {
    let struck: Armed | undefined
    for (const fault of this.armed) {
      const { spec, table } = fault
      if ((spec.effect === 'refuseOpen') !== isOpening) continue
      if (spec.method !== '*' && spec.method !== method) continue
      if (spec.stream !== undefined && !name.includes(spec.stream)) continue
      if (table && !table.test(name)) continue
      if (spec.offset !== undefined && spec.offset !== offset) continue
      fault.seen++
      const times = spec.times ?? (spec.nth !== undefined || spec.offset !== undefined ? 1 : Number.POSITIVE_INFINITY)
      if (struck || fault.fired >= times) continue
      if (spec.nth !== undefined && fault.seen !== spec.nth) continue
      if (spec.every !== undefined && fault.seen % spec.every !== 0) continue
      if (spec.probability !== undefined && fault.random() >= spec.probability) continue
      struck = fault
    }
    if (!struck) return undefined
    struck.fired++
    const { effect, delayMs } = struck.spec
    return { effect, delayMs, refusal: refusalFor(struck.spec, name) }
  }
}

function refusalFor({ code, message, storageCode }: FaultSpec, name: string): Refusal {
  const table = name.replace(/\/(streams\/[^/]*|_default)$/, '')
  return {
    code,
    message: message.replaceAll('{stream}', () => name).replaceAll('{table}', () => table),
    ...(storageCode && { storage: { code: storageCode, entity: name } }),
  }
}

/** A small seeded generator (mulberry32): the same seed gives the same faults. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
