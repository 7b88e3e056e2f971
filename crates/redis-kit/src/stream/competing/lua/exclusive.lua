-- Work that one attempt at a time is to do, on record in a hash whose field `fence` each attempt raises and none lowers.

-- Whether no attempt has begun since this consumer's, which was given `token`.
local function is_latest(record, token)
  local latest = redis.call('HMGET', record, 'fence', 'attempt_by')
  return latest[1] == token and latest[2] == ARGV[2]
end

-- By whom a lock is held: this consumer, for an entry, in an attempt at it. Nobody else ever has this name, not even after a
-- failover that took the fence back.
local function owner(id, token) return ARGV[2] .. ' ' .. id .. ' ' .. token end

-- Whether the lock is held by an attempt that may be going on. One of this very consumer at this very entry is over: its answer was
-- lost, because the consumer has an entry in hand once at a time.
local function is_busy(lock, id)
  local holder, own = redis.call('GET', lock), owner(id, '')
  return holder and holder:sub(1, #own) ~= own
end

-- Ends an attempt: its token is used up, and the lock, if it is this attempt's still, is free.
local function close(record, lock, has_lock)
  redis.call('HINCRBY', record, 'fence', 1)
  if has_lock then redis.call('DEL', lock) end
end
