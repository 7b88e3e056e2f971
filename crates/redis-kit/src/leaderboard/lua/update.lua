-- Brings updates to boards, for each board by itself. One step, or an update that is counted and a cursor that is not moved
-- would count it again.
--
-- What a ranking sorts by is the score, or with it in the bits below the time at which it was reached: (score - lowest) * times +
-- tick. The divisions by `times`, a power of two, are exact, and so are all numbers up to 2^53.
--
-- KEYS for each board: its cursors; then for each set of periods: the members' metadata, and for each period of it the
--   ranking, and, if ties are dense, the scores that there are in it
-- ARGV for each board: `best`, `last` or `sum`; 1 if the highest score is first, or 0; 1 if ties are dense, or 0; the lowest and
--   the highest score; times; how many sets there are, and how many periods each has; for each set: when its metadata expires,
--   and for each of its periods when that does, in Unix milliseconds, or 0: never
--   how many callers there are; for each: its source, or ''; 1 if its updates have metadata, or 0; how many updates it has; for each:
--   its set if there are several; its position if there is a source; the member; the points; the tick if there are times; the
--   metadata or '', if there is any
-- Reply: for each board { how many scores were cut to the lowest or the highest, for each caller how many updates were taken };
--   or an error's text, and nothing was done

local function read_board()
  return {
    cursors = next_key(),
    operator = next_arg(),
    descending = next_arg() == '1',
    dense = next_arg() == '1',
    lowest = next_number(),
    highest = next_number(),
    times = next_number(),
    rankings = {},
    positions = {},
    moved = {},
    cut = 0,
  }
end

-- A ranking, which several sets may share: a day is the same for many hours.
local function ranking_of(board, expires)
  local key = next_key()
  local scores = board.dense and next_key() or nil
  local ranking = board.rankings[key]
  if not ranking then
    ranking = { key = key, scores = scores, expires = expires, members = {}, is_member = {}, changed = {}, old = {} }
    board.rankings[key] = ranking
  end
  return ranking
end

local function read_sets(board)
  local count, periods = next_number(), next_number()
  for n = 1, count do
    local set = { metadata = next_key(), expires = next_arg(), changes = {}, members = {}, texts = {} }
    for p = 1, periods do set[p] = ranking_of(board, next_arg()) end
    board[n] = set
  end
end

-- What a ranking sorts by.
local function number_of(board, score, tick)
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
  elseif is_better(board, number_of(board, points, tick), number_of(board, change.points, change.tick)) then
    change.points, change.tick = points, tick
  end
end

-- Reads a caller's updates, and folds those that the board has not taken yet. Returns how many they are.
local function read_updates(board)
  local source, has_metadata, taken = next_arg(), next_arg() == '1', 0
  board.problem = board.problem or look_up(board.cursors, board.positions, source)
  local from = board.positions[source]
  local last = from
  for _ = 1, next_number() do
    local set = #board > 1 and board[next_number()] or board[1]
    local position = source ~= '' and next_arg()
    local member, points = next_arg(), next_number()
    local tick = board.times > 1 and next_number() or 0
    local metadata = has_metadata and next_arg() or ''
    if not from or position > from then
      taken, last = taken + 1, position
      fold(board, set, member, points, tick)
      if metadata ~= '' then set.texts[member] = metadata end
    end
  end
  if from and last > from then
    board.positions[source] = last
    board.moved[source] = true
  end
  return taken
end

-- Reads where all members stand whose updates came.
local function read_rankings(board)
  for _, set in ipairs(board) do
    if next(set.texts) then board.problem = board.problem or wrong(set.metadata, 'hash') end
    for _, ranking in ipairs(set) do
      for _, member in ipairs(set.members) do
        if not ranking.is_member[member] then
          ranking.is_member[member] = true
          ranking.members[#ranking.members + 1] = member
        end
      end
    end
  end
  for _, ranking in pairs(board.rankings) do
    local problem
    ranking.numbers, problem = numbers_of(ranking.key, ranking.members)
    if ranking.scores then problem = problem or wrong(ranking.scores, 'zset') end
    board.problem = board.problem or problem
  end
end

-- The score that follows from where a member stands, or nil if it stays there.
local function next_score(board, number, change)
  local score = change.points
  if board.operator == 'sum' then score = within(board, score + (number and score_of(board, number) or 0)) end
  if not number then return score end
  if board.operator == 'best' then
    return is_better(board, number_of(board, score, change.tick), number) and score or nil
  end
  return score ~= score_of(board, number) and score or nil
end

-- Moves members, in memory yet.
local function move(board, set)
  for _, ranking in ipairs(set) do
    for _, member in ipairs(set.members) do
      local change, number = set.changes[member], ranking.numbers[member]
      local score = next_score(board, number, change)
      if score then
        ranking.numbers[member] = number_of(board, score, change.tick)
        ranking.changed[member] = true
        if number and ranking.scores then ranking.old[number] = true end
      end
    end
  end
end

-- So that no window stays without an end, whoever has made its key.
local function expire(key, at)
  if at ~= '0' then redis.call('PEXPIREAT', key, at, 'NX') end
end

-- As text: Redis is slower to write a number out.
local function text(number) return string.format('%d', number) end

local function write_scores(ranking, pairs_written)
  local scores = {}
  for n = 1, #pairs_written, 2 do
    scores[n], scores[n + 1] = pairs_written[n], pairs_written[n]
  end
  call_with('ZADD', ranking.scores, scores)
  for number in pairs(ranking.old) do
    local left = text(number)
    if redis.call('ZCOUNT', ranking.key, left, left) == 0 then redis.call('ZREM', ranking.scores, left) end
  end
  expire(ranking.scores, ranking.expires)
end

local function write_ranking(ranking)
  local written = {}
  for member in pairs(ranking.changed) do
    written[#written + 1] = text(ranking.numbers[member])
    written[#written + 1] = member
  end
  if #written > 0 then
    call_with('ZADD', ranking.key, written)
    if ranking.scores then write_scores(ranking, written) end
  end
  if #ranking.members > 0 then expire(ranking.key, ranking.expires) end
end

local function write(board)
  for _, ranking in pairs(board.rankings) do write_ranking(ranking) end
  for _, set in ipairs(board) do
    for member, metadata in pairs(set.texts) do redis.call('HSET', set.metadata, member, metadata) end
    if next(set.texts) then expire(set.metadata, set.expires) end
  end
  for source in pairs(board.moved) do redis.call('HSET', board.cursors, source, board.positions[source]) end
end

local function serve()
  local board, taken = read_board(), {}
  read_sets(board)
  for caller = 1, next_number() do taken[caller + 1] = read_updates(board) end
  if not board.problem then read_rankings(board) end
  if board.problem then return board.problem end
  for _, set in ipairs(board) do move(board, set) end
  write(board)
  taken[1] = board.cut
  return taken
end

local answers = {}
while last_key < #KEYS do answers[#answers + 1] = serve() end
return answers
