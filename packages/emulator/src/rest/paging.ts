// Page tokens are positions. Good enough for lists that rarely change; the token is opaque to callers.
import { RestError } from './rest-error.ts'

export type PageQuery = { maxResults?: string; pageToken?: string; startIndex?: string }

/** Items on a page when nobody says how many. */
const PAGE_ITEMS = 1000

/** Where a page starts and how many items it may have. */
export function pageBounds(query: PageQuery, defaultItems: number = PAGE_ITEMS): { start: number; count: number } {
  const start = Number(query.pageToken ?? query.startIndex ?? 0)
  const count = Number(query.maxResults ?? defaultItems)
  if (!Number.isSafeInteger(start) || start < 0) throw new RestError(400, 'invalid', 'Invalid pageToken or startIndex')
  if (!Number.isSafeInteger(count) || count < 0) throw new RestError(400, 'invalid', 'Invalid maxResults')
  return { start, count }
}

export function page<T>(
  all: readonly T[],
  query: PageQuery,
): { items: readonly T[]; nextPageToken: string | undefined } {
  const { start, count } = pageBounds(query)
  const end = start + count
  return { items: all.slice(start, end), nextPageToken: end < all.length ? String(end) : undefined }
}
