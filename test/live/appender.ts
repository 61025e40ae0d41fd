// An append connection that answers each request to whoever sent it.
import {
  type AppendConnection,
  type AppendListener,
  type AppendRefusal,
  type FrozenRows,
  type MillraceError,
  type StreamName,
  type StreamOffset,
  streamOffset,
  type WriteStreams,
} from '@millrace/core'
import { WRITER_SCHEMA } from './rows.ts'

export type Answer =
  | { readonly kind: 'landed'; readonly offset: StreamOffset }
  | { readonly kind: 'refused'; readonly refusal: AppendRefusal }
  /** The connection ended first: the request may have landed or not. */
  | { readonly kind: 'broken'; readonly error: MillraceError }

export class Appender implements AppendListener, Disposable {
  readonly #connection: AppendConnection
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #broken: MillraceError | null = null
  #sent = 0

  constructor(streams: WriteStreams, stream: StreamName) {
    this.#connection = streams.connect(stream, WRITER_SCHEMA, this)
  }

  /** Sends at once; resolves with the answer, at the latest when the connection's own deadline ends it. */
  append(firstRow: number | bigint, rows: FrozenRows): Promise<Answer> {
    if (this.#broken !== null) return Promise.resolve({ kind: 'broken', error: this.#broken })
    const id = ++this.#sent
    const answer = new Promise<Answer>(resolve => this.#waiting.set(id, resolve))
    this.#connection.send({ id, firstRow: streamOffset(firstRow), rows })
    return answer
  }

  /** As `append`, where trouble of the service decides nothing: rejects with it. */
  async ask(firstRow: number, rows: FrozenRows): Promise<Answer> {
    const answer = await this.append(firstRow, rows)
    if (isTrouble(answer)) throw new Error(`the service was in trouble: ${told(answer)}`)
    return answer
  }

  onAcknowledged(id: number, offset: StreamOffset): void {
    this.#answer(id, { kind: 'landed', offset })
  }
  onRefused(id: number, refusal: AppendRefusal): void {
    this.#answer(id, { kind: 'refused', refusal })
  }
  onBroken(error: MillraceError): void {
    this.#broken = error
    for (const id of [...this.#waiting.keys()]) this.#answer(id, { kind: 'broken', error })
  }
  onSchemaUpdated(): void {}

  [Symbol.dispose](): void {
    this.#connection.close()
  }

  #answer(id: number, answer: Answer): void {
    this.#waiting.get(id)?.(answer)
    this.#waiting.delete(id)
  }
}

export const hasLanded = (answer: Answer): answer is Extract<Answer, { kind: 'landed' }> => answer.kind === 'landed'

/** What a lane would answer by sending the same again. */
export function isTrouble(answer: Answer): boolean {
  const error =
    answer.kind === 'broken'
      ? answer.error
      : answer.kind === 'refused' && answer.refusal.kind === 'other'
        ? answer.refusal.error
        : null
  return error?.disposition === 'retry' || error?.disposition === 'reconnect'
}

export const isRefused = (answer: Answer, kind: AppendRefusal['kind']): boolean =>
  answer.kind === 'refused' && answer.refusal.kind === kind

/** STREAM_FINALIZED, in the response or as the end of the call: the runtime takes both. */
export const isFinalized = (answer: Answer): boolean =>
  isRefused(answer, 'streamFinalized') || (answer.kind === 'broken' && answer.error.disposition === 'fenced')

/** In a few words, with the service's own where it gave any. */
export function told(answer: Answer): string {
  switch (answer.kind) {
    case 'landed':
      return `acknowledged at ${answer.offset}`
    case 'broken':
      return `end of the call: ${answer.error.code} (${answer.error.message})`
    case 'refused':
      return answer.refusal.kind === 'other'
        ? `refused: ${answer.refusal.error.code} (${answer.refusal.error.message})`
        : `${answer.refusal.kind} (${answer.refusal.message})`
  }
}

/** Where an answer was read: the question the documentation leaves open for most refusals. */
export const placeOf = (answer: Answer): string => (answer.kind === 'broken' ? 'as the end of the call' : 'in-band')
