// A socket that hands over Kafka's frames (an int32 length, then so many bytes) whole, each in memory of its own.
// KafkaJS takes chunks of any length, keeps 64 kB buffers by the thousand and joins them: read into one lasting buffer and copied
// once to where it stays, a large answer costs half the memory traffic and far fewer collections.
import { connect as connectPlain, isIP, type OnReadOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'

const KEEP_ALIVE_DELAY_MS = 60_000
/** Per connection. One read of the operating system fills at most this. */
const READ_BUFFER_BYTES = 256 * 1024
const LENGTH_BYTES = 4
/** More than the largest fetch asked for (128 MiB) and the rest of its answer. What claims more is no Kafka broker. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024

/** Joins what is read into frames, the length included. `onFrame` owns the bytes it is given. */
export class FrameAssembler {
  readonly #onFrame: (frame: Buffer) => void
  readonly #length = Buffer.alloc(LENGTH_BYTES)
  #lengthFilled = 0
  #frame: Buffer | null = null
  #filled = 0

  constructor(onFrame: (frame: Buffer) => void) {
    this.#onFrame = onFrame
  }

  /** Copies what it keeps. Throws a RangeError when a length is not one of Kafka's. */
  add(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const frame = this.#frame
      if (frame === null) {
        this.#length[this.#lengthFilled++] = bytes[at++]!
        if (this.#lengthFilled === LENGTH_BYTES) this.#begin()
        continue
      }
      const copied = bytes.copy(frame, this.#filled, at)
      at += copied
      this.#filled += copied
      if (this.#filled === frame.length) this.#end(frame)
    }
  }

  #begin(): void {
    const length = this.#length.readInt32BE()
    if (length < 0 || length > FRAME_BYTES_MAX)
      throw new RangeError(`An answer claims ${length} bytes; Kafka's have at most ${FRAME_BYTES_MAX}.`)
    const frame = Buffer.allocUnsafe(LENGTH_BYTES + length)
    this.#length.copy(frame)
    this.#filled = LENGTH_BYTES
    this.#lengthFilled = 0
    if (length === 0) this.#onFrame(frame)
    else this.#frame = frame
  }

  #end(frame: Buffer): void {
    this.#frame = null
    this.#onFrame(frame)
  }
}

/** KafkaJS's socketFactory: emits each frame as one `data`. */
export function frameSocket(options: {
  readonly host: string
  readonly port: number
  readonly ssl: ConnectionOptions | null
  readonly onConnect: () => void
}): Socket {
  const { host, port, ssl, onConnect } = options
  const assembler = new FrameAssembler(frame => {
    if (!socket.destroyed) socket.emit('data', frame)
  })
  const callback = (count: number, buffer: Uint8Array): boolean => {
    try {
      assembler.add(Buffer.from(buffer.buffer, buffer.byteOffset, count))
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
    return true
  }
  const onread = { buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES), callback }
  // A name to verify is sent unless it is an address (RFC 6066). `onread` is missing in the types of tls.
  const serverName = isIP(host) === 0 ? { servername: host } : {}
  const secure: ConnectionOptions & { readonly onread: OnReadOpts } = { host, port, onread, ...serverName, ...ssl }
  const socket: Socket = ssl === null ? connectPlain({ host, port, onread }, onConnect) : connectTls(secure, onConnect)
  socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
  return socket
}
