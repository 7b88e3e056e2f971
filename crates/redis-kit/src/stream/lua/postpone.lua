-- Lets the entry wait for its next attempt. It stays pending, so no other group sees it again; claim.lua delivers it
-- when it is due. One step, or a crash in between would count the failure and not schedule the retry.
--
-- KEYS[1…3] as in fence.lua
-- ARGV[1…4] as in fence.lua   ARGV[5] pause in ms   ARGV[6] failed attempts to add: 1, or 0 to hand the entry back
-- Reply: 1 postponed, 0 refused, because the delivery is not this consumer's any more.
if not is_held() then return 0 end
-- It waits already: this was sent again because its reply was lost, and must not count twice.
if redis.call('ZSCORE', KEYS[3], ARGV[3]) then return 1 end
local now = redis.call('TIME')
local due = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) + tonumber(ARGV[5])
if ARGV[6] ~= '0' then redis.call('HINCRBY', KEYS[2], ARGV[3], ARGV[6]) end
redis.call('ZADD', KEYS[3], due, ARGV[3])
return 1
