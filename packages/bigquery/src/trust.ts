// Whom TLS trusts: what Node trusts (its roots, NODE_EXTRA_CA_CERTS), and the operator's own authority where one is named.
import { getCACertificates } from 'node:tls'

/** undefined: Node's own default. */
export const trustedRoots = (ca: string | undefined): string[] | undefined =>
  ca === undefined ? undefined : [...getCACertificates('default'), ca]
