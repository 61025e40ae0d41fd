// Page tokens are positions. Good enough for lists that rarely change; the token is opaque to callers.
import { RestError } from './rest-error.ts'

export type PageQuery = { maxResults?: string; pageToken?: string; startIndex?: string }

/** Items on a page when nobody says how many. */
const PAGE_ITEMS = 1000

/** Where a page starts and how many items it may have. */
export function pageBounds(query: PageQuery, defaultItems: number = PAGE_ITEMS): { start: number; count: number } {
  return {
    start: position('pageToken', query.pageToken || undefined) ?? position('startIndex', query.startIndex) ?? 0,
    count: position('maxResults', query.maxResults) ?? defaultItems,
  }
}

function position(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number))
    throw new RestError(400, 'invalid', `Invalid value for ${name}: ${value.slice(0, 100)}`, {
      location: name,
      locationType: 'parameter',
    })
  return number
}

export function page<T>(
  all: readonly T[],
  query: PageQuery,
): { items: readonly T[]; nextPageToken: string | undefined } {
  const { start, count } = pageBounds(query)
  // A list page of no items would go on for ever.
  const end = start + (count || PAGE_ITEMS)
  return { items: all.slice(start, end), nextPageToken: end < all.length ? String(end) : undefined }
}
