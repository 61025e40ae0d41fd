// What a claim is waiting for right now, by kind of wait: whoever asks again says so here, so that nobody waits in silence.
import type { Clock, ErrorCode, MillraceError, Waiting } from '@millrace/core'

/** Reported with every report: long vendor messages are cut. */
const MESSAGE_CHARS_MAX = 300

export type RetryNotes = { readonly onRetry: (error: MillraceError) => void; readonly onOver: () => void }

export class Waits {
  readonly #clock: Pick<Clock, 'nowMs'>
  /** By kind of wait; a handful per lane. */
  readonly #current = new Map<string, Waiting>()

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock
  }

  /** The same wait with another reason goes on: `sinceMs` stays. */
  on(what: string, code: ErrorCode, message: string): void {
    const sinceMs = this.#current.get(what)?.sinceMs ?? this.#clock.nowMs()
    this.#current.set(what, { code, message: message.slice(0, MESSAGE_CHARS_MAX), sinceMs })
  }

  off(what: string): void {
    this.#current.delete(what)
  }

  /** For `untilDefinitive`: waits from the first failure until the call is over. */
  retrying(what: string): RetryNotes {
    return { onRetry: error => this.on(what, error.code, error.message), onOver: () => this.off(what) }
  }

  /** The one that has lasted longest. */
  get longest(): Waiting | null {
    let longest: Waiting | null = null
    for (const wait of this.#current.values()) if (longest === null || wait.sinceMs < longest.sinceMs) longest = wait
    return longest
  }
}
