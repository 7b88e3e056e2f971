#!lua flags=allow-oom
-- Joins a group as a new consumer: creates the group at the start of its stream, and the stream, unless they are there, and
-- takes a lease, without which a consumer counts as gone. Allowed on a full Redis: otherwise nobody could start to
-- consume, and nothing would become less.
--
-- KEYS[1] the stream   KEYS[2] leases   ARGV[1] group   ARGV[2] consumer   ARGV[3] the lease's time in ms
-- Reply: 1 if the group was created, 0 if it was there.
local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if reply.err and not reply.err:match('^BUSYGROUP') then return reply end
local now = redis.call('TIME')
redis.call('HSET', KEYS[2], ARGV[2], tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) + tonumber(ARGV[3]))
return reply.err and 0 or 1
