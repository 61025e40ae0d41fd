// DATE, TIME, DATETIME and TIMESTAMP on the wire, of text in its usual spelling and of whole numbers since the epoch.
import { daysFromCivil, MAX_DATE_DAYS, MIN_DATE_DAYS } from '../../values/civil-time.ts'
import { civil, readDate, readDateAndTime, readTime, readZone } from './civil-tokens.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { readSafeInteger } from './integers.ts'
import { putInteger, putVarint64 } from './wire.ts'

/** Milliseconds whose microseconds are still safe integers and whose year is surely within 0001–9999. */
const MAX_PLAIN_MILLIS = 9_000_000_000_000

export function putDate(src: Buffer, start: number, dst: Buffer, op: number): number {
  if (src[start] !== 0x22 || !readDate(src, start + 1) || src[start + 11] !== 0x22) return UNUSUAL
  cursor.at = start + 12
  return putInteger(dst, op, daysFromCivil(civil.year, civil.month, civil.day)!)
}

export function putTime(src: Buffer, start: number, dst: Buffer, op: number): number {
  if (src[start] !== 0x22) return UNUSUAL
  const p = readTime(src, start + 1)
  if (p < 0 || src[p] !== 0x22) return UNUSUAL
  cursor.at = p + 1
  return putVarint64(dst, op, civil.hour, packedBelowHour())
}

export function putDatetime(src: Buffer, start: number, dst: Buffer, op: number): number {
  if (src[start] !== 0x22) return UNUSUAL
  const p = readDateAndTime(src, start + 1)
  if (p < 0 || src[p] !== 0x22) return UNUSUAL
  cursor.at = p + 1
  const high = (civil.year << 14) | (civil.month << 10) | (civil.day << 5) | civil.hour
  return putVarint64(dst, op, high, packedBelowHour())
}

/** Minute, second and microsecond: the lower 32 bits of a packed time. */
const packedBelowHour = (): number => (civil.minute << 26) | (civil.second << 20) | civil.micros

/** Text without a zone is UTC. */
export function putTimestamp(src: Buffer, start: number, dst: Buffer, op: number): number {
  if (src[start] !== 0x22) return UNUSUAL
  const p = readDateAndTime(src, start + 1)
  if (p < 0) return UNUSUAL
  const offsetMinutes = readZone(src, p)
  if (Number.isNaN(offsetMinutes)) return UNUSUAL
  const days = daysFromCivil(civil.year, civil.month, civil.day)!
  const seconds = ((days * 24 + civil.hour) * 60 + civil.minute - offsetMinutes) * 60 + civil.second
  const micros = seconds * 1_000_000 + civil.micros
  return Number.isSafeInteger(micros) ? putInteger(dst, op, micros) : UNUSUAL
}

/** TIMESTAMP of microseconds since the epoch. */
export function putEpochMicros(src: Buffer, start: number, dst: Buffer, op: number): number {
  const micros = readSafeInteger(src, start)
  return Math.abs(micros) <= MAX_PLAIN_MILLIS * 1_000 ? putInteger(dst, op, micros) : UNUSUAL
}

/** TIMESTAMP of milliseconds since the epoch. */
export function putEpochMillis(src: Buffer, start: number, dst: Buffer, op: number): number {
  const millis = readSafeInteger(src, start)
  return Math.abs(millis) <= MAX_PLAIN_MILLIS ? putInteger(dst, op, millis * 1_000) : UNUSUAL
}

/** DATE of days since the epoch. */
export function putEpochDays(src: Buffer, start: number, dst: Buffer, op: number): number {
  const days = readSafeInteger(src, start)
  return days >= MIN_DATE_DAYS && days <= MAX_DATE_DAYS ? putInteger(dst, op, days) : UNUSUAL
}
