// `bigquery.endpoint` and `bigquery.rest.endpoint`: `http://` means plaintext without credentials, for the emulator;
// `https://` or nothing means TLS with credentials.
import { MillraceError } from '@millrace/core'

export type Endpoint = { readonly host: string; readonly port: number; readonly isPlaintext: boolean }

export const WRITE_API_ENDPOINT = 'https://bigquerystorage.googleapis.com'
export const REST_ENDPOINT = 'https://bigquery.googleapis.com'

/** @param key the configuration key the URL came from, for the message. */
export function parseEndpoint(url: string, key: string): Endpoint {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') || !isBare(parsed)) {
    throw new MillraceError('CONFIG_INVALID', 'failPartition', `${key} must be a URL of scheme, host and port only.`)
  }
  const isPlaintext = parsed.protocol === 'http:'
  return { host: parsed.hostname, port: Number(parsed.port || (isPlaintext ? 80 : 443)), isPlaintext }
}

const isBare = (url: URL): boolean =>
  (url.pathname === '/' || url.pathname === '') &&
  url.search === '' &&
  url.hash === '' &&
  url.username === '' &&
  url.password === ''
