// DATE, TIME, DATETIME and TIMESTAMP on the wire, of text in its usual spelling and of whole numbers since the epoch.
import { MAX_DATE_DAYS, MIN_DATE_DAYS } from '../../values/civil-time.ts'
import { civil, readDate, readDateAndTime, readTime, readZone, UNKNOWN_ZONE } from './civil-tokens.ts'
import { cursor, UNUSUAL } from './cursor.ts'
import { readSafeInteger } from './integers.ts'
import { putInteger, putLarge, putVarint64 } from './wire.ts'
import { nonDigitsOf } from './words.ts'

const here = cursor
const read = civil
const nonDigits = nonDigitsOf

/** Milliseconds whose microseconds are still safe integers and whose year is surely within 0001–9999. */
const MAX_PLAIN_MILLIS = 9_000_000_000_000

/** Days whose microseconds are safe integers: till 2243. */
const MAX_PLAIN_DAYS = 100_000

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

/** The day of the last timestamp, by its very bytes `YYYY-MM-DDTH`, and with these hours gone: the next one is often of the same. */
const today = { year: 0, month: 0, day: 0, lastHour: 9, micros: Number.NaN }

/** Text without a zone is UTC. */
export function putTimestamp(start: number, op: number): number {
  const { from } = here
  // Bytes beside the digits become 0 by exclusive or.
  const minutes = from.getInt32(start + 13, true) ^ 0x3030_3a30
  const seconds = from.getInt32(start + 17, true) ^ 0x2e30_303a
  const millis = from.getInt32(start + 21, true) ^ 0x5a30_3030
  const isUsual =
    from.getInt32(start + 1, true) === today.year &&
    from.getInt32(start + 5, true) === today.month &&
    from.getInt32(start + 9, true) === today.day &&
    (nonDigits(minutes) | nonDigits(seconds) | nonDigits(millis)) === 0 &&
    ((minutes & 0xff00) | (seconds & 0xff00_00ff) | (millis & 0xff00_0000)) === 0 &&
    from.getUint8(start) === 0x22 &&
    from.getUint8(start + 25) === 0x22
  if (!isUsual) return putAnyTimestamp(start, op)
  const hour = minutes & 0xff
  const minute = ((minutes >>> 16) & 0xff) * 10 + (minutes >>> 24)
  const second = ((seconds >>> 8) & 0xff) * 10 + ((seconds >>> 16) & 0xff)
  const milli = (millis & 0xff) * 100 + ((millis >>> 8) & 0xff) * 10 + ((millis >>> 16) & 0xff)
  if (hour > today.lastHour || minute > 59 || second > 59) return UNUSUAL
  here.at = start + 26
  const micros = today.micros + ((hour * 60 + minute) * 60 + second) * 1_000_000 + milli * 1_000
  const rest = Math.floor(micros / 0x1000_0000) | 0
  return putLarge(op, (micros - rest * 0x1000_0000) | 0, rest)
}

function putAnyTimestamp(start: number, op: number): number {
  const { src } = here
  if (src[start] !== 0x22) return UNUSUAL
  const p = readDateAndTime(start + 1)
  if (p < 0) return UNUSUAL
  const offsetMinutes = readZone(p)
  if (offsetMinutes === UNKNOWN_ZONE) return UNUSUAL
  if (read.days >= 0 && read.days < MAX_PLAIN_DAYS) rememberDay(start + 1)
  const seconds = read.days * 86_400 + ((read.hour * 60 + read.minute - offsetMinutes) * 60 + read.second)
  const micros = seconds * 1_000_000 + read.micros
  if (micros > Number.MAX_SAFE_INTEGER || micros < Number.MIN_SAFE_INTEGER) return UNUSUAL
  return putInteger(op, micros)
}

/** From the words of the date just read, the last of which holds the ten hours. */
function rememberDay(p: number): void {
  const { from } = here
  const tens = Math.floor(read.hour / 10)
  today.year = from.getInt32(p, true)
  today.month = from.getInt32(p + 4, true)
  today.day = from.getInt32(p + 8, true)
  today.lastHour = tens === 2 ? 3 : 9
  today.micros = (read.days * 24 + tens * 10) * 3_600_000_000
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
