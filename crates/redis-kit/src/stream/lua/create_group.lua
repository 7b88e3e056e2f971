#!lua flags=allow-oom
-- Creates a group at the start of its stream, and the stream if need be, unless the group is there. A script only to be
-- allowed on a full Redis, where the bare command is refused even if the group exists: then nobody could start to consume,
-- and nothing would become less.
--
-- KEYS[1] the stream   ARGV[1] group
-- Reply: 1 created, 0 it was there.
local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if not reply.err then return 1 end
if reply.err:match('^BUSYGROUP') then return 0 end
return reply
