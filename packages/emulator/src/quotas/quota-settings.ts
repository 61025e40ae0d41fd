// The service's quotas as numbers that can be set. 0 = no such limit.
// Values: https://cloud.google.com/bigquery/quotas#write-api-limits
import { changeKnobs, InvalidSetting, type KnobRules } from '../knobs.ts'

export type QuotaSettings = {
  /** Request bytes of AppendRows per second, by destination project and location. */
  appendBytesPerSecond: number
  /** Once the throughput is used up, all appends are refused for so long: 10 s for a cell, up to 10 min for a region. */
  appendRefillMs: number
  /** How appends beyond the throughput are refused. */
  appendExceeded: 'inBand' | 'close'
  /** AppendRows calls open at a time, by client project. */
  connections: number
  /** CreateWriteStream calls per hour, by project and location. */
  createStreamsPerHour: number
  /** CreateWriteStream calls per second beyond which they are slow. */
  createStreamsPerSecond: number
  createStreamsSlowMs: number
  /** Bytes in PENDING streams that are not committed, by project and location. Counted since the emulator's start. */
  pendingBytes: number
}

const MULTI_REGION: QuotaSettings = {
  appendBytesPerSecond: 3_000_000_000,
  appendRefillMs: 10_000,
  appendExceeded: 'inBand',
  connections: 10_000,
  createStreamsPerHour: 10_000,
  createStreamsPerSecond: 40,
  createStreamsSlowMs: 25_000,
  pendingBytes: 10_000_000_000_000,
}

export const QUOTA_PRESETS: Readonly<Record<string, QuotaSettings>> = {
  multiRegion: MULTI_REGION,
  region: {
    ...MULTI_REGION,
    appendBytesPerSecond: 300_000_000,
    connections: 1_000,
    pendingBytes: 100_000_000_000,
  },
  none: {
    ...MULTI_REGION,
    appendBytesPerSecond: 0,
    connections: 0,
    createStreamsPerHour: 0,
    createStreamsPerSecond: 0,
    pendingBytes: 0,
  },
}

/** The real limits, but for the rate of stream creation: tests create in a minute what an application creates in a day. */
export const DEFAULT_QUOTAS: QuotaSettings = { ...MULTI_REGION, createStreamsPerHour: 0, createStreamsPerSecond: 0 }

export type QuotaPatch = Partial<QuotaSettings> & { readonly preset?: string }

const RULES: KnobRules = { what: 'quotas', choices: { appendExceeded: ['inBand', 'close'] }, chances: [] }

/** The defaults with `patches` over them, the last on top. Throws InvalidSetting. */
export function quotasWith(...patches: readonly unknown[]): QuotaSettings {
  const settings = { ...DEFAULT_QUOTAS }
  for (const patch of patches) changeQuotas(settings, patch)
  return settings
}

/** Changes `settings` in place; `preset` in the patch comes first, its other keys over it. Throws InvalidSetting. */
export function changeQuotas(settings: QuotaSettings, patch: unknown): void {
  const { preset, ...rest } = (typeof patch === 'object' && patch !== null ? patch : {}) as Record<string, unknown>
  if (preset === undefined) return changeKnobs(settings, patch, RULES)
  if (typeof preset !== 'string' || !Object.hasOwn(QUOTA_PRESETS, preset))
    throw new InvalidSetting(
      `preset must be one of ${Object.keys(QUOTA_PRESETS).join(', ')}, not ${JSON.stringify(preset)}`,
    )
  const changed = { ...QUOTA_PRESETS[preset]! }
  changeKnobs(changed, rest, RULES)
  Object.assign(settings, changed)
}
