// Faults as JSON: the body of POST /emulator/faults and the contents of --faults FILE. One object, or a list of them.
import { status } from '@grpc/grpc-js'
import type { GrpcCodeName } from '../wire/storage-error.ts'
import { FAULT_EFFECTS, FAULT_METHODS, type FaultEffect, type FaultMethod, type FaultSpec } from './faults.ts'

/** What is wrong with a fault's JSON. */
export class InvalidFault extends Error {}

const KEYS = [
  'method',
  'effect',
  'stream',
  'offset',
  'nth',
  'every',
  'probability',
  'seed',
  'times',
  'code',
  'message',
  'delayMs',
]

/** Throws InvalidFault. */
export function faultsFromJson(value: unknown): FaultSpec[] {
  return (Array.isArray(value) ? value : [value]).map(faultFromJson)
}

function faultFromJson(value: unknown): FaultSpec {
  if (typeof value !== 'object' || value === null) throw new InvalidFault('A fault is a JSON object')
  const fault = value as Record<string, unknown>
  for (const key of Object.keys(fault))
    if (!KEYS.includes(key)) throw new InvalidFault(`Unknown key ${key}; known: ${KEYS.join(', ')}`)
  const method = oneOf<FaultMethod>(fault.method ?? 'AppendRows', 'method', FAULT_METHODS)
  const effect = oneOf<FaultEffect>(fault.effect ?? 'close', 'effect', FAULT_EFFECTS)
  const codes = Object.keys(status).filter(name => Number.isNaN(Number(name)) && name !== 'OK') as GrpcCodeName[]
  const code = oneOf<GrpcCodeName>(fault.code ?? 'UNAVAILABLE', 'code', codes)
  const number = (key: string): number | undefined => {
    const stated = fault[key]
    if (stated === undefined) return undefined
    if (typeof stated !== 'number' || !Number.isFinite(stated) || stated < 0)
      throw new InvalidFault(`${key} must be a number of 0 or more`)
    return stated
  }
  const stream = fault.stream
  if (stream !== undefined && typeof stream !== 'string') throw new InvalidFault('stream must be text')
  const offset = fault.offset
  if (offset !== undefined && !/^\d{1,18}$/.test(String(offset)))
    throw new InvalidFault('offset must be a whole number')
  const [nth, every, probability, times] = [number('nth'), number('every'), number('probability'), number('times')]
  return {
    method,
    effect,
    code,
    message: typeof fault.message === 'string' ? fault.message : `Injected ${code}`,
    seed: number('seed') ?? 1,
    delayMs: number('delayMs') ?? 1000,
    ...(stream !== undefined && { stream }),
    ...(offset !== undefined && { offset: BigInt(String(offset)) }),
    ...(nth !== undefined && { nth }),
    ...(every !== undefined && { every }),
    ...(probability !== undefined && { probability }),
    ...(times !== undefined && { times }),
  }
}

function oneOf<T extends string>(value: unknown, key: string, allowed: readonly T[]): T {
  if (!(allowed as readonly unknown[]).includes(value))
    throw new InvalidFault(`${key} must be one of ${allowed.join(', ')}`)
  return value as T
}
