-- Records a failed attempt and lets the entry wait for its next one. It stays pending, so no other group sees it again, but on
-- nobody: claim.lua gives it to whoever asks first when it is due. One step, or a crash in between would count the
-- failure and not schedule the retry.
--
-- KEYS[1…2] as in fence.lua   KEYS[3] retry   KEYS[4…] as for one entry of commit.lua
-- ARGV[1…2] as in fence.lua   ARGV[3] entry id   ARGV[4] how often it had been delivered   ARGV[5] pause in ms
-- ARGV[6] reason   ARGV[7] who owns what waits   ARGV[8…] token and writes as for one entry of commit.lua
-- Reply: 1 postponed, 0 refused, because the delivery is not this consumer's any more; -1 if the entry was deleted from the
--   stream, so that nobody can do it any more.
local delivery = held(ARGV[3], ARGV[4])
if not delivery then return 0 end
local token, key = ARGV[8], 4
if token ~= '' then key = 6 end
local writes, wrong = read_writes(9, key)
wrong = problem('XCLAIM', KEYS[1], 'stream') or problem('HSET', KEYS[2], 'hash') or problem('ZADD', KEYS[3], 'zset') or wrong
if token ~= '' then wrong = wrong or problem('HINCRBY', KEYS[4], 'hash') or problem('DEL', KEYS[5], 'string') end
if wrong then return redis.error_reply(wrong) end
if #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[7], 0, ARGV[3], 'IDLE', delivery[3], 'JUSTID') == 0 then
  settle(ARGV[3], true)
  return -1
end
redis.call('HSET', KEYS[2], ARGV[3], cjson.encode(one_more_failure(KEYS[2], ARGV[3], ARGV[2], ARGV[6])))
redis.call('ZADD', KEYS[3], now_ms() + tonumber(ARGV[5]), ARGV[3])
-- What a later attempt has begun is not an earlier one's to report on.
if token == '' or is_latest(KEYS[4], token) then
  apply(writes)
  if token ~= '' then close(KEYS[4], KEYS[5], redis.call('GET', KEYS[5]) == owner(ARGV[3], token)) end
end
return 1
