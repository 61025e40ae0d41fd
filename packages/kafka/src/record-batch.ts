// Kafka's record batch format v2, read in place: https://kafka.apache.org/documentation/#recordbatch
// A chunk is what one fetch brought for one partition. It is scanned at once (headers only, to know where to fetch next)
// and decoded when it is read, slice by slice. Every length is checked against the bytes that are there before it is used.
import {
  type KafkaOffset,
  MillraceError,
  type RecordHeader,
  type RecordSlice,
  type TopicPartition,
} from '@millrace/core'
import { InflateError, inflate } from './codecs.ts'
import { crc32c } from './crc32c.ts'

const BASE_OFFSET = 0
const LENGTH = 8
const MAGIC = 16
const CRC = 17
const ATTRIBUTES = 21
const LAST_OFFSET_DELTA = 23
const BASE_TIMESTAMP = 27
const MAX_TIMESTAMP = 35
const PRODUCER_ID = 43
const COUNT = 57
const RECORDS = 61
/** Bytes before the part that LENGTH counts. */
const LOG_OVERHEAD = 12

const CODEC_MASK = 0x07
const LOG_APPEND_TIME = 0x08
const TRANSACTIONAL = 0x10
const CONTROL = 0x20
/** Length, attributes, two deltas, two lengths and the header count take a byte each at least. */
const RECORD_MIN_BYTES = 7
/** Uncompressed batches are joined to one slice up to about this size, so that small batches cost little. */
const SLICE_TARGET_BYTES = 256 * 1024

export type AbortedTransaction = { readonly producerId: bigint; readonly firstOffset: bigint }

/** Complete batches of one partition, lying in `bytes[start, end)`. */
export type Chunk = {
  readonly tp: TopicPartition
  readonly bytes: Buffer
  readonly start: number
  readonly end: number
  /** Empty under read_uncommitted. */
  readonly aborted: readonly AbortedTransaction[]
}

export type Scan = {
  /** End of the last complete batch. */
  readonly end: number
  /** Where to fetch next: after the last complete batch, or `position` when there is none at or above it. */
  readonly nextKafkaOffset: bigint
  readonly isPartial: boolean
  /** The last complete batch; null without any. */
  readonly last: BatchIdentity | null
}

/** Of a batch as it lies in the log. Compaction may write it anew, with another `crc`. */
export type BatchIdentity = { readonly baseOffset: bigint; readonly nextKafkaOffset: bigint; readonly crc: number }

/** null where its header is cut off. */
export function batchAt(bytes: Buffer, at: number, end: number): BatchIdentity | null {
  if (end - at < RECORDS) return null
  const baseOffset = bytes.readBigInt64BE(at + BASE_OFFSET)
  const nextKafkaOffset = baseOffset + BigInt(bytes.readInt32BE(at + LAST_OFFSET_DELTA)) + 1n
  return { baseOffset, nextKafkaOffset, crc: bytes.readUInt32BE(at + CRC) }
}

/**
 * Walks the batch headers of a fetch answer. The tail may be cut off by the fetch size; anything else that does not fit
 * throws SOURCE_CORRUPT.
 * (Batches may reach beyond the high watermark of the same answer: the broker takes that before it reads them.)
 */
export function scanBatches(tp: TopicPartition, bytes: Buffer, start: number, end: number, position: bigint): Scan {
  let at = start
  let next = -1n
  let lastAt = -1
  while (at < end) {
    if (end - at > MAGIC) checkMagic(tp, bytes, at)
    if (end - at < RECORDS) break
    const length = bytes.readInt32BE(at + LENGTH)
    const base = bytes.readBigInt64BE(at + BASE_OFFSET)
    if (length < RECORDS - LOG_OVERHEAD) throw corrupt(tp, base, `a batch length of ${length}`)
    if (length > end - at - LOG_OVERHEAD) break
    const lastDelta = bytes.readInt32BE(at + LAST_OFFSET_DELTA)
    if (lastDelta < 0) throw corrupt(tp, base, `a last offset delta of ${lastDelta}`)
    if (base < 0n) throw corrupt(tp, base, 'a negative base offset')
    if (base < next) throw corrupt(tp, base, 'a batch that begins before the end of the one before')
    next = base + BigInt(lastDelta) + 1n
    lastAt = at
    at += LOG_OVERHEAD + length
  }
  const last = lastAt < 0 ? null : batchAt(bytes, lastAt, end)
  return { end: at, nextKafkaOffset: next > position ? next : position, isPartial: at < end, last }
}

function checkMagic(tp: TopicPartition, bytes: Buffer, at: number): void {
  const magic = bytes.readInt8(at + MAGIC)
  if (magic === 2) return
  const base = bytes.readBigInt64BE(at + BASE_OFFSET)
  if (magic === 0 || magic === 1)
    throw corrupt(tp, base, `message format ${magic}, from before Kafka 0.11; Millrace reads format 2 only`)
  throw corrupt(tp, base, `unknown message format ${magic}`)
}

/** Decodes one chunk into slices, in order, from a position on. */
export class ChunkReader {
  readonly #chunk: Chunk
  readonly #abortedQueue: AbortedTransaction[]
  readonly #abortedNow = new Set<bigint>()
  #at: number
  #position: bigint

  constructor(chunk: Chunk, position: bigint) {
    this.#chunk = chunk
    this.#at = chunk.start
    this.#position = position
    this.#abortedQueue = [...chunk.aborted].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  }

  /** Position after what was answered so far. */
  get nextKafkaOffset(): KafkaOffset {
    return this.#position as KafkaOffset
  }

  get isDone(): boolean {
    return this.#at >= this.#chunk.end
  }

  /**
   * The next slice, or null at the end of the chunk. `count` is 0 only when the chunk ends with nothing but control or
   * aborted records: the position still moves. Throws SOURCE_CORRUPT or BATCH_TOO_LARGE naming the offset.
   */
  next(): RecordSlice | null {
    const { bytes, end } = this.#chunk
    const group: Batch[] = []
    let groupCount = 0
    const groupStart = this.#at
    let next = this.#position
    while (this.#at < end) {
      const batch = this.#batchAt(this.#at)
      if (batch.next <= this.#position || this.#isSkipped(batch)) {
        if (batch.next > next) next = batch.next
        this.#at = batch.end
        continue
      }
      if (batch.codec !== 0) {
        if (group.length > 0) break
        this.#verifyCrc(batch)
        this.#at = batch.end
        return this.#sliceOf(this.#inflate(batch), [{ ...batch, recordsAt: 0 }], batch.count, batch.next)
      }
      if (group.length > 0 && batch.end - groupStart > SLICE_TARGET_BYTES) break
      this.#verifyCrc(batch)
      group.push(batch)
      groupCount += batch.count
      next = batch.next
      this.#at = batch.end
    }
    if (group.length > 0) return this.#sliceOf(bytes, group, groupCount, next)
    if (next === this.#position) return null
    return this.#sliceOf(bytes, [], 0, next)
  }

  #batchAt(at: number): Batch {
    const { bytes } = this.#chunk
    const base = bytes.readBigInt64BE(at + BASE_OFFSET)
    const attributes = bytes.readInt16BE(at + ATTRIBUTES)
    const lastDelta = bytes.readInt32BE(at + LAST_OFFSET_DELTA)
    return {
      at,
      end: at + LOG_OVERHEAD + bytes.readInt32BE(at + LENGTH),
      base,
      next: base + BigInt(lastDelta) + 1n,
      lastDelta,
      attributes,
      codec: attributes & CODEC_MASK,
      count: bytes.readInt32BE(at + COUNT),
      recordsAt: at + RECORDS,
    }
  }

  /** Control batches and batches of aborted transactions hold nothing for us (the rule of Kafka's own consumer). */
  #isSkipped(batch: Batch): boolean {
    const { bytes } = this.#chunk
    while (this.#abortedQueue.length > 0 && this.#abortedQueue[0]!.firstOffset < batch.next)
      this.#abortedNow.add(this.#abortedQueue.shift()!.producerId)
    if (batch.attributes & CONTROL) {
      this.#verifyCrc(batch)
      this.#abortedNow.delete(bytes.readBigInt64BE(batch.at + PRODUCER_ID))
      return true
    }
    if (
      batch.attributes & TRANSACTIONAL &&
      this.#abortedNow.size > 0 &&
      this.#abortedNow.has(bytes.readBigInt64BE(batch.at + PRODUCER_ID))
    ) {
      this.#verifyCrc(batch)
      return true
    }
    if (batch.count === 0) {
      this.#verifyCrc(batch)
      return true
    }
    return false
  }

  #verifyCrc(batch: Batch): void {
    const { bytes, tp } = this.#chunk
    const stated = bytes.readUInt32BE(batch.at + CRC)
    if (crc32c(bytes, batch.at + ATTRIBUTES, batch.end) !== stated) throw corrupt(tp, batch.base, 'a wrong CRC')
    const room = batch.codec === 0 ? (batch.end - batch.recordsAt) / RECORD_MIN_BYTES : Number.MAX_SAFE_INTEGER
    if (batch.count < 0 || batch.count > room || batch.count > batch.lastDelta + 1)
      throw corrupt(tp, batch.base, `a record count of ${batch.count}`)
  }

  #inflate(batch: Batch): Buffer {
    const { bytes, tp } = this.#chunk
    let inflated: Buffer
    try {
      inflated = inflate(batch.codec, bytes.subarray(batch.recordsAt, batch.end))
    } catch (error) {
      if (!(error instanceof InflateError)) throw error
      if (!error.isTooLarge) throw corrupt(tp, batch.base, error.message, error)
      throw new MillraceError(
        'BATCH_TOO_LARGE',
        'failPartition',
        `${at(tp, batch.base)}: a record batch of ${batch.end - batch.at} bytes ${error.message}.`,
        { cause: error },
      )
    }
    if (batch.count > inflated.length / RECORD_MIN_BYTES)
      throw corrupt(tp, batch.base, `a record count of ${batch.count} in ${inflated.length} bytes`)
    return inflated
  }

  #sliceOf(bytes: Buffer, batches: readonly Batch[], capacity: number, next: bigint): RecordSlice {
    const columns = newColumns(capacity)
    const position = this.#position
    let count = 0
    for (const batch of batches) {
      const end = bytes === this.#chunk.bytes ? batch.end : bytes.length
      const isLogAppend = (batch.attributes & LOG_APPEND_TIME) !== 0
      const timestamp = Number(
        this.#chunk.bytes.readBigInt64BE(batch.at + (isLogAppend ? MAX_TIMESTAMP : BASE_TIMESTAMP)),
      )
      const fault = decodeRecords(
        bytes,
        batch.recordsAt,
        end,
        batch.count,
        Number(batch.base - position),
        batch.lastDelta,
        timestamp,
        isLogAppend,
        columns,
        count,
      )
      if (fault !== null) throw corrupt(this.#chunk.tp, batch.base, fault)
      count = decodedUpTo
    }
    this.#position = next
    return {
      bytes,
      count,
      startKafkaOffset: position as KafkaOffset,
      nextKafkaOffset: next as KafkaOffset,
      offsetDelta: count === capacity ? columns.offsetDelta : columns.offsetDelta.subarray(0, count),
      timestampMs: columns.timestampMs,
      keyStart: columns.keyStart,
      keyEnd: columns.keyEnd,
      valueStart: columns.valueStart,
      valueEnd: columns.valueEnd,
      headersStart: columns.headersStart,
      headersEnd: columns.headersEnd,
    }
  }
}

type Batch = {
  readonly at: number
  readonly end: number
  readonly base: bigint
  readonly next: bigint
  readonly lastDelta: number
  readonly attributes: number
  readonly codec: number
  readonly count: number
  /** Where the records begin, in the chunk or in the inflated bytes. */
  readonly recordsAt: number
}

type Columns = {
  readonly offsetDelta: Float64Array
  readonly timestampMs: Float64Array
  readonly keyStart: Int32Array
  readonly keyEnd: Int32Array
  readonly valueStart: Int32Array
  readonly valueEnd: Int32Array
  readonly headersStart: Int32Array
  readonly headersEnd: Int32Array
}

/** One allocation for all eight columns. */
function newColumns(n: number): Columns {
  const memory = new ArrayBuffer(n * 40)
  return {
    offsetDelta: new Float64Array(memory, 0, n),
    timestampMs: new Float64Array(memory, n * 8, n),
    keyStart: new Int32Array(memory, n * 16, n),
    keyEnd: new Int32Array(memory, n * 20, n),
    valueStart: new Int32Array(memory, n * 24, n),
    valueEnd: new Int32Array(memory, n * 28, n),
    headersStart: new Int32Array(memory, n * 32, n),
    headersEnd: new Int32Array(memory, n * 36, n),
  }
}

// Second results of the two functions below; a returned object per varint would be the most frequent allocation of all.
let varintEnd = 0
let decodedUpTo = 0

/** Zigzag varint of up to ten bytes at `pos`, exact up to 2^53; NaN when it is cut or too long. Sets `varintEnd`. */
function readVarint(bytes: Buffer, pos: number, end: number): number {
  let low = 0
  let high = 0
  for (let i = 0; i < 10 && pos < end; i++) {
    const byte = bytes[pos++]!
    if (i < 4) low |= (byte & 0x7f) << (7 * i)
    else high += (byte & 0x7f) * 2 ** (7 * (i - 4))
    if (byte < 0x80) {
      varintEnd = pos
      const unsigned = low + high * 268_435_456
      return unsigned % 2 === 0 ? unsigned / 2 : -(unsigned + 1) / 2
    }
  }
  varintEnd = pos
  return Number.NaN
}

/** Fills `columns` from index `into`; answers what is wrong, or null. Sets `decodedUpTo` to the index after the last record. */
function decodeRecords(
  bytes: Buffer,
  start: number,
  end: number,
  count: number,
  relativeBase: number,
  lastDelta: number,
  baseTimestamp: number,
  isLogAppend: boolean,
  columns: Columns,
  into: number,
): string | null {
  const { offsetDelta, timestampMs, keyStart, keyEnd, valueStart, valueEnd, headersStart, headersEnd } = columns
  let pos = start
  let index = into
  let previousDelta = -1
  for (let i = 0; i < count; i++) {
    // Each varint: the one-byte case here, the others in readVarint. Length of the record first.
    let byte = pos < end ? bytes[pos]! : 0x80
    let value: number
    if (byte < 0x80) {
      value = (byte >>> 1) ^ -(byte & 1)
      pos++
    } else {
      value = readVarint(bytes, pos, end)
      pos = varintEnd
    }
    const recordEnd = pos + value
    if (!(value >= 6 && recordEnd <= end)) return `a record length of ${value}`
    pos++ // record attributes, unused in this format

    byte = bytes[pos]!
    let timestampDelta: number
    if (byte < 0x80) {
      timestampDelta = (byte >>> 1) ^ -(byte & 1)
      pos++
    } else {
      timestampDelta = readVarint(bytes, pos, recordEnd)
      pos = varintEnd
    }

    byte = bytes[pos]!
    let delta: number
    if (byte < 0x80) {
      delta = (byte >>> 1) ^ -(byte & 1)
      pos++
    } else {
      delta = readVarint(bytes, pos, recordEnd)
      pos = varintEnd
    }
    if (!(delta > previousDelta && delta <= lastDelta)) return `an offset delta of ${delta}`
    previousDelta = delta

    byte = bytes[pos]!
    if (byte < 0x80) {
      value = (byte >>> 1) ^ -(byte & 1)
      pos++
    } else {
      value = readVarint(bytes, pos, recordEnd)
      pos = varintEnd
    }
    if (!(value >= -1 && value <= recordEnd - pos)) return `a key length of ${value}`
    const keyAt = value === -1 ? -1 : pos
    if (value > 0) pos += value
    const keyTo = value === -1 ? -1 : pos

    byte = pos < recordEnd ? bytes[pos]! : 0x80
    if (byte < 0x80) {
      value = (byte >>> 1) ^ -(byte & 1)
      pos++
    } else {
      value = readVarint(bytes, pos, recordEnd)
      pos = varintEnd
    }
    if (!(value >= -1 && value <= recordEnd - pos)) return `a value length of ${value}`
    const valueAt = value === -1 ? -1 : pos
    if (value > 0) pos += value
    const valueTo = value === -1 ? -1 : pos

    if (pos + 1 !== recordEnd || bytes[pos] !== 0) {
      const fault = headersFault(bytes, pos, recordEnd)
      if (fault !== null) return fault
    }

    if (relativeBase + delta >= 0) {
      const timestamp = isLogAppend ? baseTimestamp : baseTimestamp + timestampDelta
      if (!Number.isSafeInteger(timestamp)) return `a timestamp of ${timestamp}`
      offsetDelta[index] = relativeBase + delta
      timestampMs[index] = timestamp
      keyStart[index] = keyAt
      keyEnd[index] = keyTo
      valueStart[index] = valueAt
      valueEnd[index] = valueTo
      headersStart[index] = pos
      headersEnd[index] = recordEnd
      index++
    }
    pos = recordEnd
  }
  if (pos !== end) return `${end - pos} bytes after its last record`
  decodedUpTo = index
  return null
}

function headersFault(bytes: Buffer, start: number, end: number): string | null {
  const count = readVarint(bytes, start, end)
  let pos = varintEnd
  if (!(count >= 0 && count <= (end - pos) / 2)) return `a header count of ${count}`
  for (let i = 0; i < count; i++) {
    const keyLength = readVarint(bytes, pos, end)
    pos = varintEnd
    if (!(keyLength >= 0 && keyLength <= end - pos)) return `a header key length of ${keyLength}`
    pos += keyLength
    const valueLength = readVarint(bytes, pos, end)
    pos = varintEnd
    if (!(valueLength >= -1 && valueLength <= end - pos)) return `a header value length of ${valueLength}`
    if (valueLength > 0) pos += valueLength
  }
  return pos === end ? null : `${end - pos} bytes after its last header`
}

/** The headers of a record: `bytes[headersStart[i], headersEnd[i])` of a slice, which was checked when it was decoded. */
export function readHeaders(bytes: Buffer, start: number, end: number): RecordHeader[] {
  const count = readVarint(bytes, start, end)
  let pos = varintEnd
  const headers: RecordHeader[] = []
  for (let i = 0; i < count; i++) {
    const keyLength = readVarint(bytes, pos, end)
    const keyAt = varintEnd
    const valueLength = readVarint(bytes, keyAt + keyLength, end)
    const valueAt = varintEnd
    headers.push({
      key: bytes.toString('utf8', keyAt, keyAt + keyLength),
      value: valueLength === -1 ? null : bytes.subarray(valueAt, valueAt + valueLength),
    })
    pos = valueLength === -1 ? valueAt : valueAt + valueLength
  }
  return headers
}

const at = (tp: TopicPartition, offset: bigint): string => `${tp.topic}-${tp.partition}@${offset}`

function corrupt(tp: TopicPartition, offset: bigint, what: string, cause?: unknown): MillraceError {
  return new MillraceError('SOURCE_CORRUPT', 'failPartition', `${at(tp, offset)}: the record batch has ${what}.`, {
    details: { topic: tp.topic, partition: tp.partition, kafkaOffset: offset },
    ...(cause === undefined ? {} : { cause }),
  })
}
