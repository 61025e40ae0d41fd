// A probe asks a service one thing that the promise of docs/exactly-once.md rests on, and says what it saw.
import { isMillraceError, type MillraceError } from '@millrace/core'
import type { Site } from './site.ts'

/**
 * `holds`: seen as assumed · `false`: seen otherwise, with the sentence that says how · `undecided`: the probe could not bring
 * about what it is for, or could not finish · `noted`: nothing rests on it, the answer is good to know.
 */
export type Verdict = 'holds' | 'false' | 'undecided' | 'noted'
export type Finding = { readonly verdict: Verdict; readonly observed: string }

export type Probe = {
  /** As docs/exactly-once.md numbers the assumptions; a letter where one has several probes. */
  readonly id: string
  readonly assumption: string
  run(site: Site): Promise<Finding>
}

export const holds = (observed: string): Finding => ({ verdict: 'holds', observed })
export const noted = (observed: string): Finding => ({ verdict: 'noted', observed })
export const undecided = (observed: string): Finding => ({ verdict: 'undecided', observed })

/** Thrown where the service does what the protocol takes to be impossible. */
class Contradiction extends Error {}

/** @param otherwise the sentence that says what was seen instead. */
export function must(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Contradiction(otherwise)
}

/** Never throws, but for an interrupt: whatever else goes wrong decides nothing about the service. */
export async function findingOf(probe: Probe, site: Site): Promise<Finding> {
  try {
    return legible(await probe.run(site), site)
  } catch (error) {
    if (site.signal.aborted) throw site.signal.reason
    if (error instanceof Contradiction) return legible({ verdict: 'false', observed: error.message }, site)
    return legible(undecided(`the probe could not finish: ${reasonOf(error)}`), site)
  }
}

/** The service's texts name the stream three times over; it is gone with the table. */
const legible = ({ verdict, observed }: Finding, { table }: Site): Finding => ({
  verdict,
  observed: observed.replaceAll(table, 'the table').replaceAll(/the table\/streams\/[\w-]+/g, 'the stream'),
})

/** One line. Errors of ours name their code; no error of ours carries anything of a credential. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return isMillraceError(error) ? `${error.code} (${line})` : line
}

/** The answer "not found", wherever it is asked. */
export const isGone = (error: unknown): error is MillraceError => isMillraceError(error) && error.code === 'STREAM_GONE'
