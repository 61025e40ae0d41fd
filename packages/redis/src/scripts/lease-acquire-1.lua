-- Takes a lease that is free, expired or already the same holder's (whose earlier answer was lost).
-- KEYS[1] lease   "holder token"
-- ARGV[1] holder  ARGV[2] token  ARGV[3] ttlMs  ARGV[4] deadline, ms of Redis's clock
-- return {"taken" | "held" | "late", now}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[4]) then return {'late', now} end
local value = redis.call('GET', KEYS[1])
if value and string.sub(value, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then return {'held', now} end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return {'taken', now}
