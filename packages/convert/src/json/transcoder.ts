// The hot path: JSON bytes to proto bytes in one pass, without an object per record. It reads what is usual at once, hands a
// single unusual value to the general path, and answers BAIL for any record it is not certain about; it never refuses and never
// accepts what the general path refuses (test/transcoder.test.ts holds the two together).
//
// Reading past `end` is harmless: the bytes behind a record belong to the same buffer, and a record that needs them to be
// complete ends beyond `end`, which is checked once, at its end.
import { ProtoWriter } from '../proto-writer.ts'
import { Refusal } from '../refusal.ts'
import { ROW_TAG, type RowBuffer, varintWidth, writeVarint32 } from '../row-buffer.ts'
import { daysFromCivil, daysInMonth, MAX_DATE_DAYS, MIN_DATE_DAYS } from '../values/civil-time.ts'
import { encodeField } from './general-encoder.ts'
import { JsonTreeParser, MAX_JSON_DEPTH } from './json-tree.ts'
import { ACTION, KIND, type Slot, type TranscoderPlan } from './transcoder-plan.ts'

/** The general path must look at this record. */
export const BAIL = -1
/** The row does not fit the buffer: make room and begin the record again. */
const FULL = -2

/** Room kept free beyond `limit`: the most a value of fixed size takes (tag 3 + length 1 + NUMERIC 17), rounded up. */
const SLACK = 64

export class Transcoder {
  readonly #root: TranscoderPlan
  readonly #slow = new ProtoWriter()
  #rowLengthWidth = 1
  /** Where the value just read ends in the record. */
  #at = 0
  // Of the date and time just read.
  #year = 0
  #month = 0
  #day = 0
  #hour = 0
  #minute = 0
  #second = 0
  #micros = 0

  constructor(plan: TranscoderPlan) {
    this.#root = plan
  }

  /**
   * Appends the row of the object that begins at `open` and answers its length, or BAIL with `out` as it was.
   * @param closings how many `}` of enclosing objects must follow; then only space until `end`.
   */
  encodeRow(bytes: Buffer, open: number, end: number, out: RowBuffer, closings: number): number {
    if (open >= end || bytes[open] !== 0x7b) return BAIL
    out.reserve(2 * (end - open) + 4 * SLACK)
    for (;;) {
      const dst = out.bytes
      const rowStart = out.end + 1 + this.#rowLengthWidth
      const rowEnd = this.#object(this.#root, bytes, open + 1, end, dst, rowStart, dst.length - SLACK)
      if (rowEnd === FULL) {
        out.reserve(2 * (dst.length - out.end))
        continue
      }
      if (rowEnd < 0 || !endsAt(bytes, this.#at, end, closings)) return BAIL
      return this.#commitRow(out, dst, rowStart, rowEnd)
    }
  }

  #commitRow(out: RowBuffer, dst: Buffer, rowStart: number, rowEnd: number): number {
    const length = rowEnd - rowStart
    const width = varintWidth(length)
    const shift = width - this.#rowLengthWidth
    if (shift !== 0) {
      dst.copyWithin(rowStart + shift, rowStart, rowEnd)
      this.#rowLengthWidth = width
    }
    dst[out.end] = ROW_TAG
    writeVarint32(dst, out.end + 1, length)
    out.commitRow(rowEnd + shift)
    return length
  }

  /** Members of an object, from behind its `{`. Answers the position in `dst` after the message. */
  #object(
    plan: TranscoderPlan,
    src: Buffer,
    start: number,
    end: number,
    dst: Buffer,
    out: number,
    limit: number,
  ): number {
    const stamp = plan.nextStamp()
    const seen = plan.seen
    let previous = plan.head
    let mandatory = 0
    let op = out
    let p = start
    if (src[p] !== 0x22) {
      p = skipSpace(src, p)
      if (src[p] === 0x7d) {
        this.#at = p + 1
        return this.#finish(plan, 0, dst, op, limit)
      }
    }
    for (;;) {
      if (op > limit) return FULL
      if (src[p] !== 0x22) {
        p = skipSpace(src, p)
        if (src[p] !== 0x22) return BAIL
      }
      p++
      let entry = previous.next
      let matched = 0
      let length = -1
      if (entry !== null) {
        const key = entry.bytes
        length = key.length
        while (matched < length && src[p + matched] === key[matched]) matched++
      }
      if (matched !== length || entry === null) {
        entry = plan.find(src, p, end)
        if (entry === null) return BAIL
        previous.next = entry
        length = entry.bytes.length
      }
      previous = entry
      p += length
      if (src[p] !== 0x3a) {
        p = skipSpace(src, p)
        if (src[p] !== 0x3a) return BAIL
      }
      p++
      let c = src[p]! | 0
      if (c <= 0x20) {
        p = skipSpace(src, p)
        c = src[p]! | 0
      }
      const slot = entry.slot
      if (slot === null) {
        if (entry.action === ACTION.UNKNOWN && c !== 0x6e) return BAIL
        p = this.#skip(src, p, plan.memberDepth)
        if (p < 0) return BAIL
      } else {
        const index = slot.index
        if (seen[index] === stamp) return BAIL
        seen[index] = stamp
        if (c === 0x6e) {
          if (src[p + 1] !== 0x75 || src[p + 2] !== 0x6c || src[p + 3] !== 0x6c) return BAIL
          p += 4
          const bytes = slot.field.defaultBytes
          if (bytes !== null) {
            if (op + bytes.length > limit) return FULL
            dst.set(bytes, op)
            op += bytes.length
          }
        } else {
          mandatory += slot.mandatory
          op = slot.repeated
            ? this.#array(slot, src, p, end, dst, op, limit)
            : this.#value(slot, src, p, end, dst, op, limit)
          if (op < 0) return op
          p = this.#at
        }
      }
      c = src[p]! | 0
      if (c === 0x2c) {
        p++
        continue
      }
      if (c !== 0x7d) {
        p = skipSpace(src, p)
        c = src[p]! | 0
        if (c === 0x2c) {
          p++
          continue
        }
        if (c !== 0x7d) return BAIL
      }
      this.#at = p + 1
      return this.#finish(plan, mandatory, dst, op, limit)
    }
  }

  /** After the last member: mandatory columns are there, defaults for what was absent. */
  #finish(plan: TranscoderPlan, mandatory: number, dst: Buffer, out: number, limit: number): number {
    if (mandatory !== plan.mandatoryCount) return BAIL
    let op = out
    for (const slot of plan.withDefault) {
      if (plan.seen[slot.index] === plan.stamp) continue
      const bytes = slot.field.defaultBytes
      if (bytes === null) continue
      if (op + bytes.length > limit) return FULL
      dst.set(bytes, op)
      op += bytes.length
    }
    return op > limit ? FULL : op
  }

  #array(slot: Slot, src: Buffer, start: number, end: number, dst: Buffer, out: number, limit: number): number {
    if (slot.kind === KIND.SLOW) return this.#slowField(slot, src, start, end, dst, out, limit)
    if (src[start] !== 0x5b) return BAIL
    let op = out
    let p = skipSpace(src, start + 1)
    if (src[p] === 0x5d) {
      this.#at = p + 1
      return op
    }
    for (;;) {
      if (op > limit) return FULL
      if (src[p] === 0x6e) return BAIL
      op = this.#value(slot, src, p, end, dst, op, limit)
      if (op < 0) return op
      p = skipSpace(src, this.#at)
      const c = src[p]
      if (c === 0x5d) break
      if (c !== 0x2c) return BAIL
      p = skipSpace(src, p + 1)
    }
    this.#at = p + 1
    return op
  }

  /** One value that is not null, with its tag. `src[start]` is its first byte. */
  #value(slot: Slot, src: Buffer, start: number, end: number, dst: Buffer, out: number, limit: number): number {
    const c = src[start]! | 0
    const tag = slot.tag
    let op = out
    switch (slot.kind) {
      case KIND.SLOW:
        break
      case KIND.INT64: {
        if (c === 0x22 && !slot.schemaless) break
        op = putTag(dst, op, tag)
        op = this.#integer(src, c === 0x22 ? start + 1 : start, dst, op, slot.min, slot.max)
        if (op < 0 || (c === 0x22 && src[this.#at++] !== 0x22)) break
        return op
      }
      case KIND.STRING: {
        if (c !== 0x22) break
        op = putTag(dst, op, tag)
        return this.#string(src, start + 1, end, dst, op, limit)
      }
      case KIND.FLOAT64: {
        const value = this.#float(src, start)
        if (Number.isNaN(value)) break
        op = putTag(dst, op, tag)
        return putDouble(dst, op, value)
      }
      case KIND.BOOL: {
        if (c === 0x74 && src[start + 1] === 0x72 && src[start + 2] === 0x75 && src[start + 3] === 0x65) {
          op = putTag(dst, op, tag)
          dst[op++] = 1
          this.#at = start + 4
          return op
        }
        if (
          c === 0x66 &&
          src[start + 1] === 0x61 &&
          src[start + 2] === 0x6c &&
          src[start + 3] === 0x73 &&
          src[start + 4] === 0x65
        ) {
          op = putTag(dst, op, tag)
          dst[op++] = 0
          this.#at = start + 5
          return op
        }
        break
      }
      case KIND.DATETIME: {
        if (c !== 0x22) break
        const p = this.#dateAndTime(src, start + 1)
        if (p < 0 || src[p] !== 0x22) break
        this.#at = p + 1
        op = putTag(dst, op, tag)
        const high = (this.#year << 14) | (this.#month << 10) | (this.#day << 5) | this.#hour
        return putVarint64(dst, op, high, (this.#minute << 26) | (this.#second << 20) | this.#micros)
      }
      case KIND.TIMESTAMP: {
        if (c !== 0x22) {
          if (!slot.schemaless) break
          return this.#plainMicros(slot, src, start, end, dst, out, limit)
        }
        const p = this.#dateAndTime(src, start + 1)
        if (p < 0) break
        const offsetMinutes = this.#zone(src, p)
        if (Number.isNaN(offsetMinutes)) break
        const days = daysFromCivil(this.#year, this.#month, this.#day)!
        const seconds = ((days * 24 + this.#hour) * 60 + this.#minute - offsetMinutes) * 60 + this.#second
        const micros = seconds * 1_000_000 + this.#micros
        if (!Number.isSafeInteger(micros)) break
        op = putTag(dst, op, tag)
        return putInteger(dst, op, micros)
      }
      case KIND.DATE: {
        if (c !== 0x22 || !this.#date(src, start + 1) || src[start + 11] !== 0x22) break
        this.#at = start + 12
        op = putTag(dst, op, tag)
        return putInteger(dst, op, daysFromCivil(this.#year, this.#month, this.#day)!)
      }
      case KIND.TIME: {
        if (c !== 0x22) break
        const p = this.#time(src, start + 1)
        if (p < 0 || src[p] !== 0x22) break
        this.#at = p + 1
        op = putTag(dst, op, tag)
        return putVarint64(dst, op, this.#hour, (this.#minute << 26) | (this.#second << 20) | this.#micros)
      }
      case KIND.NUMERIC: {
        if (c === 0x22 && !slot.schemaless) break
        op = putTag(dst, op, tag)
        op = this.#numeric(src, c === 0x22 ? start + 1 : start, dst, op)
        if (op < 0 || (c === 0x22 && src[this.#at++] !== 0x22)) break
        return op
      }
      case KIND.MESSAGE: {
        if (c !== 0x7b) return BAIL
        op = putTag(dst, op, tag)
        return this.#message(slot.message!, src, start + 1, end, dst, op, limit)
      }
      case KIND.EPOCH_MILLIS: {
        const value = this.#safeInteger(src, start)
        if (Number.isNaN(value) || Math.abs(value) > MAX_PLAIN_MILLIS) break
        op = putTag(dst, op, tag)
        return putInteger(dst, op, value * 1_000)
      }
      case KIND.EPOCH_MICROS:
        return this.#plainMicros(slot, src, start, end, dst, out, limit)
      case KIND.EPOCH_DAYS: {
        const value = this.#safeInteger(src, start)
        if (!(value >= MIN_DATE_DAYS && value <= MAX_DATE_DAYS)) break
        op = putTag(dst, op, tag)
        return putInteger(dst, op, value)
      }
      case KIND.JSON: {
        if (c === 0x22) break
        const p = this.#skip(src, start, slot.depth)
        if (p < 0 || p > end) return BAIL
        const length = p - start
        if (op + length + 8 > limit) return FULL
        op = putTag(dst, op, tag)
        op = writeVarint32(dst, op, length)
        src.copy(dst, op, start, p)
        this.#at = p
        return op + length
      }
      case KIND.DECIMAL_NUMERIC: {
        const unscaled = this.#shortUnscaled(src, start)
        if (Number.isNaN(unscaled)) break
        op = putTag(dst, op, tag)
        return putScaled(dst, op, Math.abs(unscaled), POWERS_OF_TEN[9 - slot.scale]!, unscaled < 0)
      }
      case KIND.DECIMAL_FLOAT64: {
        const unscaled = this.#shortUnscaled(src, start)
        if (Number.isNaN(unscaled)) break
        op = putTag(dst, op, tag)
        // Both are exact, so one division rounds once.
        return putDouble(dst, op, unscaled / POWERS_OF_TEN[slot.scale]!)
      }
      case KIND.BYTES: {
        if (c !== 0x22) break
        op = putTag(dst, op, tag)
        op = this.#base64(src, start + 1, dst, op, limit)
        if (op === BAIL) break
        return op
      }
    }
    return this.#slowValue(slot, src, start, end, dst, out, limit)
  }

  // ── The general path, for one value ───────────────────────────────────────────────────────────────────────────────

  #slowField(slot: Slot, src: Buffer, start: number, end: number, dst: Buffer, op: number, limit: number): number {
    return this.#general(slot, false, src, start, end, dst, op, limit)
  }

  #slowValue(slot: Slot, src: Buffer, start: number, end: number, dst: Buffer, op: number, limit: number): number {
    return this.#general(slot, slot.repeated, src, start, end, dst, op, limit)
  }

  #general(
    slot: Slot,
    element: boolean,
    src: Buffer,
    start: number,
    end: number,
    dst: Buffer,
    op: number,
    limit: number,
  ): number {
    const writer = this.#slow
    writer.reset()
    try {
      const parser = new JsonTreeParser(src, start, end)
      const node = parser.value(start, element || !slot.repeated ? slot.depth : slot.depth - 1)
      if (element) slot.field.write(writer, slot.field, src, node)
      else encodeField(writer, slot.field, src, node)
      this.#at = node.end
    } catch (error) {
      if (error instanceof Refusal) return BAIL
      throw error
    }
    if (op + writer.length > limit) return FULL
    writer.bytes.copy(dst, op, 0, writer.length)
    return op + writer.length
  }

  #message(plan: TranscoderPlan, src: Buffer, p: number, end: number, dst: Buffer, op: number, limit: number): number {
    const predicted = plan.lengthWidth
    const start = op + predicted
    const messageEnd = this.#object(plan, src, p, end, dst, start, limit)
    if (messageEnd < 0) return messageEnd
    const length = messageEnd - start
    const width = varintWidth(length)
    if (width !== predicted) {
      dst.copyWithin(op + width, start, messageEnd)
      plan.lengthWidth = width
    }
    writeVarint32(dst, op, length)
    return messageEnd + width - predicted
  }

  // ── Numbers ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An integer token as a varint; BAIL when it is anything else, or beyond [min, max] or 63 bits. */
  #integer(src: Buffer, start: number, dst: Buffer, op: number, min: number, max: number): number {
    let p = start
    const negative = src[p] === 0x2d
    if (negative) p++
    const first = p
    let d = (src[p]! | 0) - 48
    if (d < 0 || d > 9) return BAIL
    // Nine digits fit 31 bits, where arithmetic is cheapest.
    let small = d
    d = (src[++p]! | 0) - 48
    if (small === 0 && d >= 0 && d <= 9) return BAIL
    while (d >= 0 && d <= 9 && p - first < 9) {
      small = (small * 10 + d) | 0
      d = (src[++p]! | 0) - 48
    }
    let value = small
    while (d >= 0 && d <= 9) {
      if (p - first >= 15) {
        // Narrower integers than int64 never have so many digits.
        return max === Number.POSITIVE_INFINITY ? this.#longInteger(src, p, first, negative, value, dst, op) : BAIL
      }
      value = value * 10 + d
      d = (src[++p]! | 0) - 48
    }
    if (isNumberTail(d + 48)) return BAIL
    if (negative) value = -value
    if (value < min || value > max) return BAIL
    this.#at = p
    return putInteger(dst, op, value)
  }

  /** Sixteen to nineteen digits: `head` holds the fifteen before `from`. */
  #longInteger(
    src: Buffer,
    from: number,
    first: number,
    negative: boolean,
    head: number,
    dst: Buffer,
    op: number,
  ): number {
    let p = from
    let tail = 0
    let scale = 1
    let d = (src[p]! | 0) - 48
    while (d >= 0 && d <= 9) {
      if (p - first >= 19) return BAIL
      tail = tail * 10 + d
      scale *= 10
      d = (src[++p]! | 0) - 48
    }
    if (isNumberTail(d + 48)) return BAIL
    const low = (head >>> 0) * scale + tail
    const high = Math.floor(head / 4294967296) * scale + Math.floor(low / 4294967296)
    // -2^63 itself also goes the general way.
    if (high >= 0x8000_0000) return BAIL
    this.#at = p
    if (!negative) return putVarint64(dst, op, high, low >>> 0)
    const negatedLow = -(low >>> 0) >>> 0
    return putVarint64(dst, op, negatedLow === 0 ? -high : ~high, negatedLow)
  }

  /** An integer token of at most fifteen digits; NaN for anything else. */
  #safeInteger(src: Buffer, start: number): number {
    let p = start
    const negative = src[p] === 0x2d
    if (negative) p++
    const first = p
    let value = 0
    let d = (src[p]! | 0) - 48
    while (d >= 0 && d <= 9) {
      value = value * 10 + d
      d = (src[++p]! | 0) - 48
    }
    const digits = p - first
    if (digits === 0 || digits > 15 || (digits > 1 && src[first] === 0x30) || isNumberTail(d + 48)) return Number.NaN
    this.#at = p
    return negative ? -value : value
  }

  /** A number token as the nearest double; NaN for anything else. */
  #float(src: Buffer, start: number): number {
    let p = start
    const negative = src[p] === 0x2d
    if (negative) p++
    const first = p
    let mantissa = 0
    let d = (src[p]! | 0) - 48
    while (d >= 0 && d <= 9) {
      mantissa = mantissa * 10 + d
      d = (src[++p]! | 0) - 48
    }
    let digits = p - first
    if (digits === 0 || (digits > 1 && src[first] === 0x30)) return Number.NaN
    let decimals = 0
    if (d === 0x2e - 48) {
      const point = p
      d = (src[++p]! | 0) - 48
      while (d >= 0 && d <= 9) {
        mantissa = mantissa * 10 + d
        d = (src[++p]! | 0) - 48
      }
      decimals = p - point - 1
      if (decimals === 0) return Number.NaN
      digits += decimals
    }
    const c = d + 48
    if (c === 0x65 || c === 0x45) {
      p++
      if (src[p] === 0x2b || src[p] === 0x2d) p++
      const exponent = p
      while (isDigit(src[p]! | 0)) p++
      if (p === exponent) return Number.NaN
      digits = 99
    }
    if (digits > 15) {
      // A double's text to the nearest double is what Number does best.
      const value = Number(src.toString('latin1', start, p))
      if (!Number.isFinite(value)) return Number.NaN
      this.#at = p
      return value
    }
    this.#at = p
    // Both are exact, so one division rounds once.
    const value = decimals === 0 ? mantissa : mantissa / POWERS_OF_TEN[decimals]!
    return negative ? -value : value
  }

  /** A number token of at most fifteen digits, nine after the point, as NUMERIC bytes with their length; else BAIL. */
  #numeric(src: Buffer, start: number, dst: Buffer, out: number): number {
    let p = start
    const negative = src[p] === 0x2d
    if (negative) p++
    const first = p
    let mantissa = 0
    let d = (src[p]! | 0) - 48
    while (d >= 0 && d <= 9) {
      mantissa = mantissa * 10 + d
      d = (src[++p]! | 0) - 48
    }
    let digits = p - first
    if (digits === 0 || (digits > 1 && src[first] === 0x30)) return BAIL
    let decimals = 0
    if (d === 0x2e - 48) {
      const point = p
      d = (src[++p]! | 0) - 48
      while (d >= 0 && d <= 9) {
        mantissa = mantissa * 10 + d
        d = (src[++p]! | 0) - 48
      }
      decimals = p - point - 1
      if (decimals === 0) return BAIL
      digits += decimals
    }
    if (digits > 15 || decimals > 9 || d === 0x65 - 48 || d === 0x45 - 48) return BAIL
    this.#at = p
    return putScaled(dst, out, mantissa, POWERS_OF_TEN[9 - decimals]!, negative && mantissa !== 0)
  }

  /** Microseconds since the epoch as an integer token. */
  #plainMicros(slot: Slot, src: Buffer, start: number, end: number, dst: Buffer, op: number, limit: number): number {
    const value = this.#safeInteger(src, start)
    if (Number.isNaN(value) || Math.abs(value) > MAX_PLAIN_MILLIS * 1_000) {
      return this.#slowValue(slot, src, start, end, dst, op, limit)
    }
    return putInteger(dst, putTag(dst, op, slot.tag), value)
  }

  /** A string token with the base64 of one to six bytes of big-endian two's complement; NaN for anything else. */
  #shortUnscaled(src: Buffer, start: number): number {
    if (src[start] !== 0x22) return Number.NaN
    let p = start + 1
    let bits = 0
    let value = 0
    // Eight digits hold 48 bits, which a double counts exactly.
    while (p - start <= 9) {
      const digit = BASE64[src[p]! | 0]!
      if (digit > 63) break
      value = value * 64 + digit
      bits += 6
      p++
    }
    const count = bits >> 3
    if (count === 0 || bits % 8 === 6 || bits > 48) return Number.NaN
    let padding = 0
    while (src[p] === 0x3d && padding < 3) {
      padding++
      p++
    }
    if (src[p] !== 0x22 || (padding > 0 && (bits / 6 + padding) % 4 !== 0)) return Number.NaN
    this.#at = p + 1
    const unscaled = Math.floor(value / 2 ** (bits % 8))
    return unscaled >= 2 ** (8 * count - 1) ? unscaled - 2 ** (8 * count) : unscaled
  }

  // ── Strings ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Content with its length, from behind the opening quote. */
  #string(src: Buffer, start: number, end: number, dst: Buffer, op: number, limit: number): number {
    let p = start
    let q = op + 1
    let c = src[p]! | 0
    while (PLAIN[c] === 1) {
      dst[q++] = c
      c = src[++p]! | 0
    }
    if (c !== 0x22) return this.#unusualString(src, start, end, dst, op, limit)
    if (q > limit) return p > end ? BAIL : FULL
    this.#at = p + 1
    const length = q - op - 1
    if (length < 0x80) {
      dst[op] = length
      return q
    }
    return prefixLength(dst, op, length)
  }

  /** A string with escapes or beyond ASCII: undone, and checked to be UTF-8. */
  #unusualString(src: Buffer, start: number, end: number, dst: Buffer, op: number, limit: number): number {
    let p = start
    let q = op + 1
    for (;;) {
      if (q > limit) return p > end ? BAIL : FULL
      const c = src[p]! | 0
      if (PLAIN[c] === 1) {
        dst[q++] = c
        p++
        continue
      }
      if (c === 0x22) break
      if (c === 0x5c) {
        const escaped = src[p + 1]! | 0
        if (escaped === 0x75) {
          let code = hex4(src, p + 2)
          if (code < 0) return BAIL
          p += 6
          if (code >= 0xd800 && code <= 0xdfff) {
            const low = code <= 0xdbff && src[p] === 0x5c && src[p + 1] === 0x75 ? hex4(src, p + 2) : -1
            if (low < 0xdc00 || low > 0xdfff) return BAIL
            code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00)
            p += 6
          }
          q = putCodePoint(dst, q, code)
          continue
        }
        const plain = ESCAPED[escaped]! | 0
        if (plain === 0) return BAIL
        dst[q++] = plain
        p += 2
        continue
      }
      const length = utf8Length(src, p)
      if (length === 0) return BAIL
      for (let i = 0; i < length; i++) dst[q++] = src[p++]!
    }
    this.#at = p + 1
    return prefixLength(dst, op, q - op - 1)
  }

  /** Decoded content with its length; BAIL when it is not plain base64. */
  #base64(src: Buffer, start: number, dst: Buffer, out: number, limit: number): number {
    let p = start
    while (BASE64[src[p]! | 0]! < 64) p++
    const digits = p - start
    let padding = 0
    while (src[p] === 0x3d) {
      padding++
      p++
    }
    if (src[p] !== 0x22 || digits % 4 === 1 || padding > 2 || (padding > 0 && (digits + padding) % 4 !== 0)) return BAIL
    const length = Math.floor((digits * 3) / 4)
    if (out + length + 8 > limit) return FULL
    let op = writeVarint32(dst, out, length)
    const stop = op + length
    for (let at = start; op < stop; at += 4) {
      const quad =
        (BASE64[src[at]!]! << 18) |
        (BASE64[src[at + 1]!]! << 12) |
        ((BASE64[src[at + 2]!]! & 63) << 6) |
        (BASE64[src[at + 3]!]! & 63)
      dst[op++] = quad >> 16
      if (op < stop) dst[op++] = (quad >> 8) & 255
      if (op < stop) dst[op++] = quad & 255
    }
    this.#at = p + 1
    return op
  }

  // ── Dates and times, in their usual spelling only ─────────────────────────────────────────────────────────────────

  /** `YYYY-MM-DD`, a day that exists. */
  #date(src: Buffer, p: number): boolean {
    const y1 = src[p]! ^ 48
    const y2 = src[p + 1]! ^ 48
    const y3 = src[p + 2]! ^ 48
    const y4 = src[p + 3]! ^ 48
    const m1 = src[p + 5]! ^ 48
    const m2 = src[p + 6]! ^ 48
    const d1 = src[p + 8]! ^ 48
    const d2 = src[p + 9]! ^ 48
    const bad =
      notDigit(y1) |
      notDigit(y2) |
      notDigit(y3) |
      notDigit(y4) |
      notDigit(m1) |
      notDigit(m2) |
      notDigit(d1) |
      notDigit(d2)
    if ((bad & ~15) !== 0 || src[p + 4] !== 0x2d || src[p + 7] !== 0x2d) return false
    const year = y1 * 1000 + y2 * 100 + y3 * 10 + y4
    const month = m1 * 10 + m2
    const day = d1 * 10 + d2
    if (year < 1 || month < 1 || month > 12 || day < 1 || (day > 28 && day > daysInMonth(year, month))) return false
    this.#year = year
    this.#month = month
    this.#day = day
    return true
  }

  /** `HH:MM:SS` with up to nine decimals; answers the position after it, or BAIL. */
  #time(src: Buffer, start: number): number {
    const h1 = src[start]! ^ 48
    const h2 = src[start + 1]! ^ 48
    const m1 = src[start + 3]! ^ 48
    const m2 = src[start + 4]! ^ 48
    const s1 = src[start + 6]! ^ 48
    const s2 = src[start + 7]! ^ 48
    const bad = notDigit(h1) | notDigit(h2) | notDigit(m1) | notDigit(m2) | notDigit(s1) | notDigit(s2)
    if ((bad & ~15) !== 0 || src[start + 2] !== 0x3a || src[start + 5] !== 0x3a) return BAIL
    const hour = h1 * 10 + h2
    const minute = m1 * 10 + m2
    const second = s1 * 10 + s2
    if (hour > 23 || minute > 59 || second > 59) return BAIL
    this.#hour = hour
    this.#minute = minute
    this.#second = second
    this.#micros = 0
    let p = start + 8
    if (src[p] !== 0x2e) return p
    const first = ++p
    let micros = 0
    while (isDigit(src[p]! | 0)) {
      if (p - first < 6) micros = micros * 10 + (src[p]! - 48)
      p++
    }
    const digits = p - first
    if (digits === 0) return BAIL
    this.#micros = digits < 6 ? micros * POWERS_OF_TEN[6 - digits]! : micros
    return p
  }

  #dateAndTime(src: Buffer, start: number): number {
    const separator = src[start + 10]
    if ((separator !== 0x54 && separator !== 0x20) || !this.#date(src, start)) return BAIL
    return this.#time(src, start + 11)
  }

  /** `Z`, `±HH:MM` or nothing, and the closing quote: minutes east of UTC, or NaN. */
  #zone(src: Buffer, start: number): number {
    const c = src[start]
    if (c === 0x22 || (c === 0x5a && src[start + 1] === 0x22)) {
      this.#at = c === 0x22 ? start + 1 : start + 2
      return 0
    }
    if (c !== 0x2b && c !== 0x2d) return Number.NaN
    const h1 = src[start + 1]! ^ 48
    const h2 = src[start + 2]! ^ 48
    const m1 = src[start + 4]! ^ 48
    const m2 = src[start + 5]! ^ 48
    const bad = notDigit(h1) | notDigit(h2) | notDigit(m1) | notDigit(m2)
    if ((bad & ~15) !== 0 || src[start + 3] !== 0x3a || src[start + 6] !== 0x22) return Number.NaN
    const hours = h1 * 10 + h2
    const minutes = m1 * 10 + m2
    if (hours > 23 || minutes > 59) return Number.NaN
    this.#at = start + 7
    return c === 0x2d ? -(hours * 60 + minutes) : hours * 60 + minutes
  }

  // ── Values nobody wants ───────────────────────────────────────────────────────────────────────────────────────────

  /** The position after the valid JSON value at `start`, or BAIL. */
  #skip(src: Buffer, start: number, depth: number): number {
    if (depth > MAX_JSON_DEPTH) return BAIL
    switch (src[start]! | 0) {
      case 0x22:
        return skipString(src, start + 1)
      case 0x7b:
        return this.#skipObject(src, start + 1, depth)
      case 0x5b:
        return this.#skipArray(src, start + 1, depth)
      case 0x74:
        return src[start + 1] === 0x72 && src[start + 2] === 0x75 && src[start + 3] === 0x65 ? start + 4 : BAIL
      case 0x66:
        return src[start + 1] === 0x61 && src[start + 2] === 0x6c && src[start + 3] === 0x73 && src[start + 4] === 0x65
          ? start + 5
          : BAIL
      case 0x6e:
        return src[start + 1] === 0x75 && src[start + 2] === 0x6c && src[start + 3] === 0x6c ? start + 4 : BAIL
      default:
        return skipNumber(src, start)
    }
  }

  #skipObject(src: Buffer, start: number, depth: number): number {
    let p = skipSpace(src, start)
    if (src[p] === 0x7d) return p + 1
    for (;;) {
      if (src[p] !== 0x22) return BAIL
      p = skipString(src, p + 1)
      if (p < 0) return BAIL
      p = skipSpace(src, p)
      if (src[p] !== 0x3a) return BAIL
      p = this.#skip(src, skipSpace(src, p + 1), depth + 1)
      if (p < 0) return BAIL
      p = skipSpace(src, p)
      if (src[p] === 0x7d) return p + 1
      if (src[p] !== 0x2c) return BAIL
      p = skipSpace(src, p + 1)
    }
  }

  #skipArray(src: Buffer, start: number, depth: number): number {
    let p = skipSpace(src, start)
    if (src[p] === 0x5d) return p + 1
    for (;;) {
      p = this.#skip(src, p, depth + 1)
      if (p < 0) return BAIL
      p = skipSpace(src, p)
      if (src[p] === 0x5d) return p + 1
      if (src[p] !== 0x2c) return BAIL
      p = skipSpace(src, p + 1)
    }
  }
}

/** Milliseconds whose microseconds are still safe integers and whose year is surely within 0001–9999. */
const MAX_PLAIN_MILLIS = 9_000_000_000_000

const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`))

/** 1 for bytes a JSON string may hold as they are, and that need no check: printable ASCII but `"` and `\`. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, c) => (c >= 0x20 && c < 0x80 && c !== 0x22 && c !== 0x5c ? 1 : 0))

/** What `\x` stands for; 0 for no escape. */
const ESCAPED = new Uint8Array(256)
for (const [letter, plain] of Object.entries({
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
})) {
  ESCAPED[letter.charCodeAt(0)] = plain.charCodeAt(0)
}

/** Digit values; 255 for no digit. */
const BASE64 = new Uint8Array(256).fill(255)
for (const [value, letter] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  BASE64[letter.charCodeAt(0)] = value
}

const isDigit = (c: number): boolean => c >= 48 && c <= 57

/** For `d = byte ^ 48`: bits above the lowest four are set unless the byte is a digit. */
const notDigit = (d: number): number => d | (d + 6)

/** `.`, `e`, `E` after digits: not an integer token. */
const isNumberTail = (c: number): boolean => c === 0x2e || c === 0x65 || c === 0x45

/** Whether a record whose object ended at `at` is complete. */
function endsAt(src: Buffer, at: number, end: number, closings: number): boolean {
  let p = at
  for (let left = closings; left > 0; left--) {
    p = skipSpace(src, p)
    if (src[p] !== 0x7d) return false
    p++
  }
  return p === end || (p < end && skipSpace(src, p) >= end)
}

export function skipSpace(src: Buffer, start: number): number {
  let p = start
  for (;;) {
    const c = src[p]
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return p
    p++
  }
}

function putTag(dst: Buffer, op: number, tag: number): number {
  if (tag < 0x80) {
    dst[op] = tag
    return op + 1
  }
  return writeVarint32(dst, op, tag)
}

/** A safe integer as int64. */
function putInteger(dst: Buffer, op: number, value: number): number {
  if (value >= 0 && value < 0x80) {
    dst[op] = value
    return op + 1
  }
  if (value >= 0 && value < 0x4000_0000) return writeVarint32(dst, op, value)
  return putVarint64(dst, op, Math.floor(value / 4294967296), value >>> 0)
}

function putVarint64(dst: Buffer, at: number, high: number, low: number): number {
  let l = low >>> 0
  let h = high >>> 0
  let op = at
  while (h !== 0 || l > 0x7f) {
    dst[op++] = (l & 0x7f) | 0x80
    l = ((l >>> 7) | (h << 25)) >>> 0
    h >>>= 7
  }
  dst[op++] = l
  return op
}

const doubleValue = new Float64Array(1)
const doubleBytes = new Uint8Array(doubleValue.buffer)

/** Little-endian, as every machine Node runs on. */
function putDouble(dst: Buffer, op: number, value: number): number {
  doubleValue[0] = value
  for (let i = 0; i < 8; i++) dst[op + i] = doubleBytes[i]!
  return op + 8
}

const scaledBytes = new Uint8Array(14)

/** `± mantissa × factor` as minimal little-endian two's complement with its length; mantissa < 2^50, factor < 2^30. */
function putScaled(dst: Buffer, out: number, mantissa: number, factor: number, negative: boolean): number {
  const low = mantissa >>> 0
  const high = Math.floor(mantissa / 4294967296)
  let carry = 0
  for (let limb = 0; limb < 7; limb++) {
    const part =
      limb === 0 ? low & 0xffff : limb === 1 ? low >>> 16 : limb === 2 ? high & 0xffff : limb === 3 ? high >>> 16 : 0
    const sum = part * factor + carry
    carry = Math.floor(sum / 0x1_0000)
    let word = sum - carry * 0x1_0000
    if (negative) word ^= 0xffff
    scaledBytes[2 * limb] = word & 0xff
    scaledBytes[2 * limb + 1] = word >>> 8
  }
  if (negative) {
    let i = 0
    while (scaledBytes[i] === 0xff) scaledBytes[i++] = 0
    scaledBytes[i] = scaledBytes[i]! + 1
  }
  const filler = negative ? 0xff : 0
  let length = scaledBytes.length
  while (length > 1 && scaledBytes[length - 1] === filler && (scaledBytes[length - 2]! & 0x80) === (filler & 0x80))
    length--
  let op = out
  dst[op++] = length
  for (let i = 0; i < length; i++) dst[op++] = scaledBytes[i]!
  return op
}

/** Moves the content written at `op + 1` when its length takes more than one byte; answers its end. */
function prefixLength(dst: Buffer, op: number, length: number): number {
  const width = varintWidth(length)
  if (width > 1) dst.copyWithin(op + width, op + 1, op + 1 + length)
  writeVarint32(dst, op, length)
  return op + width + length
}

function putCodePoint(dst: Buffer, at: number, code: number): number {
  let op = at
  if (code < 0x80) dst[op++] = code
  else if (code < 0x800) {
    dst[op++] = 0xc0 | (code >> 6)
    dst[op++] = 0x80 | (code & 63)
  } else if (code < 0x1_0000) {
    dst[op++] = 0xe0 | (code >> 12)
    dst[op++] = 0x80 | ((code >> 6) & 63)
    dst[op++] = 0x80 | (code & 63)
  } else {
    dst[op++] = 0xf0 | (code >> 18)
    dst[op++] = 0x80 | ((code >> 12) & 63)
    dst[op++] = 0x80 | ((code >> 6) & 63)
    dst[op++] = 0x80 | (code & 63)
  }
  return op
}

function hex4(src: Buffer, start: number): number {
  let value = 0
  for (let p = start; p < start + 4; p++) {
    const c = src[p]! | 0
    const digit = c >= 48 && c <= 57 ? c - 48 : (c | 32) >= 97 && (c | 32) <= 102 ? (c | 32) - 87 : -1
    if (digit < 0) return -1
    value = value * 16 + digit
  }
  return value
}

/** Bytes of the valid multi-byte UTF-8 sequence at `p` (RFC 3629), or 0. */
function utf8Length(src: Buffer, p: number): number {
  const c = src[p]! | 0
  const c1 = src[p + 1]! | 0
  if (c < 0xc2 || (c1 & 0xc0) !== 0x80) return 0
  if (c < 0xe0) return 2
  if (((src[p + 2]! | 0) & 0xc0) !== 0x80) return 0
  if (c < 0xf0) return (c === 0xe0 && c1 < 0xa0) || (c === 0xed && c1 > 0x9f) ? 0 : 3
  if (c > 0xf4 || ((src[p + 3]! | 0) & 0xc0) !== 0x80) return 0
  return (c === 0xf0 && c1 < 0x90) || (c === 0xf4 && c1 > 0x8f) ? 0 : 4
}

/** From behind the opening quote to behind the closing one, or BAIL. */
function skipString(src: Buffer, start: number): number {
  let p = start
  for (;;) {
    const c = src[p]! | 0
    if (PLAIN[c] === 1) p++
    else if (c === 0x22) return p + 1
    else if (c === 0x5c) {
      const escaped = src[p + 1]! | 0
      if (escaped === 0x75) {
        if (hex4(src, p + 2) < 0) return BAIL
        p += 6
      } else if (ESCAPED[escaped] === 0) return BAIL
      else p += 2
    } else {
      const length = utf8Length(src, p)
      if (length === 0) return BAIL
      p += length
    }
  }
}

function skipNumber(src: Buffer, start: number): number {
  let p = start
  if (src[p] === 0x2d) p++
  const first = p
  while (isDigit(src[p]! | 0)) p++
  if (p === first || (src[first] === 0x30 && p > first + 1)) return BAIL
  if (src[p] === 0x2e) {
    const point = ++p
    while (isDigit(src[p]! | 0)) p++
    if (p === point) return BAIL
  }
  if (src[p] === 0x65 || src[p] === 0x45) {
    p++
    if (src[p] === 0x2b || src[p] === 0x2d) p++
    const exponent = p
    while (isDigit(src[p]! | 0)) p++
    if (p === exponent) return BAIL
  }
  return p
}
