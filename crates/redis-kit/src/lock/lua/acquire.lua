-- Takes the lock unless somebody has it, and numbers this acquisition. One step, because a holder without a token, or
-- a token without its holder, would let a stalled holder before it pass for the later one.
--
-- The token is the clock in microseconds, or the last token and one if the clock is not beyond that. So it grows by
-- the counter when the clock was set back, and by the clock when the counter is gone or an old one: after it expired,
-- or was lost with Redis's data or in a failover. It stays below 2^53, up to which Lua counts exactly, until the year
-- 2255.
--
-- KEYS[1] the lock   KEYS[2] the fence: the last token   KEYS[3] if the caller will wait: waiters, there while somebody does
-- ARGV[1] owner   ARGV[2] the lock's time to live in ms   ARGV[3] the fence's
-- Reply: the token if it was taken; else { ms }: it is another's, and expires in so long unless it is renewed; never, if -1

-- Read first, because an error does not roll back: a fence that is none must not leave a lock behind.
local now, last = redis.call('TIME'), redis.call('GET', KEYS[2])
local token = math.max(now[1] * 1000000 + now[2], (last or 0) + 1)
if not take(KEYS[1], ARGV[1], ARGV[2]) then
  local left = redis.call('PTTL', KEYS[1])
  -- For as long as who waits will not ask again by itself. What is left is 0 in the last millisecond, which SET refuses.
  if KEYS[3] then redis.call('SET', KEYS[3], 1, 'PX', left < 1 and ARGV[2] or left) end
  return { left }
end
-- As text: Redis is slower to write the number out, and newer servers may write 1.8e+15.
redis.call('SET', KEYS[2], string.format('%d', token), 'PX', ARGV[3])
return token
