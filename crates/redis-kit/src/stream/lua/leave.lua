-- Removes a consumer that has nothing pending. Deleting one that has would destroy its pending entries, and they would
-- never be delivered again; the check and the deletion must be one step.
--
-- KEYS[1] the stream   ARGV[1] group   ARGV[2] consumer
-- Reply: 1 removed, 0 kept.
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #pending > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
