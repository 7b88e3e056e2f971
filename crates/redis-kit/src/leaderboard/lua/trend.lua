-- Brings what happened to boards of what is trending, for each of several callers by itself. One step, or what is counted and a
-- cursor that is not moved would count it again.
--
-- A ranking sorts by the logarithm (to base 2) of a weight that grows: what happens a half-life later weighs twice as much, so
-- that nothing that stands there need be touched for it to decay. As logarithms, weights grow by one a half-life, and never
-- overflow.
--
-- KEYS for each caller: the cursors, the ranking, the members' metadata
-- ARGV for each caller: the source, or ''; below which number a member is forgotten; in how many milliseconds the board is forgotten
--   if nothing more happens
--   how many updates there are; for each: its position, the member, the logarithm of what it weighs, and metadata or ''
-- Reply: for each caller how many updates were taken; or an error's text, and nothing was done

-- The logarithm of the sum of what two logarithms stand for.
local LN2 = math.log(2)
local function plus(a, b)
  if a < b then a, b = b, a end
  return a + math.log(1 + 2 ^ (b - a)) / LN2
end

-- Forgets those of least weight. Never many at once, and more than have come.
local MOST = 1000
local function forget(ranking, metadata, below, come)
  local faded = redis.call('ZRANGE', ranking, '-inf', '(' .. below, 'BYSCORE', 'LIMIT', 0, math.min(MOST, come + 10))
  if #faded == 0 then return end
  redis.call('ZREM', ranking, unpack(faded))
  redis.call('HDEL', metadata, unpack(faded))
end

local function serve()
  local cursors, ranking, metadata = next_key(), next_key(), next_key()
  local source, below, time = next_arg(), next_arg(), next_arg()
  local problem = wrong(cursors, 'hash') or wrong(ranking, 'zset') or wrong(metadata, 'hash')
  local from = problem and '' or position_of(cursors, source)
  local taken, last, members, weights, texts = 0, from, {}, {}, {}
  for _ = 1, next_number() do
    local position, member, weight, text = next_arg(), next_arg(), next_number(), next_arg()
    if source == '' or position > from then
      taken, last = taken + 1, position
      if not weights[member] then members[#members + 1] = member end
      weights[member] = weights[member] and plus(weights[member], weight) or weight
      if text ~= '' then texts[member] = text end
    end
  end
  if problem then return problem end
  if taken == 0 then return 0 end
  for _, member in ipairs(members) do
    local old, weight = redis.call('ZSCORE', ranking, member), weights[member]
    if old then weight = plus(tonumber(old), weight) end
    redis.call('ZADD', ranking, string.format('%.17g', weight), member)
    if texts[member] then redis.call('HSET', metadata, member, texts[member]) end
  end
  forget(ranking, metadata, below, #members)
  redis.call('PEXPIRE', ranking, time)
  redis.call('PEXPIRE', metadata, time)
  move_to(cursors, source, last)
  return taken
end

local answers = {}
while last_key < #KEYS do answers[#answers + 1] = serve() end
return answers
