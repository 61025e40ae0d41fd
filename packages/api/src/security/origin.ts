// Pages of other origins. A browser lets any page send a POST without a body to 127.0.0.1, and adds the password it remembers:
// it names the page in `Origin`, which no script can forge.

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The scheme does not count: whoever ends TLS before us changes it. */
export function isForeignOrigin(method: string, origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined || SAFE_METHODS.has(method)) return false
  const page = /^[a-z][a-z0-9+.-]*:\/\/([^/]+)$/i.exec(origin)?.[1]
  return page === undefined || page.toLowerCase() !== (host ?? '').toLowerCase()
}
