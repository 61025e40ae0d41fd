// What is left of each quota, and the service's words when nothing is.
// The texts begin as clients expect: Go retries only what starts with "Exceeds 'AppendRows throughput' quota".
import { createHash } from 'node:crypto'
import type { Table } from '../catalog/resources.ts'
import type { Refusal } from '../wire/storage-error.ts'
import { changeQuotas, type QuotaSettings } from './quota-settings.ts'
import { TokenBucket } from './token-bucket.ts'

/** Projects and locations counted, about 300 bytes each; the oldest are forgotten first. */
const METERS_MAX = 10_000
/** PENDING streams whose bytes are counted, about 300 bytes each. */
const PENDING_STREAMS_MAX = 1_000_000

const SECOND = 1000
const HOUR = 3600 * SECOND

type Meter = {
  readonly userId: string
  readonly appends: TokenBucket | undefined
  readonly creates: TokenBucket | undefined
  readonly quickCreates: TokenBucket | undefined
  pendingBytes: number
}

export class Quotas {
  readonly settings: QuotaSettings
  private readonly nowMs: () => number
  /** Whether a stream still holds pending rows: asked when the quota seems used up. */
  private readonly isPending: (stream: string) => boolean
  private meters = new Map<string, Meter>()
  /** Spares each append the making of its key. */
  private byTable = new WeakMap<Table, Meter>()
  private readonly connections = new Map<string, number>()
  private readonly pending = new Map<string, { readonly meterKey: string; bytes: number }>()

  constructor(settings: QuotaSettings, nowMs: () => number, isPending: (stream: string) => boolean) {
    this.settings = settings
    this.nowMs = nowMs
    this.isPending = isPending
  }

  /** Changes the settings; every bucket is full again. Throws InvalidSetting. */
  change(patch: unknown): void {
    changeQuotas(this.settings, patch)
    this.refill()
  }

  /** Fills every bucket. */
  refill(): void {
    this.meters = new Map()
    this.byTable = new WeakMap()
    for (const { meterKey, bytes } of this.pending.values()) this.meterOf(meterKey).pendingBytes += bytes
  }

  /** One more append of `bytes`; the refusal when the throughput is used up. */
  takeAppend(table: Table, bytes: number, entity: string): Refusal | undefined {
    if (this.settings.appendBytesPerSecond === 0) return undefined
    const meter = this.meter(table)
    if (meter.appends!.take(bytes, this.nowMs())) return undefined
    return exceeded('AppendRows throughput', meter.userId, `Entity: ${entity}`)
  }

  /** `bytes` for a PENDING stream; the refusal when there are too many of them already. */
  takePending(table: Table, stream: string, bytes: number): Refusal | undefined {
    const { pendingBytes } = this.settings
    if (pendingBytes === 0) return undefined
    const meter = this.meter(table)
    if (meter.pendingBytes + bytes > pendingBytes) this.forgetSettled()
    if (meter.pendingBytes + bytes > pendingBytes)
      return exceeded('Pending stream bytes', meter.userId, `Entity: ${stream}`)
    meter.pendingBytes += bytes
    const held = this.pending.get(stream)
    if (held) held.bytes += bytes
    else if (this.pending.size < PENDING_STREAMS_MAX) this.pending.set(stream, { meterKey: meterKey(table), bytes })
    return undefined
  }

  private forgetSettled(): void {
    for (const [stream, { meterKey, bytes }] of this.pending)
      if (!this.isPending(stream)) {
        this.pending.delete(stream)
        this.meterOf(meterKey).pendingBytes -= bytes
      }
  }

  /** One more CreateWriteStream: refused, or to be answered after `slowMs`. */
  takeCreate(table: Table, entity: string): { readonly refusal: Refusal | undefined; readonly slowMs: number } {
    const meter = this.meter(table)
    const nowMs = this.nowMs()
    if (meter.creates && !meter.creates.take(1, nowMs)) {
      const guidelines =
        'For guidelines see https://cloud.google.com/bigquery/docs/write-api-best-practices#limit_the_rate_of_stream_creation.'
      const refusal = exceeded('CreateWriteStream requests', meter.userId, `${guidelines} Entity: ${entity}`)
      return { refusal, slowMs: 0 }
    }
    const isQuick = !meter.quickCreates || meter.quickCreates.take(1, nowMs)
    return { refusal: undefined, slowMs: isQuick ? 0 : this.settings.createStreamsSlowMs }
  }

  /** One more AppendRows call of `project`: the refusal, or undefined and closeConnection is due at its end. */
  openConnection(project: string): Refusal | undefined {
    const open = this.connections.get(project) ?? 0
    const { connections } = this.settings
    // The text is not on record; it is modelled on those that are.
    if (connections > 0 && open >= connections) return exceeded('Concurrent connections', userId(project, 'us'), '')
    this.connections.set(project, open + 1)
    return undefined
  }

  closeConnection(project: string): void {
    const open = (this.connections.get(project) ?? 0) - 1
    if (open > 0) this.connections.set(project, open)
    else this.connections.delete(project)
  }

  view(): Record<string, unknown> {
    const nowMs = this.nowMs()
    return {
      settings: this.settings,
      connections: Object.fromEntries([...this.connections].slice(0, 100)),
      meters: [...this.meters].slice(0, 100).map(([key, meter]) => ({
        key,
        appendBytes: meter.appends?.view(nowMs),
        createStreams: meter.creates?.view(nowMs),
        pendingBytes: meter.pendingBytes,
      })),
    }
  }

  private meter(table: Table): Meter {
    let meter = this.byTable.get(table)
    if (!meter) {
      meter = this.meterOf(meterKey(table))
      this.byTable.set(table, meter)
    }
    return meter
  }

  private meterOf(key: string): Meter {
    let meter = this.meters.get(key)
    if (!meter) {
      meter = this.newMeter(key)
      if (this.meters.size >= METERS_MAX) this.meters.delete(this.meters.keys().next().value!)
      this.meters.set(key, meter)
    }
    return meter
  }

  private newMeter(key: string): Meter {
    const { appendBytesPerSecond, appendRefillMs, createStreamsPerHour, createStreamsPerSecond } = this.settings
    const nowMs = this.nowMs()
    const bucket = (capacity: number, refillMs: number, dryMs: number): TokenBucket | undefined =>
      capacity > 0 ? new TokenBucket(capacity, refillMs, dryMs, nowMs) : undefined
    const [project, location] = key.split('/')
    return {
      userId: userId(project!, location!),
      appends: bucket(appendBytesPerSecond, SECOND, appendRefillMs),
      creates: bucket(createStreamsPerHour, HOUR, 0),
      quickCreates: bucket(createStreamsPerSecond, SECOND, 0),
      pendingBytes: 0,
    }
  }
}

/** Projects have no slash in their names. */
const meterKey = (table: Table): string => `${table.project}/${table.location.toLowerCase()}`

const userId = (project: string, location: string): string =>
  `project${createHash('sha1').update(project).digest('hex').slice(0, 16)}_${location}`

function exceeded(quota: string, user: string, end: string): Refusal {
  const message =
    `Exceeds '${quota}' quota, user_id: ${user} (status: INSUFFICIENT_TOKENS), you can issue a raise quota request ` +
    'through Google Cloud Console. Be sure to include this full error message in the request description.'
  return { code: 'RESOURCE_EXHAUSTED', message: end === '' ? message : `${message} ${end}` }
}
