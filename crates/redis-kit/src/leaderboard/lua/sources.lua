-- How far a board has got with each source that it is brought up to date from: a hash from the source to the position of the
-- last entry that was taken. Positions are of one length, so that text compares as they do. (Lua's numbers would round what is
-- above 2^53.)

-- What is before every position.
local BEGINNING = ''

-- Reads how far it has got with a source, unless that is known. Returns what is wrong if it cannot be read. An update without a
-- source has none that is named by an empty text.
local function look_up(cursors, positions, source)
  if source == '' or positions[source] then return nil end
  local found = redis.pcall('HGET', cursors, source)
  if type(found) == 'table' then return found.err end
  positions[source] = found or BEGINNING
end
