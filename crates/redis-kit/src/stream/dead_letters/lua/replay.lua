#!lua
-- Moves a dead letter back to where it came from: appends a copy of its entry to the stream, addressed to the one group
-- that gave it up, and deletes the letter. One step, so that it happens once: of two replays at once, and of a replay that is
-- sent again because its reply was lost, the later finds the letter gone. Not allowed on a full Redis: it makes new work,
-- which can wait.
--
-- KEYS[1] the stream   KEYS[2] dead letters
-- ARGV[1] the letter's id   ARGV[2] group
-- Reply: the id of the new entry, or nil if there is no such letter. The error UNREPLAYABLE, and nothing written, if the
--   letter does not hold the entry's fields as they were.
local letter = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1]
if not letter then return false end
local fields = letter[2]

local function refuse(why) return redis.error_reply('UNREPLAYABLE ' .. why) end
if fields[1] ~= 'origin' or fields[3] ~= 'reason' or fields[5] ~= 'attempts' then
  return refuse('it does not begin as a dead letter does')
end
local origin = fields[2]

-- What is the entry's own: what follows the letter's head, up to the two marks of an earlier replay, if it had one. Those
-- tell its first origin, which the copy must tell too.
local first, last = fields[7] == 'history' and 9 or 7, #fields
if last - first >= 3 and fields[last - 3] == 'replay_for' and fields[last - 1] == 'origin' then
  origin, last = fields[last], last - 4
end
local count = last - first + 1
if count <= 0 then
  return refuse('its entry was deleted before it could be copied here')
end
if count == 2 and fields[first] == 'fields' and fields[first + 1]:sub(1, 1) == '[' then
  return refuse('its entry had so many fields that they are kept as JSON')
end
-- Lua's stack holds about 8000 arguments of a call.
if count > 7000 then
  return refuse('it has too many fields for a script to append')
end

-- What was written before an error stays written, and then the entry would be there twice.
if not redis.acl_check_cmd('XDEL', KEYS[2], ARGV[1]) then
  return redis.error_reply('NOPERM XDEL on ' .. KEYS[2] .. ' is not permitted')
end
local copy = { unpack(fields, first, last) }
for _, mark in ipairs({ 'replay_for', ARGV[2], 'origin', origin }) do copy[#copy + 1] = mark end
local id = redis.call('XADD', KEYS[1], '*', unpack(copy))
redis.call('XDEL', KEYS[2], ARGV[1])
return id
