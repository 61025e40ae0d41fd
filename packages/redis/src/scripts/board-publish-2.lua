-- Publishes an assignment while its author leads under its term: a deposed leader that wakes up publishes nothing.
-- KEYS[1] leader  "worker term"  KEYS[2] hash generation, body
-- ARGV[1] "worker term" of the author  ARGV[2] generation "term.counter"  ARGV[3] body
-- return 1 when published, 0 when the author does not lead
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[2], 'generation', ARGV[2], 'body', ARGV[3])
return 1
