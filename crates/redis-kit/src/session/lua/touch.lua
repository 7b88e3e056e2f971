-- As text: newer servers may write 1.8e+12, which PEXPIREAT refuses.
local function text(ms) return string.format('%d', ms) end

-- Notes that a session is used now: it expires an idle time later, and not after its end. Its index forgets what has
-- expired, and expires as a whole with the last session. Written first, so that nothing is if it is something else.
local function touch(index, session, id, idle, ends)
  local expires = text(math.min(now + idle, ends))
  redis.call('ZREMRANGEBYSCORE', index, '-inf', text(now))
  redis.call('ZADD', index, expires, id)
  redis.call('HSET', session, 'seen', text(now))
  redis.call('PEXPIREAT', session, expires)
  local last = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')
  redis.call('PEXPIREAT', index, text(last[2]))
end
