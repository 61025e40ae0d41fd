// What every adapter needs to reach a cluster, already checked and typed. Made by clientSettings() from Kafka-style properties.

import type { ConnectionOptions } from 'node:tls'
import type { Clock, Logger, Random, Timers } from '@millrace/core'
import type { SaslOptions } from './kafkajs-internals.ts'

export type BrokerAddress = { readonly host: string; readonly port: number }

export type ClientSettings = {
  readonly bootstrap: readonly BrokerAddress[]
  readonly clientId: string
  /** null = no TLS. */
  readonly ssl: ConnectionOptions | null
  /** null = no SASL. A function, so that a secret is revealed only when a connection is opened. */
  readonly sasl: (() => SaslOptions) | null
  /** Where the two above come from, as the user wrote the keys: what an error of a login or a TLS handshake names. */
  readonly keys?: { readonly ssl: readonly string[]; readonly sasl: readonly string[] }
  /** Where a broker is really reached, when its advertised address is not (a tunnel, a proxy). */
  readonly reachedAt?: (advertised: BrokerAddress) => BrokerAddress
  /** TCP connect, TLS, ApiVersions and SASL together. */
  readonly connectTimeoutMs: number
  /** Answer to one request, beyond the time the broker may hold it on purpose. */
  readonly requestTimeoutMs: number
}

/** Time, chance and log, given by the composition root. */
export type KafkaDeps = {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly log: Logger
}
