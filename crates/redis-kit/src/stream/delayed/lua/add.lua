#!lua
-- Keeps a message until it is to be appended. One step, so that it is known under its id and complete, or not at all. Not
-- allowed on a full Redis: it is new work.
--
-- KEYS[1] delayed   KEYS[2] delayed fields   KEYS[3] delayed past
-- ARGV[1] message id   ARGV[2] when it is due, in Unix ms   ARGV[3] the entry's fields as a JSON list
-- Reply: 1 kept; 0 if this id was known: it waits already, or it was appended or cancelled a short while ago, and this was
--   sent again because its reply was lost.
if redis.call('ZSCORE', KEYS[1], ARGV[1]) or redis.call('ZSCORE', KEYS[3], ARGV[1]) then return 0 end
-- What was written before an error stays written, so it is asked first whether the second write may be. The type of its key
-- has just been seen.
if not redis.acl_check_cmd('ZADD', KEYS[1], ARGV[2], ARGV[1]) then
  return redis.error_reply('NOPERM ZADD on ' .. KEYS[1] .. ' is not permitted')
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1
