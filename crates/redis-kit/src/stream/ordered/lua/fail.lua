-- Records a failed attempt at the entry that is next, so that whoever holds the partition later goes on counting.
--
-- KEYS[1…2] as in held.lua   KEYS[3] attempts   KEYS[4…] as in writes.lua   ARGV[1…3] as in held.lua   ARGV[4] entry id   ARGV[5] reason
-- ARGV[6] how many attempts had failed before: sent again because its reply was lost, it must not count twice
-- ARGV[7] when it was first delivered, in Unix ms, which is on record already unless this is the first failure   ARGV[8…] what
--   is to be written with it, as in writes.lua
-- Reply: 1, or nil if the partition is another's.
if not is_held() then return nil end
local writes, wrong = read_writes(8, 4)
wrong = problem('HSET', KEYS[3], 'hash') or wrong
if wrong then return redis.error_reply(wrong) end
local failures = one_more_failure(KEYS[3], ARGV[4], ARGV[2], ARGV[5])
failures.first_delivered = failures.first_delivered or tonumber(ARGV[7])
if failures.failed == tonumber(ARGV[6]) + 1 then
  redis.call('HSET', KEYS[3], ARGV[4], cjson.encode(failures))
  apply(writes)
end
return 1
