-- A lock is a string that holds its owner's id and expires. These two are all that takes one and gives one back, whoever
-- needs it as a part of a larger step; so they touch no KEYS and no ARGV of their own.

-- Takes the lock unless somebody has it. True if it was taken.
local function take(key, owner, ttl)
  return redis.call('SET', key, owner, 'NX', 'PX', ttl) ~= false
end

-- Gives the lock back if it is still this owner's, and with it the keys that follow, which mean nothing without it.
-- Returns how many were there: 0 if the lock is another's or nobody's, for then nothing was touched.
local function let_go(key, owner, ...)
  if redis.call('GET', key) ~= owner then return 0 end
  return redis.call('DEL', key, ...)
end
