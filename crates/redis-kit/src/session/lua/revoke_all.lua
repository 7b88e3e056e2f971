-- Ends all sessions of a user but one. One step, or one that is rotated meanwhile would slip through under its new id. Allowed on
-- a full Redis.
--
-- KEYS[1] the user's index   ARGV[1] the id of the one that stays, or ''
-- Reply: the ids of those that were ended: their hashes are of no use
local ended = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if id ~= ARGV[1] then
    if stands(KEYS[1], id) then ended[#ended + 1] = id end
    redis.call('ZREM', KEYS[1], id)
  end
end
return ended
