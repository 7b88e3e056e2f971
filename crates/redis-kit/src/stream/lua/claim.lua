#!lua flags=allow-oom
-- Takes over entries that wait for somebody: first those whose retry is due, then those that have been pending
-- for too long, because their consumer is gone or its reply was lost. One step, so that two consumers never get the same.
--
-- KEYS[1] the stream   KEYS[2] attempts   KEYS[3] retry
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] how long is too long, in ms   ARGV[4] how many at most (at least 1)
-- ARGV[5] where to go on in the pending list ('-' for its start)   ARGV[6…] entries in hand, not to be taken from under
--   their own handler
-- Reply: { where to go on next time, { { id, fields, failed attempts, deliveries }… }, { id of each lost entry… } }
--   An entry is lost if it was deleted from the stream before anybody had acknowledged it.
local limit = tonumber(ARGV[4])
local in_hand = {}
for i = 6, #ARGV do in_hand[ARGV[i]] = true end

local claimed, lost = {}, {}
local function claim(id, min_idle)
  local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], min_idle, id)[1]
  if entry then
    local pending = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
    local failed = tonumber(redis.call('HGET', KEYS[2], id) or 0)
    claimed[#claimed + 1] = { id, entry[2], failed, pending[4] }
    in_hand[id] = true
  elseif #redis.call('XRANGE', KEYS[1], id, id) == 0 then
    redis.call('HDEL', KEYS[2], id)
    lost[#lost + 1] = id
  end
end

local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, limit)) do
  redis.call('ZREM', KEYS[3], id)
  claim(id, 0)
end

local cursor = ARGV[5]
if #claimed < limit then
  -- More than are wanted, because those waiting for their retry are passed over: they are idle on purpose.
  local page = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], cursor, '+', limit + 500)
  for _, pending in ipairs(page) do
    local id = pending[1]
    if not in_hand[id] and not redis.call('ZSCORE', KEYS[3], id) then claim(id, ARGV[3]) end
    cursor = '(' .. id
    if #claimed == limit then break end
  end
  if #page == 0 then cursor = '-' end
end
return { cursor, claimed, lost }
