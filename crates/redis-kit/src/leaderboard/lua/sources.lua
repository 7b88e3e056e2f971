-- How far a board has got with each source that it is brought up to date from: a hash from the source to the position of the
-- last update that was taken. Positions are of one length, so that text compares as they do. (Lua's numbers would round what is
-- above 2^53.)

-- What is before every position.
local BEGINNING = ''

-- How far it has got. An update has no source if that is empty; then nothing was taken before.
local function position_of(cursors, source)
  if source == '' then return BEGINNING end
  return redis.call('HGET', cursors, source) or BEGINNING
end

-- Remembers the position of the last update that was taken.
local function move_to(cursors, source, position)
  if source ~= '' then redis.call('HSET', cursors, source, position) end
end
