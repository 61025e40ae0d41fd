-- Becomes or stays leader, or answers who leads. A new election's term is above every term Redis or the caller remembers and
-- not below Redis's clock in ms: unique and rising also after FLUSHALL, when the clock alone remembers.
-- KEYS[1] leader  "worker term", expires  KEYS[2] highest term so far, never expires
-- ARGV[1] worker  ARGV[2] ttlMs  ARGV[3] highest term the caller has seen  ARGV[4] deadline, ms of Redis's clock
-- return {"leader" | "late", now, worker, term}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[4]) then return {'late', now} end
local value = redis.call('GET', KEYS[1])
if value then
  local leader, term = string.match(value, '^(.-) (%d+)$')
  if leader == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
  return {'leader', now, leader, term}
end
local remembered = tonumber(redis.call('GET', KEYS[2]) or '0')
local term = string.format('%.0f', math.max(now, remembered + 1, tonumber(ARGV[3]) + 1))
redis.call('SET', KEYS[2], term)
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. term, 'PX', ARGV[2])
return {'leader', now, ARGV[1], term}
