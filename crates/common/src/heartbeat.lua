#!lua flags=allow-oom
-- Writes what an instance says of itself, for a while, in place of all that it said before, or one of the same name that has
-- died. One step, or a crash in between would leave no description, or one that never ends. Allowed on a full Redis: it takes
-- the place of the one before, and without it everybody would seem to be gone just when somebody looks, and whoever starts a
-- system would wait for ever.
--
-- KEYS[1] the instance's hash   ARGV[1] for how many seconds   ARGV[2…] names and values of its fields
-- Reply: nothing.
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[1], ARGV[1])
