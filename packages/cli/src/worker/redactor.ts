// Takes what came out of config providers out of text again: log lines and traces, whoever wrote them. Values that are secrets by
// type never get that far; this is for the rest, such as a password in the middle of a URL in the error of a library.

/** A few per connector. Beyond it the oldest are forgotten. */
const VALUES_MAX = 10_000
/** Of all of them together; a key file is 3 kB. */
const CHARACTERS_MAX = 16 * 1024 * 1024
/** Shorter ones are in every other word. */
const CHARACTERS_MIN = 4
export const HIDDEN = '[hidden]'

export class Redactor {
  readonly #values = new Set<string>()
  #characters = 0

  add(value: string): void {
    for (const part of [value, value.trim()]) {
      if (part.length < CHARACTERS_MIN || this.#values.has(part)) continue
      this.#values.add(part)
      this.#characters += part.length
    }
    for (const oldest of this.#values) {
      if (this.#values.size <= VALUES_MAX && this.#characters <= CHARACTERS_MAX) return
      this.#values.delete(oldest)
      this.#characters -= oldest.length
    }
  }

  text(text: string): string {
    let clean = text
    for (const value of this.#values) if (clean.includes(value)) clean = clean.replaceAll(value, HIDDEN)
    return clean
  }

  /** A line of JSON stays one: only its strings are changed. */
  jsonLine(line: string): string {
    if (!this.#isTold(line)) return line
    try {
      const parsed: unknown = JSON.parse(line, (_key, value: unknown) =>
        typeof value === 'string' ? this.text(value) : value,
      )
      return `${JSON.stringify(parsed)}\n`
    } catch {
      return this.text(line)
    }
  }

  #isTold(line: string): boolean {
    for (const value of this.#values) if (line.includes(JSON.stringify(value).slice(1, -1))) return true
    return false
  }
}
