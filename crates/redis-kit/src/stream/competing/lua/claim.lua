#!lua flags=allow-oom
-- Takes entries that wait for whoever asks first: those whose retry is due, and those that a consumer left behind. One step, so
-- that two consumers never get the same.
--
-- KEYS[1] the stream   KEYS[2] attempts   KEYS[3] retry   KEYS[4] leases
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] how many at most
-- Reply: { entries as { id, fields, failures on record or '', deliveries, ms since the first of them }, ids of lost entries,
--   entries pending on this consumer now }, or nil if its lease was revoked. An entry is lost if it was deleted from the stream before anybody had
--   acknowledged it.
if redis.call('HEXISTS', KEYS[4], ARGV[2]) == 0 then return nil end
local claimed, lost = {}, {}
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, ARGV[3])) do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  -- First, so that it is always either waiting or pending here, should one of the two be refused.
  local entry = pending and redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'IDLE', pending[3])[1]
  redis.call('ZREM', KEYS[3], id)
  if entry then
    claimed[#claimed + 1] = { id, entry[2], redis.call('HGET', KEYS[2], id) or '', pending[4] + 1, pending[3] }
  else
    redis.call('HDEL', KEYS[2], id)
    -- What was acknowledged by hand is not lost.
    if pending then lost[#lost + 1] = id end
  end
end
local pending = 0
for _, consumer in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1])[4] or {}) do
  if consumer[1] == ARGV[2] then pending = tonumber(consumer[2]) end
end
return { claimed, lost, pending }
