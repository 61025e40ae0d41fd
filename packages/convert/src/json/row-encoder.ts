// Records to rows: the transcoder first, the general path for whatever it leaves. The general path alone decides what is
// refused and why, so both give the same verdict by construction.
import { ProtoWriter } from '../proto-writer.ts'
import { Refusal, unreadable } from '../refusal.ts'
import type { RowBuffer } from '../row-buffer.ts'
import type { MessagePlan } from '../row-plan.ts'
import { encodeMessage } from './general-encoder.ts'
import { parseJson } from './json-tree.ts'

/** Answers of `encode` instead of a row's byte length. */
export const BAD_RECORD = -1
export const TOMBSTONE = -2

export interface RowEncoder {
  /**
   * Appends the row of the record value `bytes[start, end)` to `out` and answers its byte length (without prefix), or
   * BAD_RECORD (see `lastError`) or TOMBSTONE (the value says null); then `out` is as it was.
   */
  encode(bytes: Buffer, start: number, end: number, out: RowBuffer): number
  /** Why the last BAD_RECORD was bad. */
  readonly lastError: Refusal
}

/** Runs one conversion: its row, or what it threw. */
export class RowAttempt {
  readonly #writer = new ProtoWriter()
  lastError: Refusal = unreadable('No record was refused yet.')

  /** @param write writes the row, or answers TOMBSTONE. */
  run(out: RowBuffer, write: (writer: ProtoWriter) => typeof TOMBSTONE | undefined): number {
    const writer = this.#writer
    writer.reset()
    try {
      if (write(writer) === TOMBSTONE) return TOMBSTONE
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.lastError = error
      return BAD_RECORD
    }
    out.appendRow(writer.view())
    return writer.length
  }
}

/** Schemaless JSON by the general path alone. */
export function compileGeneralJsonEncoder(plan: MessagePlan): RowEncoder {
  const attempt = new RowAttempt()
  return {
    encode: (bytes, start, end, out) =>
      attempt.run(out, writer => {
        const node = parseJson(bytes, start, end)
        if (node.kind === 'null') return TOMBSTONE
        if (node.kind !== 'object') throw notAnObject()
        encodeMessage(writer, plan, bytes, node.members)
        return undefined
      }),
    get lastError() {
      return attempt.lastError
    },
  }
}

/** The sink's own rule: a row comes from an object. */
export const notAnObject = (): Refusal =>
  new Refusal('TASK_PUT', null, 'The value is not a JSON object; only objects become rows.')
