-- Gives the lock back if it is still the owner's, and wakes those who wait for it. One step, or it could expire and
-- be another's between the look and the deletion. Allowed on a full Redis.
--
-- Who waits has left a mark, so that a release for which nobody waits publishes nothing: on a cluster a message goes
-- to every node. The mark goes with the lock; whoever does not get it leaves a new one.
--
-- KEYS[1] the lock   KEYS[2] waiters   ARGV[1] owner   ARGV[2] the channel on which released locks are told, by their keys
-- Reply: 1 released, 0 it was not the owner's.
local gone = let_go(KEYS[1], ARGV[1], KEYS[2])
-- Who may not publish has released it all the same, and those who wait will ask when it would have expired.
if gone == 2 then redis.pcall('PUBLISH', ARGV[2], KEYS[1]) end
return math.min(gone, 1)
