// Equal values get equal numbers, so that a world is a handful of numbers and is compared as such.
// Values are compared by content, and never change: each object is looked at once, a part known before costs one look-up.

/** Numbers every part of every value it is shown. */
export class Parts {
  readonly #numbers = new Map<string, number>()
  readonly #known = new WeakMap<object, number>()

  of(value: object): number {
    const known = this.#known.get(value)
    if (known !== undefined) return known
    const text = this.#text(value)
    let part = this.#numbers.get(text)
    if (part === undefined) {
      part = this.#numbers.size
      this.#numbers.set(text, part)
    }
    this.#known.set(value, part)
    return part
  }

  #text(value: object): string {
    if (value instanceof Error) return `!${value.message}`
    let text = ''
    if (Array.isArray(value)) {
      for (const item of value) text += `,${this.#word(item)}`
      return text
    }
    if (value instanceof Map) {
      for (const [key, item] of value) text += `:${this.#word(key)}=${this.#word(item)}`
      return text
    }
    if (value instanceof Set) {
      for (const item of value) text += `|${this.#word(item)}`
      return text
    }
    const fields = value as Readonly<Record<string, unknown>>
    for (const key in fields) text += `;${key}=${this.#word(fields[key])}`
    return text
  }

  #word(value: unknown): string {
    switch (typeof value) {
      case 'object':
        return value === null ? '~' : `#${this.of(value)}`
      case 'bigint':
        return `${value}n`
      case 'string':
        return `"${value}`
      default:
        return String(value)
    }
  }
}

/** Numbers values of one kind, from 0 on, and finds them again. */
export class Numbers<T extends object> {
  readonly #parts: Parts
  readonly #values: T[] = []
  readonly #numbers = new Map<number, number>()
  constructor(parts: Parts) {
    this.#parts = parts
  }

  of(value: T): number {
    const part = this.#parts.of(value)
    let number = this.#numbers.get(part)
    if (number === undefined) {
      number = this.#values.length
      this.#numbers.set(part, number)
      this.#values.push(value)
    }
    return number
  }

  value(number: number): T {
    return this.#values[number] as T
  }
}
