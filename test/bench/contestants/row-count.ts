// How a program that writes no rows tells from time to time how many it is done with: a number in a file.
import { closeSync, openSync, writeSync } from 'node:fs'

const WRITE_EVERY_MS = 20
const DIGITS = 16

export class RowCount {
  readonly #file: number
  #writeAtMs = 0
  total = 0

  constructor(path: string) {
    this.#file = openSync(path, 'w')
  }

  add(count: number): void {
    this.total += count
    if (performance.now() >= this.#writeAtMs) this.write()
  }

  write(): void {
    this.#writeAtMs = performance.now() + WRITE_EVERY_MS
    writeSync(this.#file, String(this.total).padStart(DIGITS), 0)
  }

  close(): void {
    this.write()
    closeSync(this.#file)
  }
}
