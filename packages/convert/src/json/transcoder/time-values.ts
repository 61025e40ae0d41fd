// DATE, TIME, DATETIME and TIMESTAMP on the wire, of text in its usual spelling and of whole numbers since the epoch.
import { MAX_DATE_DAYS, MIN_DATE_DAYS } from '../../values/civil-time.ts'
import { civil, readDate, readDateAndTime, readTime, readZone, UNKNOWN_ZONE } from './civil-tokens.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { readSafeInteger } from './integers.ts'
import { putInteger, putLarge, putVarint64 } from './wire.ts'

const here = cursor
const read = civil

/** Milliseconds whose microseconds are still safe integers and whose year is surely within 0001–9999. */
const MAX_PLAIN_MILLIS = 9_000_000_000_000

export function putDate(start: number, op: number): number {
  const { src } = here
  if (src[start] !== 0x22 || !readDate(start + 1) || src[start + 11] !== 0x22) return UNUSUAL
  here.at = start + 12
  return putInteger(op, read.days)
}

export function putTime(start: number, op: number): number {
  const { src } = here
  if (src[start] !== 0x22) return UNUSUAL
  const p = readTime(start + 1)
  if (p < 0 || src[p] !== 0x22) return UNUSUAL
  here.at = p + 1
  return putLarge(op, packedBelowHour() & 0xfff_ffff, (read.hour << 4) | (read.minute >> 2))
}

export function putDatetime(start: number, op: number): number {
  const { src } = here
  if (src[start] !== 0x22) return UNUSUAL
  const p = readDateAndTime(start + 1)
  if (p < 0 || src[p] !== 0x22) return UNUSUAL
  here.at = p + 1
  return putVarint64(op, (read.yearMonth << 10) | (read.day << 5) | read.hour, packedBelowHour())
}

/** Minute, second and microsecond: the lower 32 bits of a packed time. */
const packedBelowHour = (): number => (read.minute << 26) | (read.second << 20) | read.micros

/** Text without a zone is UTC. */
export function putTimestamp(start: number, op: number): number {
  const { src } = here
  if (src[start] !== 0x22) return UNUSUAL
  const p = readDateAndTime(start + 1)
  if (p < 0) return UNUSUAL
  const offsetMinutes = readZone(p)
  if (offsetMinutes === UNKNOWN_ZONE) return UNUSUAL
  const seconds = read.days * 86_400 + ((read.hour * 60 + read.minute - offsetMinutes) * 60 + read.second)
  const micros = seconds * 1_000_000 + read.micros
  if (micros > Number.MAX_SAFE_INTEGER || micros < Number.MIN_SAFE_INTEGER) return UNUSUAL
  if (micros < 0) return putInteger(op, micros)
  const rest = Math.floor(micros / 0x1000_0000) | 0
  return putLarge(op, (micros - rest * 0x1000_0000) | 0, rest)
}

/** TIMESTAMP of microseconds since the epoch. */
export function putEpochMicros(start: number, op: number): number {
  const micros = readSafeInteger(start)
  return Math.abs(micros) <= MAX_PLAIN_MILLIS * 1_000 ? putInteger(op, micros) : UNUSUAL
}

/** TIMESTAMP of milliseconds since the epoch. */
export function putEpochMillis(start: number, op: number): number {
  const millis = readSafeInteger(start)
  return Math.abs(millis) <= MAX_PLAIN_MILLIS ? putInteger(op, millis * 1_000) : UNUSUAL
}

/** DATE of days since the epoch. */
export function putEpochDays(start: number, op: number): number {
  const days = readSafeInteger(start)
  return days >= MIN_DATE_DAYS && days <= MAX_DATE_DAYS ? putInteger(op, days) : UNUSUAL
}
