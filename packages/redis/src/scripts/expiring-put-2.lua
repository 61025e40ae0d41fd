-- A map whose entries expire one by one (membership, worker reports): sets one entry.
-- KEYS[1] zset name -> expiry in ms of Redis's clock  KEYS[2] hash name -> body
-- ARGV[1] name  ARGV[2] body  ARGV[3] ttlMs  ARGV[4] deadline, ms of Redis's clock
-- return {"put" | "late", now}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[4]) then return {'late', now} end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
return {'put', now}
