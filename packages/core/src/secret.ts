// A value that never prints itself. `reveal()` is called only where the value leaves for its one destination.
// The private field also hides it from util.inspect.

export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return '[redacted]'
  }
  toJSON(): string {
    return '[redacted]'
  }
}
