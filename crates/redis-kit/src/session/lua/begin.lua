-- Begins a session in place of another of the same user, if that is named, and of those that are too many. One step, or a
-- session could be there that nobody finds to revoke, or that never expires; or the new one not yet, and the old one no more.
-- Run twice it says the same thing twice, but for the ids of those that went.
--
-- KEYS[1] the user's index   KEYS[2] the session   KEYS[3] the replaced session, if any
-- ARGV[1] id   ARGV[2] data   ARGV[3] version   ARGV[4] idle time in ms   ARGV[5] absolute time in ms
-- ARGV[6] how many other sessions may stay   ARGV[7] the replaced session's id, if any
-- Reply: { now and the session's end in Unix ms, the ids of those that were too many: their hashes are of no use }
local index, session, id, ends = KEYS[1], KEYS[2], ARGV[1], now + ARGV[5]
-- Looks at the index before anything is written, in case that it is something else. The first write is one that a full
-- Redis refuses; behind any other write it would not be.
redis.call('ZCARD', index)
redis.call('HSET', session, 'data', ARGV[2], 'version', ARGV[3], 'created', text(now), 'ends', text(ends))
touch(index, session, id, ARGV[4], ends)
if KEYS[3] then
  redis.call('ZREM', index, ARGV[7])
  redis.call('DEL', KEYS[3])
end
local too_many, excess = {}, redis.call('ZCARD', index) - 1 - ARGV[6]
for _, other in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  if #too_many < excess and other ~= id then
    redis.call('ZREM', index, other)
    too_many[#too_many + 1] = other
  end
end
return { now, ends, too_many }
