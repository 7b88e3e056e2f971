#!lua flags=allow-oom
-- Acknowledges entries whose handlers had nothing to write. Fenced by the consumer's lease, which is revoked before anything
-- that is pending on the consumer is given to another: as long as it stands, what the consumer holds is its own. That is
-- one look for all of them instead of one each.
--
-- KEYS[1] the stream   KEYS[2] leases   ARGV[1] group   ARGV[2] consumer   ARGV[3…] ids, at most 1000
-- Reply: how many were acknowledged, or -1 if the lease was revoked.
if redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0 then return -1 end
return redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 3))
