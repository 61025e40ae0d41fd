-- The ramp of core/src/ramp/ramp.ts, same rules and constants, on state shared by all workers (a model test compares the two).
-- KEYS[1] hash: bornAtMs tokens refilledAtMs permitsPerSec rateChangedAtMs halvedAtMs takeoverWaitsUntilMs hasInherited,
--         and one field m<minute since the epoch> with the permits given in it, 61 at most
-- ARGV[1] now in ms, or "" for Redis's clock
-- ARGV[2..4] burst, permits per second max, permits per hour max
-- ARGV[5..7] what the caller remembers: bornAtMs ("" = nothing), permitsPerSec, permits given in the last hour
-- ARGV[8] "take"    ARGV[9] takeovers wanted      ARGV[10] cold starts wanted
--      or "created" ARGV[9] latency in ms         ARGV[10] 1 when the quota was exceeded
-- return {takeovers, coldStarts, retryAfterMs, bornAtMs, permitsPerSec, permits given in the last hour}, numbers as text
local START, FLOOR, DOUBLE_AFTER, HALVE_AGAIN_AFTER = 5, 1, 10000, 2000
local SLOW, GRACE, RETRY_MAX, WINDOW = 10000, 500, 5000, 60

local now
if ARGV[1] == '' then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
else
  now = tonumber(ARGV[1])
end
local burst, perSecMax, perHourMax = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local minute = math.floor(now / 60000)

local s, hour = {}, 0
local stored = redis.call('HGETALL', KEYS[1])
if #stored == 0 then
  s = {
    bornAtMs = now, tokens = burst, refilledAtMs = now, permitsPerSec = math.min(START, perSecMax), rateChangedAtMs = now,
    halvedAtMs = now - HALVE_AGAIN_AFTER, takeoverWaitsUntilMs = 0, hasInherited = 0,
  }
end
for i = 1, #stored, 2 do
  local at = string.match(stored[i], '^m(%d+)$')
  if not at then
    s[stored[i]] = tonumber(stored[i + 1])
  elseif tonumber(at) >= minute - WINDOW then
    hour = hour + tonumber(stored[i + 1])
  else
    redis.call('HDEL', KEYS[1], stored[i])
  end
end

local function count(granted)
  if granted == 0 then return end
  hour = hour + granted
  redis.call('HINCRBY', KEYS[1], string.format('m%.0f', minute), string.format('%.0f', granted))
end

if ARGV[5] ~= '' and tonumber(ARGV[5]) < s.bornAtMs and s.hasInherited == 0 then
  s.hasInherited = 1
  s.permitsPerSec = math.min(math.max(FLOOR, tonumber(ARGV[6]) / 2), perSecMax)
  s.tokens = math.min(s.tokens, burst / 2)
  count(tonumber(ARGV[7]))
end

s.permitsPerSec = math.min(s.permitsPerSec, perSecMax)
s.tokens = math.min(burst, s.tokens + (math.max(0, now - s.refilledAtMs) * s.permitsPerSec) / 1000)
s.refilledAtMs = now

local takeovers, coldStarts, retryAfter = 0, 0, 0
if ARGV[8] == 'take' then
  local wantTakeovers, wantColdStarts = tonumber(ARGV[9]), tonumber(ARGV[10])
  local whole = math.floor(s.tokens)
  takeovers = math.max(0, math.min(wantTakeovers, whole, perHourMax - hour))
  local takeoversWait = wantTakeovers > takeovers
  local heldBack = takeoversWait or now < s.takeoverWaitsUntilMs
  local room = 0
  if not heldBack then room = math.min(whole - takeovers, perHourMax - math.ceil(perHourMax / 10) - hour - takeovers) end
  coldStarts = math.max(0, math.min(wantColdStarts, room))
  s.tokens = s.tokens - takeovers - coldStarts
  if takeoversWait or coldStarts < wantColdStarts then
    local wait = 0
    if s.tokens < 1 then wait = math.ceil((1 - s.tokens) * 1000 / s.permitsPerSec) end
    if heldBack and not takeoversWait then wait = math.max(wait, s.takeoverWaitsUntilMs - now) end
    if wait == 0 then wait = RETRY_MAX end
    retryAfter = math.min(RETRY_MAX, wait)
  end
  if takeoversWait then s.takeoverWaitsUntilMs = now + retryAfter + GRACE end
  count(takeovers + coldStarts)
elseif tonumber(ARGV[10]) == 1 or tonumber(ARGV[9]) > SLOW then
  if now - s.halvedAtMs >= HALVE_AGAIN_AFTER then
    s.permitsPerSec = math.max(FLOOR, s.permitsPerSec / 2)
    s.tokens = math.min(s.tokens, s.permitsPerSec)
    s.rateChangedAtMs = now
    s.halvedAtMs = now
  end
elseif now - s.rateChangedAtMs >= DOUBLE_AFTER and s.permitsPerSec < perSecMax then
  s.permitsPerSec = math.min(perSecMax, s.permitsPerSec * 2)
  s.rateChangedAtMs = now
end

for field, value in pairs(s) do redis.call('HSET', KEYS[1], field, string.format('%.17g', value)) end
local answer = {}
for i, value in ipairs({takeovers, coldStarts, retryAfter, s.bornAtMs, s.permitsPerSec, hour}) do
  answer[i] = string.format('%.17g', value)
end
return answer
