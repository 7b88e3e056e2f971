-- Raises the fence to a token that another server gave, so that whoever takes the lock here next is given a higher
-- one. Only while the lock is the owner's: what one that came too late raises would say nothing about its order.
--
-- KEYS[1] the lock   KEYS[2] the fence   ARGV[1] owner   ARGV[2] token   ARGV[3] the fence's time to live in ms
-- Reply: 1 the fence is at the token or above, 0 the lock is not the owner's.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if tonumber(redis.call('GET', KEYS[2]) or 0) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
return 1
