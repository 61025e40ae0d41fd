// Time and chance, injected everywhere outside `cli` so that a simulator can own them.

export interface Clock {
  /** Wall clock, ms since the epoch: for people and records, never for lease safety. */
  nowMs(): number
  /** Monotonic ms: for every duration and deadline. */
  monotonicMs(): number
}
export interface Timers {
  /** Resolves after `ms` (0: once pending I/O had its turn); rejects with `signal.reason` when aborted first. */
  sleep(ms: number, options: { signal: AbortSignal }): Promise<void>
}
export interface Random {
  /** Uniform 32 random bits. */
  nextUint32(): number
  /** A fresh id with ≥ 96 random bits, `[a-z0-9]`. */
  nextId(): string
}
/** Structured log: fields first, then one sentence. ERROR needs an operator, WARN recovered, INFO lifecycle. */
export interface Logger {
  error(fields: object, sentence: string): void
  warn(fields: object, sentence: string): void
  info(fields: object, sentence: string): void
  debug(fields: object, sentence: string): void
  child(bindings: object): Logger
}
