-- Brings updates to boards, for each of several callers by itself. One step, or an update that is counted and a cursor that is
-- not moved would count it again.
--
-- What a ranking sorts by is the score, or with it in the bits below the time at which it was reached: (score - lowest) * times +
-- tick. The divisions by `times`, a power of two, are exact, and so are all numbers up to 2^53.
--
-- KEYS for each caller: the cursors; then for each set of periods: the members' metadata, and for each period of it the
--   ranking, and, if ties are dense, the scores that there are in it
-- ARGV for each caller: the source, or ''; `best`, `last` or `sum`; 1 if the highest score is first, or 0; 1 if ties are dense,
--   or 0; the lowest and the highest score; times
--   how many sets there are, and how many periods each has; for each set: when its metadata expires, and for each of its periods
--   when that does, in Unix milliseconds, or 0: never
--   how many updates there are; for each: its set, its position, the member, the points, the tick, and metadata or ''
-- Reply: for each caller { how many updates were taken, how many scores were cut to the lowest or the highest }; or an error's
--   text, and nothing was done

-- One caller's board.
local function read_board()
  return {
    cursors = next_key(),
    source = next_arg(),
    operator = next_arg(),
    descending = next_arg() == '1',
    dense = next_arg() == '1',
    lowest = next_number(),
    highest = next_number(),
    times = next_number(),
    cut = 0,
  }
end

-- Its sets of periods, and what is wrong with its keys.
local function read_sets(board)
  local problem = wrong(board.cursors, 'hash')
  local sets, count, periods = {}, next_number(), next_number()
  for n = 1, count do
    local set = { metadata = next_key(), expires = next_arg(), changes = {}, members = {} }
    problem = problem or wrong(set.metadata, 'hash')
    for p = 1, periods do
      local period = { ranking = next_key(), expires = next_arg() }
      problem = problem or wrong(period.ranking, 'zset')
      if board.dense then
        period.scores = next_key()
        problem = problem or wrong(period.scores, 'zset')
      end
      set[p] = period
    end
    sets[n] = set
  end
  return sets, problem
end

-- What a ranking sorts by.
local function raw(board, score, tick)
  if board.times == 1 then return score end
  return (score - board.lowest) * board.times + tick
end

local function score_of(board, number)
  if board.times == 1 then return number end
  return math.floor(number / board.times) + board.lowest
end

local function is_better(board, a, b)
  if board.descending then return a > b end
  return a < b
end

-- Scores beyond the board's are cut.
local function within(board, score)
  local cut = math.max(board.lowest, math.min(board.highest, score))
  if cut ~= score then board.cut = board.cut + 1 end
  return cut
end

-- Puts an update together with those of the same member that come with it: a ranking is written once for all.
local function fold(board, set, member, points, tick)
  local change = set.changes[member]
  if board.operator ~= 'sum' then points = within(board, points) end
  if not change then
    set.changes[member] = { points = points, tick = tick }
    set.members[#set.members + 1] = member
  elseif board.operator == 'sum' then
    if points ~= 0 then change.points, change.tick = change.points + points, tick end
  elseif board.operator == 'last' then
    if change.points ~= points then change.points, change.tick = points, tick end
  elseif is_better(board, raw(board, points, tick), raw(board, change.points, change.tick)) then
    change.points, change.tick = points, tick
  end
end

-- Reads the updates that the board has not taken yet. Returns how many they are, and the position of the last one.
local function read_updates(board, sets, from)
  local taken, last = 0, from
  for _ = 1, next_number() do
    local set, position, member = sets[next_number()], next_arg(), next_arg()
    local points, tick, metadata = next_number(), next_number(), next_arg()
    if set and (board.source == '' or position > from) then
      taken, last = taken + 1, position
      fold(board, set, member, points, tick)
      if metadata ~= '' then set.changes[member].metadata = metadata end
    end
  end
  return taken, last
end

-- The score that follows from what stands there, or nil if that stays.
local function next_score(board, old, change)
  local score = change.points
  if board.operator == 'sum' then score = within(board, score + (old and score_of(board, old) or 0)) end
  if not old then return score end
  if board.operator == 'best' then
    return is_better(board, raw(board, score, change.tick), old) and score or nil
  end
  return score ~= score_of(board, old) and score or nil
end

local function write(board, period, member, change)
  local old = tonumber(redis.call('ZSCORE', period.ranking, member) or nil)
  local score = next_score(board, old, change)
  if not score then return end
  -- As text: Redis is slower to write the number out.
  local number = string.format('%d', raw(board, score, change.tick))
  redis.call('ZADD', period.ranking, number, member)
  if period.scores then
    redis.call('ZADD', period.scores, number, number)
    if old then
      local left = string.format('%d', old)
      if redis.call('ZCOUNT', period.ranking, left, left) == 0 then redis.call('ZREM', period.scores, left) end
    end
  end
end

-- So that no window stays without an end, whoever has made its key.
local function expire(key, at)
  if at ~= '0' then redis.call('PEXPIREAT', key, at, 'NX') end
end

local function write_set(board, set)
  for _, member in ipairs(set.members) do
    local change = set.changes[member]
    for _, period in ipairs(set) do write(board, period, member, change) end
    if change.metadata then redis.call('HSET', set.metadata, member, change.metadata) end
  end
  if #set.members == 0 then return end
  expire(set.metadata, set.expires)
  for _, period in ipairs(set) do
    expire(period.ranking, period.expires)
    if period.scores then expire(period.scores, period.expires) end
  end
end

local function serve()
  local board = read_board()
  local sets, problem = read_sets(board)
  local from = problem and '' or position_of(board.cursors, board.source)
  local taken, last = read_updates(board, sets, from)
  if problem then return problem end
  for _, set in ipairs(sets) do write_set(board, set) end
  if taken > 0 then move_to(board.cursors, board.source, last) end
  return { taken, board.cut }
end

local answers = {}
while last_key < #KEYS do answers[#answers + 1] = serve() end
return answers
