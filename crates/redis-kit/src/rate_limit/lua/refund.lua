#!lua flags=allow-oom
-- Gives a cost back to policies that it was taken from. Never more than was taken: what would not be ahead any more is gone.
-- One step, or what others take meanwhile would be given back too. Allowed on a full Redis, because it takes no room.
--
-- KEYS for each policy: its TAT, as in gcra.lua   ARGV for each: the cost and the tolerance in microseconds
-- Reply: how many of them were ahead.

-- As gcra.lua does.
redis.set_repl(redis.REPL_NONE)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local found, refunded = redis.call('MGET', unpack(KEYS)), 0
for place, key in ipairs(KEYS) do
  local cost, tolerance = tonumber(ARGV[2 * place - 1]), tonumber(ARGV[2 * place])
  local taken = (tonumber(found[place]) or 0) - now
  if taken > 0 then
    local left = math.min(taken, tolerance) - cost
    if left > 0 then
      redis.call('SET', key, string.format('%d', now + left), 'PX', math.ceil(left / 1000) + 1)
    else
      redis.call('DEL', key)
    end
    refunded = refunded + 1
  end
end
return refunded
