-- Work that one attempt at a time is to do, on record in a hash whose field `fence` each attempt raises and none lowers.

-- Whether no attempt has begun since this consumer's, which was given `token`.
local function is_latest(record, token)
  local latest = redis.call('HMGET', record, 'fence', 'attempt_by')
  return latest[1] == token and latest[2] == ARGV[2]
end

-- By whom a lock is held: nobody else ever has this name, not even after a failover that took the fence back.
local function owner(token) return ARGV[2] .. ' ' .. token end

-- Ends an attempt: its token is used up, and the lock, if it is this attempt's still, is free.
local function close(record, lock, token)
  redis.call('HINCRBY', record, 'fence', 1)
  if redis.call('GET', lock) == owner(token) then redis.call('DEL', lock) end
end
