-- Removes the expired entries of an expiring map and lists the others.
-- KEYS[1] zset name -> expiry in ms of Redis's clock  KEYS[2] hash name -> body
-- return {name, body, name, body, ...}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expired = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
for _, name in ipairs(expired) do
  redis.call('ZREM', KEYS[1], name)
  redis.call('HDEL', KEYS[2], name)
end
local answer = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local body = redis.call('HGET', KEYS[2], name)
  if body then
    answer[#answer + 1] = name
    answer[#answer + 1] = body
  end
end
return answer
