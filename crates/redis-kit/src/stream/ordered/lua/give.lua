#!lua flags=allow-oom
-- Gives the partition away, so that another may take it at once. One step, because it may be another's already.
--
-- KEYS[1…2] and ARGV[1…2] as in held.lua   ARGV[3] the fence by which it is held, or '' if the instance goes away. Then it
--   gives up whatever is held in its name: a reply that would have told it of a fence may have been lost.
-- Reply: 1 given away, 0 it was not held.
local is_leaving = ARGV[3] == ''
if is_leaving then redis.call('HDEL', KEYS[2], 'member:' .. ARGV[2]) end
local lease = redis.call('HMGET', KEYS[2], 'holder', 'fence')
if lease[1] ~= ARGV[2] or not (is_leaving or lease[2] == ARGV[3]) then return 0 end
return redis.call('HDEL', KEYS[2], 'holder')
