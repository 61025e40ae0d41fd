// Answers to appends that no service should give: an acknowledgement with another offset, two in the wrong order, one twice. The
// bytes of the Write API are changed where they pass a proxy: HTTP/2 frames are not compressed, and these answers are short.
// https://www.rfc-editor.org/rfc/rfc9113#section-4.1 (frame: length 3, type 1, flags 1, stream id 4)

const FRAME_HEADER_BYTES = 9
const DATA = 0
/** gRPC: compressed-flag (1), length (4). https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md */
const MESSAGE_HEADER_BYTES = 5
/** append_result { offset { value: … } }: the first byte of the value, behind tag and length of two messages and its own tag. */
const OFFSET_AT = MESSAGE_HEADER_BYTES + 5
const TAG_MESSAGE_1 = 0x0a
const TAG_VARINT_1 = 0x08

export type Lie = 'shifted' | 'swapped' | 'repeated'

type Frame = { readonly bytes: Buffer; readonly type: number; readonly streamId: number }

/** Lies once about an append to that table, whenever it is told to. */
export class LyingAnswers {
  readonly #table: string
  #next: Lie | null = null
  /** Lies that went out. */
  told = 0

  /** @param table the last part of its name */
  constructor(table: string) {
    this.#table = `/tables/${table}/streams/`
  }

  lie(lie: Lie): void {
    this.#next = lie
  }
  get isTold(): boolean {
    return this.#next === null
  }

  /** What goes to the client instead of this piece. A piece that is not made of whole frames is left as it is. */
  alter(piece: Buffer): Buffer {
    if (this.#next === null) return piece
    const frames = framesOf(piece)
    const altered = frames === null ? null : this.#altered(frames, this.#next)
    if (altered === null) return piece
    this.#next = null
    this.told++
    return Buffer.concat(altered.map(frame => frame.bytes))
  }

  /** null: nothing here that could be lied about in this way. */
  #altered(frames: readonly Frame[], lie: Lie): readonly Frame[] | null {
    const first = frames.findIndex(frame => this.#isAcknowledgement(frame))
    const frame = frames[first]
    if (frame === undefined) return null
    switch (lie) {
      case 'shifted':
        return frames.with(first, { ...frame, bytes: withOffsetShifted(frame.bytes) })
      case 'repeated':
        return frames.toSpliced(first, 0, frame)
      case 'swapped': {
        const isNext = (each: Frame, i: number): boolean =>
          i > first && each.streamId === frame.streamId && this.#isAcknowledgement(each)
        const second = frames.findIndex(isNext)
        const other = frames[second]
        return other === undefined ? null : frames.with(first, other).with(second, frame)
      }
      default:
        return lie satisfies never
    }
  }

  #isAcknowledgement({ bytes, type }: Frame): boolean {
    const body = bytes.subarray(FRAME_HEADER_BYTES)
    return (
      type === DATA &&
      body[MESSAGE_HEADER_BYTES] === TAG_MESSAGE_1 &&
      body[MESSAGE_HEADER_BYTES + 2] === TAG_MESSAGE_1 &&
      body[MESSAGE_HEADER_BYTES + 4] === TAG_VARINT_1 &&
      body.includes(this.#table)
    )
  }
}

function withOffsetShifted(frame: Buffer): Buffer {
  const at = FRAME_HEADER_BYTES + OFFSET_AT
  const shifted = Buffer.from(frame)
  shifted[at] = (shifted[at] ?? 0) ^ 1
  return shifted
}

function framesOf(piece: Buffer): readonly Frame[] | null {
  const frames: Frame[] = []
  for (let at = 0; at < piece.length; ) {
    if (piece.length < at + FRAME_HEADER_BYTES) return null
    const end = at + FRAME_HEADER_BYTES + piece.readUIntBE(at, 3)
    if (end > piece.length) return null
    frames.push({ bytes: piece.subarray(at, end), type: piece[at + 3] ?? 0, streamId: piece.readUInt32BE(at + 5) })
    at = end
  }
  return frames
}
