// How the transcoder's readers talk: they take the position of a value in the record and the position to write at, answer the
// position after what they wrote or one of the codes below, and leave in the cursor where the value they read ends. A code leaves
// what was written as good as untouched: the caller writes again from where it was. One cursor serves all transcoders, because a
// row is encoded without a pause; so what is the same for a whole row stands there too, and is not handed from call to call.

/** The general path must look at this record. */
export const BAIL = -1
/** The row does not fit the buffer: make room and begin the record again. */
export const FULL = -2
/** The general path must look at this value; the record goes on. */
export const UNUSUAL = -3

/**
 * Room kept free beyond every `limit`: the most a value of fixed size takes (tag 3 + length 1 + NUMERIC 17) and the rest of words
 * written as a whole, rounded up.
 */
export const SLACK = 64

/** Bytes that can be read behind a record: a value or key that begins before its end is read so far ahead without asking. */
export const MARGIN = 80

const NOTHING = Buffer.alloc(0)

export const cursor: {
  at: number
  src: Buffer
  /** Of `src`: words, and bytes no further than MARGIN behind the record (DataView throws beyond its buffer). */
  from: DataView
  /** Of the record. */
  end: number
  dst: Buffer
  /** Of `dst`. */
  to: DataView
  limit: number
} = { at: 0, src: NOTHING, from: viewOf(NOTHING), end: 0, dst: NOTHING, to: viewOf(NOTHING), limit: 0 }

/** Views are made once per buffer: records come many to a buffer. The last buffer of either kind is held until the next one. */
export function readFrom(src: Buffer, end: number): void {
  cursor.end = end
  if (cursor.src === src) return
  cursor.src = src
  cursor.from = viewOf(src)
}

export function writeTo(dst: Buffer): void {
  if (cursor.dst === dst) return
  cursor.dst = dst
  cursor.to = viewOf(dst)
  cursor.limit = dst.length - SLACK
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
