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
--   how many updates there are; for each: its position if there is a source; the member; the logarithm of what it weighs;
--   metadata or ''
-- Reply: for each caller how many updates were taken; or an error's text, and nothing was done

-- The logarithm of the sum of what two logarithms stand for.
local LN2 = math.log(2)
local function plus(a, b)
  if not a then return b end
  if a < b then a, b = b, a end
  return a + math.log(1 + 2 ^ (b - a)) / LN2
end

-- Forgets those of least weight. Never many at once, and more than have come.
local MOST = 1000
local function forget(board, come)
  local most = math.min(MOST, come + 10)
  local faded = redis.call('ZRANGE', board.ranking, '-inf', '(' .. board.below, 'BYSCORE', 'LIMIT', 0, most)
  if #faded == 0 then return end
  redis.call('ZREM', board.ranking, unpack(faded))
  redis.call('HDEL', board.metadata, unpack(faded))
end

local function read_board()
  return {
    cursors = next_key(),
    ranking = next_key(),
    metadata = next_key(),
    source = next_arg(),
    below = next_arg(),
    time = next_arg(),
    positions = {},
    members = {},
    weights = {},
    texts = {},
  }
end

-- Reads the updates that the board has not taken yet. Returns how many they are.
local function read_updates(board)
  local source, taken = board.source, 0
  board.problem = look_up(board.cursors, board.positions, source)
  local from = board.positions[source]
  for _ = 1, next_number() do
    local position = source ~= '' and next_arg()
    local member, weight, metadata = next_arg(), next_number(), next_arg()
    if not from or position > from then
      taken, board.last = taken + 1, position
      if not board.weights[member] then board.members[#board.members + 1] = member end
      board.weights[member] = plus(board.weights[member], weight)
      if metadata ~= '' then board.texts[member] = metadata end
    end
  end
  return taken
end

local function write(board)
  for _, member in ipairs(board.members) do
    local old = tonumber(redis.call('ZSCORE', board.ranking, member) or nil)
    local weight = plus(old, board.weights[member])
    redis.call('ZADD', board.ranking, string.format('%.17g', weight), member)
  end
  for member, metadata in pairs(board.texts) do redis.call('HSET', board.metadata, member, metadata) end
  forget(board, #board.members)
  redis.call('PEXPIRE', board.ranking, board.time)
  redis.call('PEXPIRE', board.metadata, board.time)
  if board.last then redis.call('HSET', board.cursors, board.source, board.last) end
end

local function serve()
  local board = read_board()
  local taken = read_updates(board)
  local problem = board.problem or wrong(board.ranking, 'zset') or wrong(board.metadata, 'hash')
  if problem then return problem end
  if taken > 0 then write(board) end
  return taken
end

local answers = {}
while last_key < #KEYS do answers[#answers + 1] = serve() end
return answers
