// gRPC channels to the Storage Write API. One TCP connection carries at most 100 streams (the 101st would wait for ever),
// so append connections are spread over channels of their own, well below that; unary calls have one to themselves.

import { type ChannelCredentials, type ChannelOptions, Client, credentials } from '@grpc/grpc-js'
import { MillraceError } from '@millrace/core'
import type { Endpoint } from './endpoint.ts'
import { trustedRoots } from './trust.ts'

/** Half of HTTP/2's usual limit: room for calls that are still being torn down. */
const STREAMS_PER_CHANNEL_MAX = 50
/** Streams are spread over this many TCP connections before any carries two: one alone would share its window. */
const CHANNELS_SPREAD = 4
/** × 50 streams = the service's 10,000 connections per project. https://cloud.google.com/bigquery/quotas#write-api-limits */
const CHANNELS_MAX = 200
/** A response holds row errors at most, which the service itself truncates. */
const RESPONSE_MAX_BYTES = 32 << 20

const CHANNEL_OPTIONS: ChannelOptions = {
  // grpc-js pools TCP connections by address behind our back otherwise.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  // Retrying is ours to do, with the bytes we keep; grpc-js would buffer a second copy.
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.max_send_message_length': -1,
  'grpc.max_receive_message_length': RESPONSE_MAX_BYTES,
  // The default grows to two minutes, which a restarted endpoint would make every lane wait.
  'grpc.initial_reconnect_backoff_ms': 200,
  'grpc.max_reconnect_backoff_ms': 5_000,
  'grpc.primary_user_agent': 'millrace/0.1.0',
}

export type ChannelLease = {
  readonly client: Client
  /** Gives the slot back. `isSuspect`: something on this channel hung; no new stream goes there. Idempotent. */
  release(options: { readonly isSuspect: boolean }): void
}

type Slot = { readonly client: Client; streams: number; isRetired: boolean }

export class ChannelPool {
  readonly #endpoint: Endpoint
  readonly #credentials: ChannelCredentials
  readonly #slots = new Set<Slot>()
  #unary: Client | undefined
  #isClosed = false

  /** @param ca PEM certificates trusted besides the system's; NODE_EXTRA_CA_CERTS works as well. */
  constructor(endpoint: Endpoint, ca: string | undefined) {
    this.#endpoint = endpoint
    this.#credentials = endpoint.isPlaintext ? credentials.createInsecure() : secureCredentials(ca)
  }

  /** The client for unary calls. */
  get unary(): Client {
    this.#unary ??= this.#openClient()
    return this.#unary
  }

  /** A channel with room for one more append stream. */
  lease(): ChannelLease {
    const slot = this.#slotWithRoom()
    slot.streams++
    let isReleased = false
    return {
      client: slot.client,
      release: ({ isSuspect }) => {
        if (isReleased) return
        isReleased = true
        slot.streams--
        slot.isRetired ||= isSuspect
        this.#closeIfUnused(slot)
      },
    }
  }

  close(): void {
    this.#isClosed = true
    this.#unary?.close()
    this.#unary = undefined
    for (const slot of this.#slots) slot.client.close()
    this.#slots.clear()
  }

  #slotWithRoom(): Slot {
    let best: Slot | undefined
    let usable = 0
    for (const slot of this.#slots) {
      if (slot.isRetired) continue
      usable++
      if (best === undefined || slot.streams < best.streams) best = slot
    }
    const isFull = best === undefined || best.streams >= STREAMS_PER_CHANNEL_MAX
    const shouldSpread = usable < CHANNELS_SPREAD && best !== undefined && best.streams > 0
    if (best !== undefined && !isFull && !shouldSpread) return best
    if (this.#slots.size >= CHANNELS_MAX) {
      throw new MillraceError('BIGQUERY_QUOTA', 'retry', `${CHANNELS_MAX} channels to BigQuery are in use already.`)
    }
    const slot: Slot = { client: this.#openClient(), streams: 0, isRetired: false }
    this.#slots.add(slot)
    return slot
  }

  #closeIfUnused(slot: Slot): void {
    if (slot.streams > 0) return
    if (!slot.isRetired && this.#slots.size <= CHANNELS_SPREAD) return
    if (this.#slots.delete(slot)) slot.client.close()
  }

  #openClient(): Client {
    if (this.#isClosed)
      throw new MillraceError('BIGQUERY_UNREACHABLE', 'retry', 'This connection to BigQuery is closed.')
    // An emulator is reached directly; a proxy named in the environment is meant for the world outside.
    const proxy = this.#endpoint.isPlaintext ? { 'grpc.enable_http_proxy': 0 } : {}
    return new Client(`${this.#endpoint.host}:${this.#endpoint.port}`, this.#credentials, {
      ...CHANNEL_OPTIONS,
      ...proxy,
    })
  }
}

/** TLS with verification, whatever NODE_TLS_REJECT_UNAUTHORIZED says. */
function secureCredentials(ca: string | undefined): ChannelCredentials {
  const roots = Buffer.from(trustedRoots(ca).join('\n'))
  return credentials.createSsl(roots, null, null, { rejectUnauthorized: true })
}
