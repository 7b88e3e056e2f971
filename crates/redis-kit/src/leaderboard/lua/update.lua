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
--   its set if there are several; its position if there is a source; the member; the points; the metadata or '', if there is any. Of
--   sums the points are followed by the tick if there are times; else they are the number itself that a ranking sorts by
-- Reply: for each board { how many sums were cut to the lowest or the highest score, for each caller how many updates were
--   taken }; or an error's text, and nothing was done

local function read_board()
  local board = {
    cursors = next_key(),
    operator = next_arg(),
    descending = next_arg() == '1',
    dense = next_arg() == '1',
    lowest = next_number(),
    highest = next_number(),
    times = next_number(),
    positions = {},
    moved = {},
    cut = 0,
  }
  local count, periods = next_number(), next_number()
  for n = 1, count do
    local set = { metadata = next_key(), expires = next_arg(), members = {}, points = {}, ticks = {}, texts = {} }
    for p = 1, periods do
      set[p] = { key = next_key(), scores = board.dense and next_key() or nil, expires = next_arg() }
    end
    board[n] = set
  end
  return board
end

-- The score that is in a number.
local function score_in(board, number)
  if board.times == 1 then return number end
  return math.floor(number / board.times) + board.lowest
end

local function is_better(board, a, b)
  if board.descending then return a > b end
  return a < b
end

-- As text: Redis is slower to write a number out. However large a sum is before it is cut.
local function text(number) return string.format('%.0f', number) end

-- Puts an update together with those of the same member that came before it: a ranking is written once for all. Points stay text
-- for as long as there is nothing to reckon.
local function fold(board, set, member, points, tick)
  local before = set.points[member]
  if not before then
    set.members[#set.members + 1] = member
    set.points[member], set.ticks[member] = points, tick
  elseif board.operator == 'sum' then
    set.points[member] = text(before + points)
    if points ~= '0' then set.ticks[member] = tick end
  elseif board.operator == 'best' then
    if is_better(board, tonumber(points), tonumber(before)) then set.points[member] = points end
  elseif score_in(board, tonumber(points)) ~= score_in(board, tonumber(before)) then
    set.points[member] = points
  end
end

-- Reads a caller's updates, and folds those that the board has not taken yet. Returns how many they are.
local function read_updates(board)
  local source, has_metadata, taken = next_arg(), next_arg() == '1', 0
  board.problem = board.problem or look_up(board.cursors, board.positions, source)
  local has_ticks, from = board.operator == 'sum' and board.times > 1, board.positions[source]
  local last = from
  for _ = 1, next_number() do
    local set = board[2] and board[next_number()] or board[1]
    local position = source ~= '' and next_arg()
    local member, points = next_arg(), next_arg()
    local tick = has_ticks and next_arg()
    local metadata = has_metadata and next_arg()
    if not from or position > from then
      taken, last = taken + 1, position
      fold(board, set, member, points, tick)
      if metadata and metadata ~= '' then set.texts[member] = metadata end
    end
  end
  if from and last > from then
    board.positions[source] = last
    board.moved[source] = true
  end
  return taken
end

-- What is wrong with the keys that are to be written.
local function look_at_keys(board)
  for _, set in ipairs(board) do
    board.problem = board.problem or wrong(set.metadata, 'hash')
    for _, period in ipairs(set) do
      board.problem = board.problem or wrong(period.key, 'zset') or period.scores and wrong(period.scores, 'zset')
    end
  end
end

-- The number by which a member is sorted from now on, or nil if it stays where it is.
local function next_number_of(board, before, points, tick)
  if board.operator == 'best' then
    return (not before or is_better(board, tonumber(points), tonumber(before))) and points or nil
  end
  local old = before and score_in(board, tonumber(before))
  if board.operator == 'last' then return old ~= score_in(board, tonumber(points)) and points or nil end
  local sum = (old or 0) + points
  local score = math.max(board.lowest, math.min(board.highest, sum))
  if score ~= sum then board.cut = board.cut + 1 end
  if score == old then return nil end
  return text(board.times == 1 and score or (score - board.lowest) * board.times + tick)
end

-- Where these members stand; false for one that is not there.
local function numbers_of(period, set)
  local numbers = {}
  for first = 1, #set.members, AT_ONCE do
    local last = math.min(#set.members, first + AT_ONCE - 1)
    local found = redis.call('ZMSCORE', period.key, unpack(set.members, first, last))
    for n = 1, #found do numbers[first + n - 1] = found[n] end
  end
  return numbers
end

-- Keeps each score that there is once, and none that nobody has any more.
local function write_scores(period, there, gone)
  call_with('ZADD', period.scores, there)
  for number in pairs(gone) do
    if redis.call('ZCOUNT', period.key, number, number) == 0 then redis.call('ZREM', period.scores, number) end
  end
end

-- Has Redis choose, for all members at once.
local function put(board, period, set)
  local given, option = {}, nil
  for n, member in ipairs(set.members) do given[2 * n - 1], given[2 * n] = set.points[member], member end
  if board.operator == 'best' then option = board.descending and 'GT' or 'LT' end
  call_with('ZADD', period.key, given, option)
end

-- Has Redis add, for one member after the other: that is faster than to read where they stand.
local function add(board, period, set)
  for _, member in ipairs(set.members) do
    local sum = tonumber(redis.call('ZINCRBY', period.key, set.points[member], member))
    local score = math.max(board.lowest, math.min(board.highest, sum))
    if score ~= sum then
      board.cut = board.cut + 1
      redis.call('ZADD', period.key, text(score), member)
    end
  end
end

-- Reads where all members stand, and moves those that do not stay there.
local function move(board, period, set)
  local given, there, gone = {}, {}, {}
  for n, before in ipairs(numbers_of(period, set)) do
    local member = set.members[n]
    local number = next_number_of(board, before, set.points[member], set.ticks[member])
    if number then
      given[#given + 1], given[#given + 2] = number, member
      there[#there + 1], there[#there + 2] = number, number
      if before then gone[before] = true end
    end
  end
  call_with('ZADD', period.key, given)
  if period.scores then write_scores(period, there, gone) end
end

-- So that no window stays without an end, whoever has made its key.
local function expire(key, at)
  if at ~= '0' then redis.call('PEXPIREAT', key, at, 'NX') end
end

local function write_period(board, period, set)
  local is_plain = board.times == 1 and not period.scores
  if is_plain and board.operator == 'sum' then
    add(board, period, set)
  elseif is_plain or board.operator == 'best' and not period.scores then
    put(board, period, set)
  else
    move(board, period, set)
  end
  expire(period.key, period.expires)
  if period.scores then expire(period.scores, period.expires) end
end

local function write(board)
  for _, set in ipairs(board) do
    if #set.members > 0 then
      for _, period in ipairs(set) do write_period(board, period, set) end
      for member, metadata in pairs(set.texts) do redis.call('HSET', set.metadata, member, metadata) end
      if next(set.texts) then expire(set.metadata, set.expires) end
    end
  end
  for source in pairs(board.moved) do redis.call('HSET', board.cursors, source, board.positions[source]) end
end

local function serve()
  local board, taken = read_board(), {}
  for caller = 1, next_number() do taken[caller + 1] = read_updates(board) end
  look_at_keys(board)
  if board.problem then return board.problem end
  write(board)
  taken[1] = board.cut
  return taken
end

local answers = {}
while last_key < #KEYS do answers[#answers + 1] = serve() end
return answers
