-- Gives a lease up without an entry: at once, and then those who wait are woken, for one of them to load; or after a while
-- in which nobody shall try again. One step, or the lease could be another's between the look and the deletion.
--
-- KEYS[1] the entry   KEYS[2] the lease
-- ARGV[1] token   ARGV[2] for how many ms nobody shall try, or 0   ARGV[3] the channel on which settled keys are told
-- Reply: 1 given up, 0 the lease is not the token's: nothing was done.
local held = redis.call('GET', KEYS[2])
local waited_for = held == ARGV[1] .. '!'
if held ~= ARGV[1] and not waited_for then return 0 end
if tonumber(ARGV[2]) > 0 then return redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
redis.call('DEL', KEYS[2])
if waited_for then redis.pcall('PUBLISH', ARGV[3], KEYS[1]) end
return 1
