-- Reads the assignment unless the caller has it: workers poll it, and it may be large.
-- KEYS[1] hash generation, body
-- ARGV[1] generation the caller has, or ""
-- return {} when there is none, {generation} when it is the caller's, else {generation, body}
local generation = redis.call('HGET', KEYS[1], 'generation')
if not generation then return {} end
if generation == ARGV[1] then return {generation} end
return {generation, redis.call('HGET', KEYS[1], 'body')}
