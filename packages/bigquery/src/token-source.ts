// The access token as the rest of the adapter sees it, whatever the credentials behind it.
import type { Disposition } from '@millrace/core'

export interface TokenSource {
  /** A token that is good for a while. Rejects BIGQUERY_AUTH_FAILED (failPartition), or with disposition retry. */
  token(options: { signal: AbortSignal }): Promise<string>
  /** The service refused this token: it is dropped, once. `failPartition` when the one fetched to replace a refused one was refused at once. */
  refused(token: string): Disposition
}
