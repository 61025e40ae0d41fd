// What becomes of one request of an AppendRows call.
import { codec } from '../wire/messages.ts'
import { type Refusal, statusMessage } from '../wire/storage-error.ts'

/** `silence` is never answered, and neither is anything after it. A response to a refused request has no rows. */
export type Outcome =
  | { readonly kind: 'respond'; readonly bytes: Buffer; readonly rowCount: number }
  | { readonly kind: 'close'; readonly refusal: Refusal }
  | { readonly kind: 'silence' }

const response = codec('AppendRowsResponse')

export const close = (refusal: Refusal): Outcome => ({ kind: 'close', refusal })
export const SILENCE: Outcome = { kind: 'silence' }

export const respond = (message: Record<string, unknown>, rowCount = 0): Outcome => ({
  kind: 'respond',
  bytes: response.encode(message),
  rowCount,
})

/** A refusal in a response: the call goes on. */
export const refuse = (refusal: Refusal, writeStream: string): Outcome =>
  respond({ error: statusMessage(refusal), writeStream })

/** A refusal where a knob says whether it is a response or ends the call. */
export const refuseAs = (how: 'inBand' | 'close', refusal: Refusal, writeStream: string): Outcome =>
  how === 'close' ? close(refusal) : refuse(refusal, writeStream)
