-- Finds entries that are pending on this consumer and not in its hands, because a reply was lost on its way. Does not deliver
-- them anew: XCLAIM and XREADGROUP would raise the count of deliveries, and these were never seen.
--
-- KEYS[1] the stream   KEYS[2] attempts
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] how many at most   ARGV[4…] ids in hand
-- Reply: { entries as in claim.lua, ids of lost entries }
local in_hand = {}
for i = 4, #ARGV do in_hand[ARGV[i]] = true end
local found, lost = {}, {}
local limit = tonumber(ARGV[3])
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', #ARGV + limit, ARGV[2])) do
  local id = pending[1]
  if not in_hand[id] and #found < limit then
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    if entry then
      found[#found + 1] = { id, entry[2], redis.call('HGET', KEYS[2], id) or '', pending[4], pending[3] }
    else
      redis.call('XACK', KEYS[1], ARGV[1], id)
      redis.call('HDEL', KEYS[2], id)
      lost[#lost + 1] = id
    end
  end
end
return { found, lost }
