// What requests with an Idempotency-Key leave in the config log: in the record of their change, and carried on by the records
// that follow. So a request that is sent again finds that it was carried out in the same compare-and-set that would do it twice.
import type { ControlChange } from '../ports/config-store.ts'
import type { ConfigLogState } from './config-log.ts'

/** Of a request that may be sent again. Digests only: neither the key nor the request can be read from them. */
export type RequestKey = {
  /** Of who asked and the key. */
  readonly key: string
  /** Of what was asked: another request under the same key is a mistake of the client. */
  readonly request: string
}

/** A request that was carried out: what came of it. */
export type RequestMark = RequestKey & {
  readonly change: ControlChange['kind']
  readonly outcome: 'written' | 'unchanged' | 'deleted'
  /** Of the connector, by this request. */
  readonly version: number
  readonly atMs: number
}

/** 32 marks of about 150 bytes in the newest record of each name; the oldest go first. */
export const MARKS_MAX = 32
/** After this a key is forgotten. Longer than any client goes on trying. */
export const MARK_AGE_MAX_MS: number = 24 * 3_600_000

/** The marks the next record carries: its own first, then those of the record it replaces. */
export function marksAfter(
  marks: readonly RequestMark[],
  own: RequestMark | null,
  nowMs: number,
): readonly RequestMark[] {
  const kept = marks.filter(mark => isRemembered(mark, nowMs))
  return (own === null ? kept : [own, ...kept]).slice(0, MARKS_MAX)
}

/** What requests under this key did, by the name of the connector; of a bulk request there may be many. */
export function marksOf(log: ConfigLogState, key: string, nowMs: number): ReadonlyMap<string, RequestMark> {
  const found = new Map<string, RequestMark>()
  for (const [name, { head }] of log) {
    const mark = head.marks?.find(candidate => candidate.key === key && isRemembered(candidate, nowMs))
    if (mark !== undefined) found.set(name, mark)
  }
  return found
}

const isRemembered = ({ atMs }: RequestMark, nowMs: number): boolean => nowMs - atMs < MARK_AGE_MAX_MS
