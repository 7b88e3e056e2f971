-- Ends a session. One step, so that nobody sees half of it. Allowed on a full Redis.
--
-- KEYS[1] the user's index   KEYS[2] the session   ARGV[1] its id
-- Reply: 1 it is ended, 0 there was none
local stood = stands(KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return stood and 1 or 0
