// How many items a text has between its commas, before anything is taken apart: a body may hold half a million of them.

/** Of any list: as many as a connector may have topics. */
export const LIST_ITEMS_MAX = 10_000

export function hasMoreItems(text: string, max: number): boolean {
  let items = 1
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) if (++items > max) return true
  return false
}

export const tooManyItems = (max: number): string => `List may have at most ${max} items`
