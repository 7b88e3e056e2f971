-- Takes a member out of rankings. One step, or a score that nobody has any more would stay among the scores.
--
-- KEYS for each ranking: itself, its members' metadata, and the scores that there are in it (named for all, there if ties are
--   dense)
-- ARGV: the member
-- Reply: in how many rankings it was
local removed = 0
for place = 1, #KEYS, 3 do
  local ranking, metadata, scores = KEYS[place], KEYS[place + 1], KEYS[place + 2]
  local number = redis.call('ZSCORE', ranking, ARGV[1])
  if number then
    removed = removed + redis.call('ZREM', ranking, ARGV[1])
    if redis.call('ZCOUNT', ranking, number, number) == 0 then redis.call('ZREM', scores, number) end
  end
  redis.call('HDEL', metadata, ARGV[1])
end
return removed
