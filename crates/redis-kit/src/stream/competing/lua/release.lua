#!lua flags=allow-oom
-- Ends a consumer: its lease first, so that nothing it still sends is taken, then its entries, which wait for whoever asks
-- first, then itself. Deleting a consumer that has something pending would destroy that; the check and the deletion must be
-- one step. A part of leave.lua and reap.lua.
--
-- KEYS[1] the stream   KEYS[2] attempts   KEYS[3] retry   KEYS[4] leases
local lost = {}

-- Hands back up to `limit` entries; returns how many it did.
local function release(group, consumer, waiting, limit)
  redis.call('HDEL', KEYS[4], consumer)
  local pending = redis.call('XPENDING', KEYS[1], group, '-', '+', limit, consumer)
  local now = redis.call('TIME')
  local due = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
  for _, entry in ipairs(pending) do
    -- First, so that nothing belongs to `waiting` and is not to be found there, should one of the two be refused.
    redis.call('ZADD', KEYS[3], 'NX', due, entry[1])
    if #redis.call('XCLAIM', KEYS[1], group, waiting, 0, entry[1], 'IDLE', entry[3], 'JUSTID') == 0 then
      redis.call('ZREM', KEYS[3], entry[1])
      redis.call('HDEL', KEYS[2], entry[1])
      lost[#lost + 1] = entry[1]
    end
  end
  if #pending < tonumber(limit) then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, consumer) end
  return #pending
end
