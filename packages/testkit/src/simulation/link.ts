// The network between a machine and a service: each call takes a while there and back, and may be lost on the way in either
// direction. What reached the service has happened, whoever still waits for the answer.
import type { Machine } from './machine.ts'
import type { Scheduler } from './scheduler.ts'

/** What becomes of one call. */
export type Crossing = {
  readonly requestMs: number
  readonly replyMs: number
  /** `request`: the service never saw it. `reply`: it was carried out, the caller is told it failed. */
  readonly lost?: 'request' | 'reply'
  /** Carried out once more, so much later. */
  readonly againMs?: number
}

export type LinkOptions = {
  readonly name: string
  /** Decides about each call. */
  readonly crossing: (machine: Machine, what: string) => Crossing
  /** What the caller is told about a call that was lost. */
  readonly lostError: (what: string) => Error
  /** Called when a call begins and when its effect is there: the moments at which a process may die. */
  readonly onCall?: (machine: Machine, what: string, when: 'before' | 'after') => void
}

const never = <T>(): Promise<T> => new Promise(() => {})

export class Link {
  readonly #scheduler: Scheduler
  readonly #options: LinkOptions

  constructor(scheduler: Scheduler, options: LinkOptions) {
    this.#scheduler = scheduler
    this.#options = options
  }

  /** Rejects with `signal.reason` as soon as it is aborted; the call itself goes on. */
  call<T>(machine: Machine, what: string, perform: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const { name, crossing, lostError, onCall } = this.#options
    onCall?.(machine, what, 'before')
    if (!machine.isAlive) return never()
    const { requestMs, replyMs, lost, againMs } = crossing(machine, what)
    const label = `${machine.name} ${name}.${what}`
    return new Promise((resolve, reject) => {
      let onAbort: (() => void) | null = null
      const answer = (how: string, run: () => void): void => {
        machine.deliver(replyMs, `${label} ${how}`, () => {
          if (onAbort !== null) signal?.removeEventListener('abort', onAbort)
          run()
        })
      }
      if (signal !== undefined) {
        onAbort = () => reject(signal.reason)
        signal.addEventListener('abort', onAbort, { once: true })
      }
      this.#scheduler.at(requestMs, `${label} ${lost === 'request' ? 'lost' : 'arrives'}`, () => {
        if (lost === 'request') return answer('fails', () => reject(lostError(what)))
        const result = perform()
        onCall?.(machine, what, 'after')
        result.then(
          value => answer('answers', () => (lost === 'reply' ? reject(lostError(what)) : resolve(value))),
          error => answer('refuses', () => reject(error)),
        )
        if (againMs !== undefined)
          this.#scheduler.at(againMs, `${label} again`, () => void perform().catch(() => undefined))
      })
    })
  }
}
