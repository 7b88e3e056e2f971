-- The fence: a consumer that stalled while its entry was taken over must change nothing any more.
--
-- KEYS[1] the stream   KEYS[2] attempts   ARGV[1] group   ARGV[2] consumer

-- The delivery as XPENDING tells it, if it is this consumer's: { id, consumer, ms since the first delivery, deliveries }.
local function held(id, deliveries)
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2])[1]
  return pending and pending[4] == tonumber(deliveries) and pending
end

-- Forgets the entry: it is not pending any more and has no history of failures.
local function settle(id, has_failed)
  redis.call('XACK', KEYS[1], ARGV[1], id)
  if has_failed then redis.call('HDEL', KEYS[2], id) end
end
