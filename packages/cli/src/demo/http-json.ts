// JSON over HTTP with a bound on time, for the demo's two REST APIs.

const REQUEST_TIMEOUT_MS = 10_000

export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  constructor(method: string, url: string, status: number, body: string) {
    super(`${method} ${url} answered ${status}: ${body.slice(0, 2_000)}`)
    this.status = status
  }
}

export type HttpOptions = { readonly signal: AbortSignal; readonly timeoutMs?: number }

/** The answer's body; rejects with HttpError when it is not a success. */
export async function requestJson(method: string, url: string, body: unknown, options: HttpOptions): Promise<unknown> {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs ?? REQUEST_TIMEOUT_MS)]),
    ...(body === null ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const text = await response.text()
  if (!response.ok) throw new HttpError(method, url, response.status, text)
  return text === '' ? null : JSON.parse(text)
}
