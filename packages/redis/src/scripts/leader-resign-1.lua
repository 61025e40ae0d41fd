-- Ends the term of a leader that leaves, so that the next one need not wait for the lease to expire.
-- KEYS[1] leader  "worker term"
-- ARGV[1] worker
-- return 1 when it led
local value = redis.call('GET', KEYS[1])
if not value or string.match(value, '^(.-) %d+$') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
