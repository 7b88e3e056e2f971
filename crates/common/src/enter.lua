#!lua flags=allow-oom
-- Has an instance found by whoever looks for it, on a full Redis too, and forgets those that have been silent for long. By
-- Redis's clock, so that an instance with a wrong one forgets nobody.
--
-- KEYS[1] instances, a sorted set   ARGV[1] the instance   ARGV[2] seconds of silence after which one is forgotten
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[2]))
