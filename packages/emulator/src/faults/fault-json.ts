// Faults as JSON: the body of POST /emulator/faults and the `faults` of a settings file. One object, or a list of them.
import { status } from '@grpc/grpc-js'
import { InvalidSetting } from '../knobs.ts'
import { denied, type GrpcCodeName, STORAGE_ERROR_CODES } from '../wire/storage-error.ts'
import { FAULT_PRESETS } from './fault-presets.ts'
import { FAULT_EFFECTS, FAULT_METHODS, type FaultSpec } from './faults.ts'

/** What is wrong with a fault's JSON. */
export class InvalidFault extends InvalidSetting {}

const KEYS = [
  'preset',
  'method',
  'effect',
  'stream',
  'table',
  'offset',
  'nth',
  'every',
  'probability',
  'seed',
  'times',
  'code',
  'storageCode',
  'message',
  'delayMs',
]
const METHODS = [...FAULT_METHODS, '*'] as const
const CODES = Object.keys(status).filter(name => Number.isNaN(Number(name)) && name !== 'OK') as GrpcCodeName[]

/** A delay that says nothing of how long. */
const DELAY_MS = 1000

/** Throws InvalidFault. */
export function faultsFromJson(value: unknown): FaultSpec[] {
  return (Array.isArray(value) ? value : [value]).map(faultFromJson)
}

function faultFromJson(value: unknown): FaultSpec {
  if (typeof value !== 'object' || value === null) throw new InvalidFault('A fault is a JSON object')
  for (const key of Object.keys(value))
    if (!KEYS.includes(key)) throw new InvalidFault(`Unknown key ${key}; known: ${KEYS.join(', ')}`)
  const { preset, ...stated } = value as Record<string, unknown>
  const fault = preset === undefined ? stated : { ...presetNamed(preset), ...stated }
  const method = oneOf(fault.method ?? 'AppendRows', 'method', METHODS)
  const effect = oneOf(fault.effect ?? 'close', 'effect', FAULT_EFFECTS)
  if (effect === 'refuseOpen' && method !== 'AppendRows') throw new InvalidFault('refuseOpen is for AppendRows only')
  const code = oneOf(fault.code ?? 'UNAVAILABLE', 'code', CODES)
  const storageCode =
    fault.storageCode === undefined ? undefined : oneOf(fault.storageCode, 'storageCode', STORAGE_ERROR_CODES)
  const stream = textOf(fault, 'stream')
  const table = textOf(fault, 'table')
  const offset = offsetOf(fault)
  const nth = numberOf(fault, 'nth')
  const every = numberOf(fault, 'every')
  const probability = numberOf(fault, 'probability')
  const times = numberOf(fault, 'times')
  return {
    method,
    effect,
    code,
    message: textOf(fault, 'message') ?? messageFor(code),
    seed: numberOf(fault, 'seed') ?? 1,
    delayMs: numberOf(fault, 'delayMs') ?? (effect === 'delayReply' || effect === 'delayApply' ? DELAY_MS : 0),
    ...(storageCode !== undefined && { storageCode }),
    ...(stream !== undefined && { stream }),
    ...(table !== undefined && { table }),
    ...(offset !== undefined && { offset }),
    ...(nth !== undefined && { nth }),
    ...(every !== undefined && { every }),
    ...(probability !== undefined && { probability }),
    ...(times !== undefined && { times }),
  }
}

/** A denial sounds as the service's, which does not tell a missing table from a forbidden one. */
const messageFor = (code: GrpcCodeName): string =>
  code === 'PERMISSION_DENIED' ? denied('{table}').message : `Injected ${code}`

function presetNamed(preset: unknown): Readonly<Record<string, unknown>> {
  return FAULT_PRESETS[oneOf(preset, 'preset', Object.keys(FAULT_PRESETS))]!
}

function numberOf(fault: Readonly<Record<string, unknown>>, key: string): number | undefined {
  const stated = fault[key]
  if (stated === undefined) return undefined
  if (typeof stated !== 'number' || !Number.isFinite(stated) || stated < 0)
    throw new InvalidFault(`${key} must be a number of 0 or more`)
  return stated
}

function textOf(fault: Readonly<Record<string, unknown>>, key: string): string | undefined {
  const stated = fault[key]
  if (stated !== undefined && typeof stated !== 'string') throw new InvalidFault(`${key} must be text`)
  return stated
}

function offsetOf({ offset }: Readonly<Record<string, unknown>>): bigint | undefined {
  if (offset === undefined) return undefined
  if (!/^\d{1,18}$/.test(String(offset))) throw new InvalidFault('offset must be a whole number')
  return BigInt(String(offset))
}

function oneOf<T extends string>(value: unknown, key: string, allowed: readonly T[]): T {
  if (!(allowed as readonly unknown[]).includes(value))
    throw new InvalidFault(`${key} must be one of ${allowed.join(', ')}`)
  return value as T
}
