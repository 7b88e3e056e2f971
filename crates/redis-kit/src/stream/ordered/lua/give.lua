#!lua flags=allow-oom
-- Gives the partition away, so that another may take it at once. One step, because it may be another's already.
--
-- KEYS and ARGV[1…3] as in held.lua   ARGV[4] '1' if the instance goes away, '' if it stays
-- Reply: 1 given away, 0 it was not held.
if ARGV[4] == '1' then redis.call('HDEL', KEYS[2], 'member:' .. ARGV[2]) end
local lease = redis.call('HMGET', KEYS[2], 'holder', 'fence')
if lease[1] ~= ARGV[2] or lease[2] ~= ARGV[3] then return 0 end
return redis.call('HDEL', KEYS[2], 'holder')
