-- Prolongs the lock if it is still the owner's. One step, or it could expire and be another's in between. Allowed on
-- a full Redis, as whatever is needed to finish what was begun.
--
-- KEYS[1] the lock   ARGV[1] owner   ARGV[2] its time to live from now on, in ms
-- Reply: 1 prolonged, 0 it is not the owner's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
