-- Stores what was loaded, if its lease still stands, gives the lease up and wakes those who wait. One step, because an
-- invalidation between the look at the lease and the write would be undone by it: invalidating removes the lease.
--
-- KEYS[1] the entry   KEYS[2] the lease
-- ARGV[1] token   ARGV[2] the entry   ARGV[3] its time to live in ms   ARGV[4] the channel on which settled keys are told
-- Reply: 1 stored, 0 the lease is not the token's: nothing was done.
local held = redis.call('GET', KEYS[2])
local waited_for = held == ARGV[1] .. '!'
if held ~= ARGV[1] and not waited_for then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
-- Who may not publish has stored it all the same, and those who wait ask when the lease would have ended.
if waited_for then redis.pcall('PUBLISH', ARGV[4], KEYS[1]) end
return 1
