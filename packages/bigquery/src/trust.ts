// Whom TLS trusts: what Node trusts (its roots and NODE_EXTRA_CA_CERTS, which grpc-js by itself would leave out), and the
// operator's own authority where one is named.
import { getCACertificates } from 'node:tls'

export const trustedRoots = (ca: string | undefined): readonly string[] => [
  ...getCACertificates('default'),
  ...(ca === undefined ? [] : [ca]),
]
