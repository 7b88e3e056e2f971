#!lua flags=allow-oom
-- Prolongs a consumer's lease, and with it everything that is buffered or being handled there, unless it was revoked: a
-- consumer that stalled for too long must not come back under a name whose entries are others' by now.
--
-- KEYS[1] leases   ARGV[1] consumer   ARGV[2] the lease's time in ms
-- Reply: 1 prolonged, 0 it was revoked.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], ARGV[1], tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) + tonumber(ARGV[2]))
return 1
