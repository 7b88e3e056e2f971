-- Begins an attempt at exclusive work: sees that the delivery is this consumer's and that the work is not done, takes the lock,
-- raises the fence and records the attempt. One step, or of two attempts each could think that it is the only one, and a crash in
-- between would leave an attempt that nobody knows of.
--
-- KEYS[1…2] as in fence.lua   KEYS[3] the record, a hash   KEYS[4] the lock, a string: who holds it
-- ARGV[1…2] as in fence.lua   ARGV[3] entry id   ARGV[4] how often it had been delivered   ARGV[5] the lock's time in ms
-- ARGV[6] how many states   ARGV[7…] the values of the record's field `state` in which the work may begin, '' meaning that it has none;
--   then names and values of fields to set
-- Reply: { 'begun', the attempt's token, which attempt it is, when the first one and this one began in Unix ms, the record as it is
--   now }; { 'busy', ms until the lock is free by itself };
--   { 'state', the record }, whose state is another one; { 'lost' }, because the delivery is not this consumer's any more.
if not held(ARGV[3], ARGV[4]) then return { 'lost' } end
local wrong = problem('HSET', KEYS[3], 'hash') or problem('SET', KEYS[4], 'string')
if wrong then return redis.error_reply(wrong) end

local state, last_state, may_begin = redis.call('HGET', KEYS[3], 'state') or '', 6 + tonumber(ARGV[6]), false
for i = 7, last_state do may_begin = may_begin or ARGV[i] == state end
if not may_begin then return { 'state', redis.call('HGETALL', KEYS[3]) } end

if is_busy(KEYS[4], ARGV[3]) then return { 'busy', redis.call('PTTL', KEYS[4]) } end
local token = string.format('%d', tonumber(redis.call('HGET', KEYS[3], 'fence') or 0) + 1)
redis.call('SET', KEYS[4], owner(ARGV[3], token), 'PX', ARGV[5])
local now = now_ms()
local number = redis.call('HINCRBY', KEYS[3], 'attempts', 1)
redis.call('HSETNX', KEYS[3], 'first_attempt_at', now)
redis.call('HSET', KEYS[3], 'fence', token, 'attempt_at', now, 'attempt_by', ARGV[2], unpack(ARGV, last_state + 1))
return { 'begun', token, number, tonumber(redis.call('HGET', KEYS[3], 'first_attempt_at')), now, redis.call('HGETALL', KEYS[3]) }
