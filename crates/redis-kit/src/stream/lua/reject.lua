-- Moves the entry to the group's dead letters, with all its fields and why. One step, or a crash in between would
-- lose the entry or keep it twice.
--
-- KEYS[1…3] as in fence.lua   KEYS[4] dead letters
-- ARGV[1…4] as in fence.lua   ARGV[5] reason   ARGV[6] attempts made
-- Reply: 1 moved, 0 refused, because the delivery is not this consumer's any more.
if not is_held() then return 0 end
check('XADD', KEYS[4], 'stream')
check_settle()
local letter = { 'origin', ARGV[3], 'reason', ARGV[5], 'attempts', ARGV[6] }
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
-- The entry itself may have been deleted; that it was there, and why it failed, is kept all the same.
local fields = entry and entry[2] or {}
-- Lua's stack holds some thousand arguments of a call. An entry with more is none of ours, and is kept as JSON.
if #fields > 5000 then fields = { 'fields', cjson.encode(fields) } end
for _, value in ipairs(fields) do letter[#letter + 1] = value end
redis.call('XADD', KEYS[4], '*', unpack(letter))
settle()
return 1
