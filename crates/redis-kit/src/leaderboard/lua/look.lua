-- Reads from rankings, for each of several callers by itself. One step, so that ranks, scores and metadata are of one moment, and
-- one round trip.
--
-- KEYS for each caller: the ranking, the members' metadata, and, if ties are dense, the scores that there are in the ranking
-- ARGV for each caller: how ties are ranked: by `place`, or by `better`, or, if they are dense, by `scores`; 1 if the highest
--   number is first, or 0; `page`, the place to begin at, counted from 0, and how many places; or `around`, a member, and how many
--   on either side
-- Reply: for each caller { how many members there are; the place of the first of these; how many members, and if ties are
--   dense how many scores, are before its score; { member, number, … }; { metadata, … } }; the first alone if there is no such
--   member; or an error's text

-- How many stand before this number.
local function before(key, descending, number)
  if descending then return redis.call('ZCOUNT', key, '(' .. number, '+inf') end
  return redis.call('ZCOUNT', key, '-inf', '(' .. number)
end

-- The members at every second place of what was found.
local function names(found)
  local names = {}
  for n = 1, #found, 2 do names[#names + 1] = found[n] end
  return names
end

local function look(ranking, metadata, scores, ties, descending, kind, who, count)
  local members = redis.call('ZCARD', ranking)
  local first, found
  if kind == 'page' then
    first = tonumber(who)
  else
    local place = redis.call(descending and 'ZREVRANK' or 'ZRANK', ranking, who)
    if not place then return { members } end
    first, count = math.max(0, place - count), place + count - math.max(0, place - count) + 1
    if count == 1 then found = { who, redis.call('ZSCORE', ranking, who) } end
  end
  found = found or redis.call(descending and 'ZREVRANGE' or 'ZRANGE', ranking, first, first + count - 1, 'WITHSCORES')
  if #found == 0 then return { members, first, 0, 0, found, {} } end
  local better, distinct = first, 0
  if first > 0 and ties ~= 'place' then
    better = before(ranking, descending, found[2])
    if scores then distinct = before(scores, descending, found[2]) end
  end
  return { members, first, better, distinct, found, redis.call('HMGET', metadata, unpack(names(found))) }
end

local answers = {}
while last_key < #KEYS do
  local ranking, metadata, ties = next_key(), next_key(), next_arg()
  local scores = ties == 'scores' and next_key() or nil
  local descending, kind, who, count = next_arg() == '1', next_arg(), next_arg(), next_number()
  local done, told = pcall(look, ranking, metadata, scores, ties, descending, kind, who, count)
  answers[#answers + 1] = done and told or type(told) == 'table' and told.err or 'ERR ' .. tostring(told)
end
return answers
