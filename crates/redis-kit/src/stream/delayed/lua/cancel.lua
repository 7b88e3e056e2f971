#!lua flags=allow-oom
-- Forgets a message that waits. One step, so that it is either appended or cancelled. Allowed on a full Redis, because more is
-- freed than written.
--
-- KEYS[1] delayed   KEYS[2] delayed fields   KEYS[3] delayed past
-- ARGV[1] message id
-- Reply: 1 cancelled, 0 if no such message waits: it was appended, or cancelled before, or never there.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
-- What was written before an error stays written, so whatever can fail is tried or asked first.
redis.call('ZSCORE', KEYS[3], ARGV[1])
redis.call('HEXISTS', KEYS[2], ARGV[1])
local needed = { { 'ZREM', KEYS[1], '' }, { 'HDEL', KEYS[2], '' }, { 'ZADD', KEYS[3], 0, '' } }
for _, command in ipairs(needed) do
  if not redis.acl_check_cmd(unpack(command)) then
    return redis.error_reply('NOPERM ' .. command[1] .. ' on ' .. command[2] .. ' is not permitted')
  end
end

redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
-- If the message is sent again by one who did not hear that it was kept, it must stay cancelled.
local now = redis.call('TIME')
redis.call('ZADD', KEYS[3], tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000), ARGV[1])
return 1
