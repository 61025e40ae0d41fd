-- Deletes a lease while it still carries our token. Harmless at any time, so it has no deadline.
-- KEYS[1] lease   "holder token"
-- ARGV[1] token
-- return 1 when deleted, 0 when it was not ours any more
local value = redis.call('GET', KEYS[1])
if not value or string.match(value, ' (.*)$') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
