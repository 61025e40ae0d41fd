// Where access tokens come from: a service account key given to the connector, or the worker's application default
// credentials. A key from a connector's configuration may only be a service account: other kinds name URLs or programs of
// the writer's choice. https://cloud.google.com/docs/authentication/external/externally-sourced-credentials
// No error of this file carries anything of a key, a token or an answer but names; the library's own errors are not attached.
import { createPrivateKey } from 'node:crypto'
import { type ErrorCode, isMillraceError, MillraceError, type Secret } from '@millrace/core'
import { type AuthClient, GoogleAuth, JWT, OAuth2Client, PluggableAuthClient } from 'google-auth-library'

export type CredentialSource =
  | { readonly kind: 'applicationDefault' }
  | { readonly kind: 'keyJson'; readonly json: Secret }

/** Both are needed: the first for tables (REST), the second suffices for rows. */
const SCOPES: readonly string[] = [
  'https://www.googleapis.com/auth/bigquery',
  'https://www.googleapis.com/auth/bigquery.insertdata',
]

export type FetchedToken = { readonly token: string; readonly lifetimeMs: number }
export type FetchToken = () => Promise<FetchedToken>

/** Every name we send carries its project; without one the library would look for it with programs and a metadata server, for seconds. */
const NO_PROJECT = 'unused'
/** For answers that name no expiry: short enough to be safe, long enough not to ask at every call. */
const LIFETIME_UNKNOWN_MS = 5 * 60_000

/**
 * Reads and checks the credentials; no network yet, except where application default credentials look for a metadata server.
 * @param tokenEndpoint replaces Google's token endpoint: private access paths, and tests. Operator's setting only.
 */
export async function openCredentials(
  source: CredentialSource,
  tokenEndpoint: string | undefined,
): Promise<FetchToken> {
  const client =
    source.kind === 'applicationDefault' ? await applicationDefaultClient() : serviceAccountClient(source.json)
  if (tokenEndpoint !== undefined) redirectTokenRequests(client, tokenEndpoint)
  return async () => {
    try {
      return await fetchToken(withoutToken(client))
    } catch (error) {
      throw isMillraceError(error) ? error : describeFailure(error)
    }
  }
}

/** Of the key only who it is and how it signs: where tokens come from is Google's constant, whatever `token_uri` it names. */
function serviceAccountClient(json: Secret): JWT {
  const key = parseServiceAccountKey(json.reveal())
  return new JWT({ email: key.email, key: key.privateKey, keyId: key.keyId, scopes: [...SCOPES] })
}

/** A service account client hands out its token until that expires; the cache is ours, so that a refused one is gone. */
const withoutToken = (client: AuthClient): AuthClient =>
  client instanceof JWT ? client.createScoped([...SCOPES]) : client

type ServiceAccountKey = { readonly email: string; readonly privateKey: string; readonly keyId: string }

/** JSON.parse would quote the key, so its error is dropped. */
function parseServiceAccountKey(text: string): ServiceAccountKey {
  const key = parseObject(text)
  if (key === null) throw authFailed('keyfile is not a JSON object.')
  if (key.type !== 'service_account') {
    const kind = typeof key.type === 'string' && /^[a-z_]{1,40}$/.test(key.type) ? key.type : 'unknown'
    throw authFailed(`keyfile holds credentials of type ${kind}; only service_account is accepted here.`)
  }
  const { client_email: email, private_key: privateKey, private_key_id: keyId } = key
  if (typeof email !== 'string' || typeof privateKey !== 'string') {
    throw authFailed('keyfile lacks client_email or private_key.')
  }
  try {
    createPrivateKey(privateKey)
  } catch {
    throw authFailed('keyfile: private_key is not a valid PEM key.')
  }
  return { email, privateKey, keyId: typeof keyId === 'string' ? keyId : '' }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

/** The operator's own credentials may be of more kinds, but none that runs a program. */
async function applicationDefaultClient(): Promise<AuthClient> {
  const client = await findApplicationDefault()
  if (client instanceof PluggableAuthClient)
    throw authFailed('Application default credentials that run a program are refused.')
  return client
}

async function findApplicationDefault(): Promise<AuthClient> {
  try {
    return await new GoogleAuth({ scopes: [...SCOPES], projectId: NO_PROJECT }).getClient()
  } catch {
    throw authFailed(
      'No application default credentials were found; set keyfile, or GOOGLE_APPLICATION_CREDENTIALS on the worker.',
    )
  }
}

async function fetchToken(client: AuthClient): Promise<FetchedToken> {
  const credentials =
    client instanceof OAuth2Client ? (await client.refreshAccessToken()).credentials : await askForToken(client)
  const token = credentials.access_token
  if (typeof token !== 'string' || token === '') throw authFailed('The token endpoint answered without a token.')
  const expiresAtMs = credentials.expiry_date
  // The library computes the expiry from the wall clock a moment ago, so the wall clock undoes it.
  const lifetimeMs = typeof expiresAtMs === 'number' ? expiresAtMs - Date.now() : LIFETIME_UNKNOWN_MS
  return { token, lifetimeMs: Math.max(0, lifetimeMs) }
}

async function askForToken(client: AuthClient): Promise<{ access_token?: string | null; expiry_date?: number | null }> {
  const { token } = await client.getAccessToken()
  return { access_token: token ?? null, expiry_date: client.credentials.expiry_date ?? null }
}

function redirectTokenRequests(client: AuthClient, tokenEndpoint: string): void {
  client.transporter.interceptors.request.add({
    resolved: async config => {
      config.url = new URL(tokenEndpoint)
      return config
    },
  })
}

/** From a failure of the library to one of ours: status and OAuth error name only. */
function describeFailure(error: unknown): MillraceError {
  const response = fieldOf(error, 'response')
  const status = fieldOf(response, 'status')
  const oauthError = fieldOf(fieldOf(response, 'data'), 'error')
  const name = typeof oauthError === 'string' && /^[a-z_]{1,60}$/.test(oauthError) ? ` (${oauthError})` : ''
  if (typeof status === 'number' && status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return authFailed(`The token endpoint refused the credentials: HTTP ${status}${name}.`)
  }
  const what = typeof status === 'number' ? `answered HTTP ${status}` : 'did not answer'
  return authError('BIGQUERY_UNREACHABLE', 'retry', `The token endpoint ${what}.`)
}

const fieldOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined

const authFailed = (message: string): MillraceError => authError('BIGQUERY_AUTH_FAILED', 'failPartition', message)
const authError = (code: ErrorCode, disposition: 'retry' | 'failPartition', message: string): MillraceError =>
  new MillraceError(code, disposition, message)
