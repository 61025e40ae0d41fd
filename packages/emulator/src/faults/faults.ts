// Failures on demand: which call is hit and what happens to it. Pure but for the counters; probability draws are seeded.
import type { GrpcCodeName } from '../wire/storage-error.ts'

export const FAULT_EFFECTS = [
  /** The RPC fails with `code`; nothing was applied. */
  'close',
  /** Applied and stored, then the RPC fails with `code` instead of the reply: the lost acknowledgement. */
  'closeAfterApply',
  /** AppendRows: an error response, nothing applied, the RPC goes on. Unary: as `close`. */
  'inBand',
  /** Applied; the reply comes `delayMs` later. */
  'delayReply',
  /** Applied `delayMs` later, even if the caller is gone by then; what follows on the connection waits behind. */
  'delayApply',
  /** Not applied, never answered; nor is anything that follows on the connection. */
  'blackhole',
  /** Applied and never answered. */
  'blackholeAfterApply',
] as const
export type FaultEffect = (typeof FAULT_EFFECTS)[number]

export const FAULT_METHODS = ['AppendRows', 'CreateWriteStream', 'GetWriteStream', 'FinalizeWriteStream'] as const
export type FaultMethod = (typeof FAULT_METHODS)[number]

export type FaultSpec = {
  readonly method: FaultMethod
  readonly effect: FaultEffect
  /** Substring of the stream's (or, for CreateWriteStream, the table's) full name. Absent = any. */
  readonly stream?: string
  /** Only the append at this offset. */
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
  readonly message: string
  readonly delayMs: number
}

export type FaultView = FaultSpec & { readonly id: number; readonly seen: number; readonly fired: number }

/** Faults set at one time. */
const FAULTS_MAX = 1000

type Armed = { readonly id: number; readonly spec: FaultSpec; seen: number; fired: number; random: () => number }

export class Faults {
  private armed: Armed[] = []
  private nextId = 1

  add(spec: FaultSpec): number {
    if (this.armed.length >= FAULTS_MAX) throw new RangeError(`At most ${FAULTS_MAX} faults can be set`)
    const id = this.nextId++
    this.armed.push({ id, spec, seen: 0, fired: 0, random: seededRandom(spec.seed) })
    return id
  }

  clear(): void {
    this.armed = []
  }

  list(): readonly FaultView[] {
    return this.armed.map(({ id, spec, seen, fired }) => ({ ...spec, id, seen, fired }))
  }

  /** The fault that hits this call, if any; the first set wins. */
  strike(method: FaultMethod, stream: string, offset?: bigint): FaultSpec | undefined {
    let struck: Armed | undefined
    for (const fault of this.armed) {
      const { spec } = fault
      if (spec.method !== method || (spec.stream !== undefined && !stream.includes(spec.stream))) continue
      if (spec.offset !== undefined && spec.offset !== offset) continue
      fault.seen++
      const times = spec.times ?? (spec.nth !== undefined || spec.offset !== undefined ? 1 : Number.POSITIVE_INFINITY)
      if (struck || fault.fired >= times) continue
      if (spec.nth !== undefined && fault.seen !== spec.nth) continue
      if (spec.every !== undefined && fault.seen % spec.every !== 0) continue
      if (spec.probability !== undefined && fault.random() >= spec.probability) continue
      struck = fault
    }
    if (struck) struck.fired++
    return struck?.spec
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
