-- Extends a lease while it still carries our token; never later than the caller still waits for the answer.
-- KEYS[1] lease   "holder token"
-- ARGV[1] token  ARGV[2] ttlMs  ARGV[3] deadline, ms of Redis's clock
-- return {"renewed" | "gone" | "late", now}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[3]) then return {'late', now} end
local value = redis.call('GET', KEYS[1])
if not value or string.match(value, ' (.*)$') ~= ARGV[1] then return {'gone', now} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'renewed', now}
