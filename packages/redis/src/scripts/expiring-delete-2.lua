-- Removes one entry of an expiring map.
-- KEYS[1] zset name -> expiry  KEYS[2] hash name -> body
-- ARGV[1] name
-- return 1 when there was one
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
