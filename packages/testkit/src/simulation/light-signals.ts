// AbortController and AbortSignal for simulated time: the part of the platform's that our code uses, in the same order of events,
// without event objects, exceptions made on the spot and weak references. Thousands are made per simulated second.
// https://dom.spec.whatwg.org/#interface-abortcontroller
// Invariant: a run under these is the same run as under the platform's, to the last step (test/sim/sim.test.ts).

const ABORTED = new DOMException('This operation was aborted', 'AbortError')
const EVENT = { type: 'abort' } as const
type Listener = (event: typeof EVENT) => void

class LightSignal {
  #isAborted = false
  #reason: unknown
  /** In the order they came; each is heard once. */
  #listeners: Set<Listener> | null = null
  /** Signals that are aborted with this one; they live as long as the run that made them. */
  #dependents: Set<LightSignal> | null = null
  /** Of a composite: signals that were made with a controller. */
  #sources: readonly LightSignal[] | null = null

  get aborted(): boolean {
    return this.#isAborted
  }
  get reason(): unknown {
    return this.#reason
  }
  throwIfAborted(): void {
    if (this.#isAborted) throw this.#reason
  }
  addEventListener(_type: 'abort', listener: Listener): void {
    if (this.#isAborted) return
    this.#listeners ??= new Set()
    this.#listeners.add(listener)
  }
  removeEventListener(_type: 'abort', listener: Listener): void {
    this.#listeners?.delete(listener)
  }

  /** All dependents are aborted before anybody hears of it, as the standard says. */
  abortWith(reason: unknown): void {
    if (this.#isAborted) return
    this.#isAborted = true
    this.#reason = reason
    const told: LightSignal[] = [this]
    for (const dependent of this.#dependents ?? []) {
      if (dependent.#isAborted) continue
      dependent.#isAborted = true
      dependent.#reason = reason
      told.push(dependent)
    }
    this.#dependents = null
    for (const signal of told) signal.#tell()
  }
  #tell(): void {
    for (const source of this.#sources ?? []) source.#dependents?.delete(this)
    this.#sources = null
    if (this.#listeners !== null) for (const listener of this.#listeners) listener(EVENT)
    this.#listeners = null
  }

  static abort(reason: unknown = ABORTED): LightSignal {
    const signal = new LightSignal()
    signal.#isAborted = true
    signal.#reason = reason
    return signal
  }
  static any(signals: readonly LightSignal[]): LightSignal {
    const composite = new LightSignal()
    for (const signal of signals)
      if (signal.#isAborted) {
        composite.#isAborted = true
        composite.#reason = signal.#reason
        return composite
      }
    const sources = signals.flatMap(signal => signal.#sources ?? [signal])
    composite.#sources = sources
    for (const source of sources) {
      if (source instanceof NeverSignal) continue
      source.#dependents ??= new Set()
      source.#dependents.add(composite)
    }
    return composite
  }
}

/** Of those who never give up: it keeps nobody who waits, or what a run leaves behind would stay for ever. */
class NeverSignal extends LightSignal {
  override addEventListener(): void {}
}

class LightController {
  readonly signal: LightSignal = new LightSignal()
  abort(reason: unknown = ABORTED): void {
    this.signal.abortWith(reason)
  }
}

const PLATFORM = { AbortController: globalThis.AbortController, AbortSignal: globalThis.AbortSignal }
const NEVER = new NeverSignal() as unknown as AbortSignal

/** `AbortController` and `AbortSignal` of this thread are the light ones, until the answer is called. Do not mix them with others. */
export function useLightSignals(): () => void {
  Object.assign(globalThis, { AbortController: LightController, AbortSignal: LightSignal })
  return () => void Object.assign(globalThis, PLATFORM)
}

/** For callers who never give up. */
export const neverAborted = (): AbortSignal =>
  globalThis.AbortController === PLATFORM.AbortController ? new AbortController().signal : NEVER
