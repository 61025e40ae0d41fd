// The ramp: a token bucket for CreateWriteStream whose rate starts low and doubles while creates go well (architecture.md,
// "Coordinator"). Pure; packages/redis runs the same rules in Lua (stream-ramp-1.lua), checked against this by a model test.
// Invariants: never more than the hourly cap in any 60 min; cold starts never take the takeovers' tenth, nor overtake them.

export type RampLimits = {
  /** `stream.create.burst`: bucket size, and what a fresh ramp starts with. */
  readonly burst: number
  /** `stream.create.max.per.sec`. */
  readonly permitsPerSecMax: number
  /** `stream.create.max.per.hour`; a tenth of it is for takeovers only. */
  readonly permitsPerHourMax: number
}
export const DEFAULT_RAMP_LIMITS: RampLimits = { burst: 40, permitsPerSecMax: 20, permitsPerHourMax: 9000 }

export const RAMP_START_PER_SEC = 5
export const RAMP_FLOOR_PER_SEC = 1
/** The rate may double this long after it last changed, on a good report. */
export const RAMP_DOUBLE_AFTER_MS = 10_000
/** Creates already under way when the rate was halved report about the old rate: they do not halve it again. */
export const RAMP_HALVE_AGAIN_AFTER_MS = 2_000
/** A create slower than this counts as refused. */
export const RAMP_SLOW_CREATE_MS = 10_000
/** A takeover that was refused holds cold starts back until it should have asked again, and this long after. */
export const RAMP_TAKEOVER_GRACE_MS = 500
/** Longest wait a taker is told before it asks again. */
export const RAMP_RETRY_MAX_MS = 5_000
const MINUTE_MS = 60_000
const WINDOW_MINUTES = 60

export type RampState = {
  /** When this state began: tells a worker that it is not the one it remembers (Redis was wiped). */
  readonly bornAtMs: number
  readonly tokens: number
  readonly refilledAtMs: number
  readonly permitsPerSec: number
  readonly rateChangedAtMs: number
  readonly halvedAtMs: number
  readonly takeoverWaitsUntilMs: number
  /** Permits by minute since the epoch: at most WINDOW_MINUTES + 1 entries. */
  readonly grantedByMinute: Readonly<Record<string, number>>
  readonly hasInherited: boolean
}

export type RampEvent =
  | { readonly kind: 'take'; readonly takeovers: number; readonly coldStarts: number; readonly nowMs: number }
  | { readonly kind: 'created'; readonly latencyMs: number; readonly isQuotaExceeded: boolean; readonly nowMs: number }
  /** A worker remembers an older ramp: go on at half its level, with its hour still counted. Only the first one counts. */
  | {
      readonly kind: 'inherit'
      readonly permitsPerSec: number
      readonly grantedLastHour: number
      readonly nowMs: number
    }

export type RampEffect = {
  readonly kind: 'grant'
  readonly takeovers: number
  readonly coldStarts: number
  /** When to ask again for what was not granted; 0 when all was. */
  readonly retryAfterMs: number
}

export function newRamp(limits: RampLimits, nowMs: number): RampState {
  return {
    bornAtMs: nowMs,
    tokens: limits.burst,
    refilledAtMs: nowMs,
    permitsPerSec: Math.min(RAMP_START_PER_SEC, limits.permitsPerSecMax),
    rateChangedAtMs: nowMs,
    halvedAtMs: nowMs - RAMP_HALVE_AGAIN_AFTER_MS,
    takeoverWaitsUntilMs: 0,
    grantedByMinute: {},
    hasInherited: false,
  }
}

/** One step. `nowMs` may repeat but should not fall; when it does (another clock), nothing is refilled. */
export function stepRamp(
  state: RampState,
  event: RampEvent,
  limits: RampLimits,
): { readonly state: RampState; readonly effects: readonly RampEffect[] } {
  switch (event.kind) {
    case 'take':
      return take(refill(state, limits, event.nowMs), event, limits)
    case 'created':
      return { state: adjust(refill(state, limits, event.nowMs), event, limits), effects: [] }
    case 'inherit':
      return { state: inherit(state, event, limits), effects: [] }
  }
}

/** Permits given in the last 60 minutes, rounded up to whole minutes. */
export function grantedLastHour(state: RampState, nowMs: number): number {
  const oldest = Math.floor(nowMs / MINUTE_MS) - WINDOW_MINUTES
  return Object.entries(state.grantedByMinute).reduce(
    (sum, [minute, n]) => (Number(minute) >= oldest ? sum + n : sum),
    0,
  )
}

function refill(state: RampState, limits: RampLimits, nowMs: number): RampState {
  const elapsedMs = Math.max(0, nowMs - state.refilledAtMs)
  const permitsPerSec = Math.min(state.permitsPerSec, limits.permitsPerSecMax)
  const tokens = Math.min(limits.burst, state.tokens + (elapsedMs * permitsPerSec) / 1000)
  return { ...state, permitsPerSec, tokens, refilledAtMs: nowMs }
}

function take(
  state: RampState,
  event: Extract<RampEvent, { kind: 'take' }>,
  limits: RampLimits,
): { state: RampState; effects: readonly RampEffect[] } {
  const { nowMs } = event
  const hour = grantedLastHour(state, nowMs)
  const coldHourMax = limits.permitsPerHourMax - Math.ceil(limits.permitsPerHourMax / 10)
  const whole = Math.floor(state.tokens)
  const takeovers = Math.max(0, Math.min(event.takeovers, whole, limits.permitsPerHourMax - hour))
  const doTakeoversWait = event.takeovers > takeovers
  const isHeldBack = doTakeoversWait || nowMs < state.takeoverWaitsUntilMs
  const coldRoom = isHeldBack ? 0 : Math.min(whole - takeovers, coldHourMax - hour - takeovers)
  const coldStarts = Math.max(0, Math.min(event.coldStarts, coldRoom))
  const tokens = state.tokens - takeovers - coldStarts
  const untilTokenMs = tokens < 1 ? Math.ceil(((1 - tokens) * 1000) / state.permitsPerSec) : 0
  const untilTakeoversMs = isHeldBack && !doTakeoversWait ? state.takeoverWaitsUntilMs - nowMs : 0
  const isAllGranted = !doTakeoversWait && coldStarts === event.coldStarts
  const waitMs = Math.max(untilTokenMs, untilTakeoversMs) || RAMP_RETRY_MAX_MS // neither: the hour is full
  const retryAfterMs = isAllGranted ? 0 : Math.min(RAMP_RETRY_MAX_MS, waitMs)
  return {
    state: {
      ...state,
      tokens,
      takeoverWaitsUntilMs: doTakeoversWait
        ? nowMs + retryAfterMs + RAMP_TAKEOVER_GRACE_MS
        : state.takeoverWaitsUntilMs,
      grantedByMinute: countGranted(state, takeovers + coldStarts, nowMs),
    },
    effects: [{ kind: 'grant', takeovers, coldStarts, retryAfterMs }],
  }
}

function countGranted(state: RampState, granted: number, nowMs: number): Readonly<Record<string, number>> {
  if (granted === 0) return state.grantedByMinute
  const minute = Math.floor(nowMs / MINUTE_MS)
  const recent = Object.entries(state.grantedByMinute).filter(([m]) => Number(m) >= minute - WINDOW_MINUTES)
  const counts = Object.fromEntries(recent)
  counts[String(minute)] = (counts[String(minute)] ?? 0) + granted
  return counts
}

function adjust(state: RampState, event: Extract<RampEvent, { kind: 'created' }>, limits: RampLimits): RampState {
  if (event.isQuotaExceeded || event.latencyMs > RAMP_SLOW_CREATE_MS) {
    if (event.nowMs - state.halvedAtMs < RAMP_HALVE_AGAIN_AFTER_MS) return state
    const permitsPerSec = Math.max(RAMP_FLOOR_PER_SEC, state.permitsPerSec / 2)
    const tokens = Math.min(state.tokens, permitsPerSec)
    return { ...state, permitsPerSec, tokens, rateChangedAtMs: event.nowMs, halvedAtMs: event.nowMs }
  }
  if (event.nowMs - state.rateChangedAtMs < RAMP_DOUBLE_AFTER_MS || state.permitsPerSec >= limits.permitsPerSecMax)
    return state
  const permitsPerSec = Math.min(limits.permitsPerSecMax, state.permitsPerSec * 2)
  return { ...state, permitsPerSec, rateChangedAtMs: event.nowMs }
}

function inherit(state: RampState, event: Extract<RampEvent, { kind: 'inherit' }>, limits: RampLimits): RampState {
  if (state.hasInherited) return state
  const permitsPerSec = Math.max(RAMP_FLOOR_PER_SEC, event.permitsPerSec / 2)
  return {
    ...state,
    hasInherited: true,
    permitsPerSec: Math.min(permitsPerSec, limits.permitsPerSecMax),
    tokens: Math.min(state.tokens, limits.burst / 2),
    grantedByMinute: countGranted(state, event.grantedLastHour, event.nowMs),
  }
}
