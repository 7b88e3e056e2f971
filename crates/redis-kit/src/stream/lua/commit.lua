-- Applies what a handler returned and acknowledges the entry, in one step: a crash leaves either both or neither.
--
-- KEYS[1…3] as in fence.lua   KEYS[4…] one key a write, in order, for those that have one
-- ARGV[1…4] as in fence.lua
-- ARGV[5…] the writes, each as: kind, number of arguments, arguments…
--   append   fields and values of the new entry
--   set      fields and values of a hash
--   advance  'version', the event's stream id, then fields and values of a hash
--   publish  channel, payload (the one kind without a key)
-- Reply: 1 applied and acknowledged, 0 refused, because the delivery is not this consumer's any more. An error, and
--   nothing written, if a key holds a value of another type or a command is not permitted.
if not is_held() then return 0 end

-- Whether stream id a is before b; false if a is none. Compared digit by digit: as text, 9-0 would come after 10-0, and as
-- Lua's numbers, what is above 2^53 would be rounded.
local function is_less(a, b) return #a < #b or (#a == #b and a < b) end
local function is_before(a, b)
  local a_ms, a_seq = a:match('^(%d+)-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)-(%d+)$')
  return a_ms ~= nil and (is_less(a_ms, b_ms) or (a_ms == b_ms and is_less(a_seq, b_seq)))
end

-- In pieces, because Lua's stack holds some thousand arguments of a call.
local function set_fields(key, args)
  for i = 1, #args, 1000 do redis.call('HSET', key, unpack(args, i, math.min(i + 999, #args))) end
end

local kinds = {
  append = { command = 'XADD', type = 'stream', apply = function(key, args)
    redis.call('XADD', key, '*', unpack(args))
  end },
  set = { command = 'HSET', type = 'hash', apply = set_fields },
  advance = { command = 'HSET', type = 'hash', apply = function(key, args)
    local seen = redis.call('HGET', key, 'version')
    if seen and is_before(seen, args[2]) then set_fields(key, args) end
  end },
  publish = { command = 'PUBLISH', apply = function(channel, args)
    redis.call('PUBLISH', channel, args[2])
  end },
}

local writes, next_arg, next_key = {}, 5, 4
while next_arg <= #ARGV do
  local kind, count = kinds[ARGV[next_arg]], tonumber(ARGV[next_arg + 1])
  local write = { kind = kind, args = {} }
  for i = 1, count do write.args[i] = ARGV[next_arg + 1 + i] end
  if kind == kinds.publish then
    write.target = write.args[1]
  else
    write.target = KEYS[next_key]
    next_key = next_key + 1
  end
  check(kind.command, write.target, kind.type)
  writes[#writes + 1] = write
  next_arg = next_arg + 2 + count
end
check_settle()

for _, write in ipairs(writes) do write.kind.apply(write.target, write.args) end
settle()
return 1
