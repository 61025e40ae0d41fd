// What a person sees while the demo runs: a small panel on a terminal, otherwise a line every few seconds.

import { setTimeout as sleep } from 'node:timers/promises'
import type { WriteStream } from 'node:tty'
import type { Situation } from './situation.ts'

const PANEL_EVERY_MS = 250
const LINE_EVERY_MS = 3_000
const RATE_WINDOW_MS = 3_000
const BAR_WIDTH = 40

export type Output = { write(text: string): void; readonly terminal: boolean }

export const outputTo = (stream: NodeJS.WriteStream): Output => ({
  write: text => void stream.write(text),
  terminal: (stream as Partial<WriteStream>).isTTY === true,
})

const number = (value: number): string => Math.round(value).toLocaleString('en-US')

export class Progress {
  readonly #output: Output
  readonly #records: number
  readonly #rates: { readonly atMs: number; readonly landed: number }[] = []
  #situation: Situation | null = null
  #panelLines = 0

  constructor(output: Output, records: number) {
    this.#output = output
    this.#records = records
  }

  /** Something happened: one line that stays. */
  event(sentence: string): void {
    this.#erasePanel()
    const at = this.#situation === null ? '' : `${this.#situation.seconds().toFixed(1).padStart(6)} s  `
    this.#output.write(`${at}${sentence}\n`)
  }

  /** Shows the situation until the signal aborts. */
  async show(situation: Situation, signal: AbortSignal): Promise<void> {
    this.#situation = situation
    while (!signal.aborted) {
      await sleep(this.#output.terminal ? PANEL_EVERY_MS : LINE_EVERY_MS, undefined, { signal }).catch(() => {})
      if (signal.aborted) break
      if (this.#output.terminal) this.#drawPanel(situation)
      else this.#output.write(`${this.#line(situation)}\n`)
    }
    this.#erasePanel()
  }

  #line(situation: Situation): string {
    const percent = Math.floor((100 * situation.landed()) / this.#records)
    const owners = this.#owners(situation).map(({ name, partitions }) => `${name}: ${partitions.length}`)
    return (
      `${situation.seconds().toFixed(1).padStart(6)} s  ${number(situation.landed())} rows (${percent} %)  ` +
      `${number(this.#rate(situation))} rows/s  lag ${number(this.#lag(situation))}  ` +
      `partitions ${owners.join(', ') || 'nobody'}  takeovers ${situation.sources.cluster.takeovers()}`
    )
  }

  #drawPanel(situation: Situation): void {
    const done = Math.min(1, situation.landed() / this.#records)
    const full = Math.round(done * BAR_WIDTH)
    const lines = [
      `  ${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}  ${number(situation.landed())} of ${number(this.#records)} rows`,
      `  ${situation.seconds().toFixed(0)} s   ${number(this.#rate(situation))} rows/s   lag ${number(this.#lag(situation))}   ` +
        `takeovers ${situation.sources.cluster.takeovers()}`,
      ...this.#owners(situation).map(
        ({ name, state, partitions }) => `  ${name.padEnd(9)} ${state.padEnd(8)} ${partitions.join(' ')}`,
      ),
    ]
    this.#erasePanel()
    this.#output.write(`${lines.join('\n')}\n`)
    this.#panelLines = lines.length
  }

  #erasePanel(): void {
    // Cursor up so many lines, then clear to the end of the screen.
    if (this.#panelLines > 0) this.#output.write(`\x1b[${this.#panelLines}A\x1b[0J`)
    this.#panelLines = 0
  }

  #owners(situation: Situation): { name: string; state: string; partitions: number[] }[] {
    const partitions = situation.partitions()
    return situation.sources.fleet
      .all()
      .map(({ name, id, state }) => ({
        name,
        state,
        partitions: partitions.filter(p => p.worker === id).map(p => p.partition),
      }))
      .filter(owner => owner.state !== 'killed' || owner.partitions.length > 0)
  }

  #lag(situation: Situation): number {
    return Math.max(0, situation.sources.producer.produced() - situation.landed())
  }

  #rate(situation: Situation): number {
    const nowMs = performance.now()
    this.#rates.push({ atMs: nowMs, landed: situation.landed() })
    while (this.#rates.length > 2 && nowMs - (this.#rates[1]?.atMs ?? nowMs) > RATE_WINDOW_MS) this.#rates.shift()
    const first = this.#rates[0]
    if (first === undefined || nowMs - first.atMs < 1) return 0
    return ((situation.landed() - first.landed) * 1000) / (nowMs - first.atMs)
  }
}
