#!lua flags=allow-oom
-- Moves a durable subscriber's position in one stream forward. The position is the last-delivered id of a consumer group
-- that nobody reads by, so that whoever trims the stream for its groups respects it too. One step, or a save that comes
-- late (sent again, or by a process that is about to end) would move it back and repeat what is done.
--
-- Creates what is missing: at first, and after Redis lost its data. Then the position is beyond the stream's end, which
-- tells the subscriber at its next start what has happened.
--
-- KEYS[1] the stream   ARGV[1] the group   ARGV[2] the new position
-- Reply: the position as it is now, which is a later one if it was there already.

-- Compared digit by digit: as text, 9-0 would come after 10-0, and as Lua's numbers, what is above 2^53 would be rounded.
local function is_less(a, b) return #a < #b or (#a == #b and a < b) end
local function is_before(a, b)
  local a_ms, a_seq = a:match('^(%d+)-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)-(%d+)$')
  return is_less(a_ms, b_ms) or (a_ms == b_ms and is_less(a_seq, b_seq))
end

local function position()
  if redis.call('EXISTS', KEYS[1]) == 0 then return nil end
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local about = {}
    for i = 1, #group, 2 do about[group[i]] = group[i + 1] end
    if about['name'] == ARGV[1] then return about['last-delivered-id'] end
  end
end

local kept = position()
if not kept then
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
elseif is_before(kept, ARGV[2]) then
  redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[2])
else
  return kept
end
return ARGV[2]
