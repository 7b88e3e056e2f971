#!lua flags=allow-oom
-- The fence: stands in front of commit.lua, postpone.lua and reject.lua, which end or postpone a delivery. A consumer
-- that stalled while its entry was taken over must change nothing any more. Allowed on a full Redis, because
-- what frees memory must not be refused for want of it.
--
-- KEYS[1] the stream
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] entry id   ARGV[4] how often the entry had been delivered
local function is_held()
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
  return pending[1] ~= nil and pending[1][4] == tonumber(ARGV[4])
end

-- Forgets the entry: it is neither pending nor waiting, and has no history of failures.
local function settle(attempts, retry)
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HDEL', attempts, ARGV[3])
  redis.call('ZREM', retry, ARGV[3])
end
