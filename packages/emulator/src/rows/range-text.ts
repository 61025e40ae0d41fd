// The literal of a RANGE: `[2020-01-01, UNBOUNDED)`.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#range_literals

/** Its bounds as texts, undefined for an open side (UNBOUNDED or NULL); undefined when it is no such literal. */
export function rangeTexts(text: string): readonly [start: string | undefined, end: string | undefined] | undefined {
  const match = /^\s*\[([^,]*),([^,]*)\)\s*$/.exec(text)
  if (!match) return undefined
  const bound = (side: string): string | undefined => (/^(UNBOUNDED|NULL)$/i.test(side) ? undefined : side)
  return [bound(match[1]!.trim()), bound(match[2]!.trim())]
}
