-- Reads from rankings, for each of several callers by itself. One step, so that ranks, scores and metadata are of one moment, and
-- one round trip.
--
-- KEYS for each caller: the ranking, the members' metadata, and, if ties are dense, the scores that there are in the ranking
-- ARGV for each caller: how ties are ranked: by `place`, or by `better`, or, if they are dense, by `scores`; 1 if the highest
--   number is first, or 0; and
--   `around`, a member, and how many on either side; or `page`, the place to begin at, counted from 0, and how many places; or
--   `ranks`, how many members, and these: several callers at once
-- Reply: for each caller { how many members there are; the place of the first of these; how many members, and if ties are
--   dense how many scores, are before its score; { member, number, … }; { metadata, … } }; the first alone if there is no such
--   member; or an error's text.
--   For `ranks` { how many members there are; and of each of these: { its number, or false if it is not there, … }; { how many members
--   are before it, … }; { how many scores are, if ties are dense, … }; { its metadata, … } }

-- How many stand before this number.
local function before(key, descending, number)
  if descending then return redis.call('ZCOUNT', key, '(' .. number, '+inf') end
  return redis.call('ZCOUNT', key, '-inf', '(' .. number)
end

-- Several members, each alone.
local function ranks(look, members)
  local numbers, better, distinct = redis.call('ZMSCORE', look.ranking, unpack(members)), {}, {}
  for n, member in ipairs(members) do
    better[n], distinct[n] = 0, 0
    if numbers[n] and look.ties == 'place' then
      better[n] = redis.call(look.descending and 'ZREVRANK' or 'ZRANK', look.ranking, member)
    elseif numbers[n] then
      better[n] = before(look.ranking, look.descending, numbers[n])
      if look.scores then distinct[n] = before(look.scores, look.descending, numbers[n]) end
    end
  end
  local metadata = redis.call('HMGET', look.metadata, unpack(members))
  return { redis.call('ZCARD', look.ranking), numbers, better, distinct, metadata }
end

-- The members at every second place of what was found.
local function names(found)
  local names = {}
  for n = 1, #found, 2 do names[#names + 1] = found[n] end
  return names
end

-- Who stands at these places.
local function page(look, first, last)
  local members = redis.call('ZCARD', look.ranking)
  -- Who stands before the first tells whether it shares its score with somebody who is not shown. Mostly it does not, and nothing need
  -- be counted.
  local looks_back = first > 0 and look.ties ~= 'place'
  local command, neighbour = look.descending and 'ZREVRANGE' or 'ZRANGE', nil
  local found = redis.call(command, look.ranking, looks_back and first - 1 or first, last, 'WITHSCORES')
  if looks_back then
    neighbour = found[2]
    table.remove(found, 1)
    table.remove(found, 1)
  end
  if #found == 0 then return { members, first, 0, 0, {}, {} } end
  local better, distinct = first, 0
  if neighbour == found[2] then better = before(look.ranking, look.descending, found[2]) end
  if look.scores and first > 0 then distinct = before(look.scores, look.descending, found[2]) end
  return { members, first, better, distinct, found, redis.call('HMGET', look.metadata, unpack(names(found))) }
end

local function around(look, member, count)
  local place = redis.call(look.descending and 'ZREVRANK' or 'ZRANK', look.ranking, member)
  if not place then return { redis.call('ZCARD', look.ranking) } end
  return page(look, math.max(0, place - count), place + count)
end

local function read_look()
  local look = { ranking = next_key(), metadata = next_key(), ties = next_arg(), descending = next_arg() == '1' }
  if look.ties == 'scores' then look.scores = next_key() end
  return look, next_arg()
end

local function read_members()
  local members = {}
  for n = 1, next_number() do members[n] = next_arg() end
  return members
end

local answers = {}
while last_key < #KEYS do
  local look, kind = read_look()
  local done, told
  if kind == 'ranks' then
    done, told = pcall(ranks, look, read_members())
  elseif kind == 'around' then
    done, told = pcall(around, look, next_arg(), next_number())
  else
    local first = next_number()
    done, told = pcall(page, look, first, first + next_number() - 1)
  end
  answers[#answers + 1] = done and told or type(told) == 'table' and told.err or 'ERR ' .. tostring(told)
end
return answers
