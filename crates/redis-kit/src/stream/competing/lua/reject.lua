-- Moves the entry to the group's dead letters, with all its fields and why. One step, or a crash in between would
-- lose the entry or keep it twice.
--
-- KEYS[1…2] as in fence.lua   KEYS[3] dead letters
-- ARGV[1…2] as in fence.lua   ARGV[3] entry id   ARGV[4] how often it had been delivered   ARGV[5] reason
-- Reply: 1 moved, 0 refused, because the delivery is not this consumer's any more.
if not held(ARGV[3], ARGV[4]) then return 0 end
local wrong = problem('XACK', KEYS[1], 'stream') or problem('HDEL', KEYS[2], 'hash') or problem('XADD', KEYS[3], 'stream')
if wrong then return redis.error_reply(wrong) end
bury(KEYS[3], KEYS[1], ARGV[3], one_more_failure(KEYS[2], ARGV[3], ARGV[2], ARGV[5]))
settle(ARGV[3], true)
return 1
