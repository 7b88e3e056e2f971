-- Applies what a handler returned and acknowledges the entry, in one step: a crash leaves either both or neither.
--
-- KEYS[1] the stream   KEYS[2] attempts   KEYS[3] retry   KEYS[4…] one key a write, in order, for those that have one
-- ARGV[1…4] as in fence.lua
-- ARGV[5…] the writes, each as: kind, number of arguments, arguments…
--   append   fields and values of the new entry
--   set      fields and values of a hash
--   advance  'version', the event's stream id, then fields and values of a hash
--   publish  channel, payload (the one kind without a key)
-- Reply: 1 applied and acknowledged, 0 refused, because the delivery is not this consumer's any more.
if not is_held() then return 0 end

-- Whether stream id a is before b. Ids are compared as numbers: as text, 9-0 would come after 10-0.
local function is_before(a, b)
  local a_ms, a_seq = a:match('^(%d+)-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)-(%d+)$')
  a_ms, a_seq, b_ms, b_seq = tonumber(a_ms), tonumber(a_seq), tonumber(b_ms), tonumber(b_seq)
  return a_ms < b_ms or (a_ms == b_ms and a_seq < b_seq)
end

local apply = {
  append = function(key, args) redis.call('XADD', key, '*', unpack(args)) end,
  set = function(key, args) redis.call('HSET', key, unpack(args)) end,
  advance = function(key, args)
    local seen = redis.call('HGET', key, 'version')
    if seen and is_before(seen, args[2]) then redis.call('HSET', key, unpack(args)) end
  end,
  publish = function(_, args) redis.call('PUBLISH', args[1], args[2]) end,
}

local next_arg, next_key = 5, 4
while next_arg <= #ARGV do
  local kind, count = ARGV[next_arg], tonumber(ARGV[next_arg + 1])
  local args = {}
  for i = 1, count do args[i] = ARGV[next_arg + 1 + i] end
  local key = nil
  if kind ~= 'publish' then
    key = KEYS[next_key]
    next_key = next_key + 1
  end
  apply[kind](key, args)
  next_arg = next_arg + 2 + count
end

settle(KEYS[2], KEYS[3])
return 1
