-- The writes that a handler returned, as the scripts that commit are given them: a number of writes, then each as its
-- kind, the number of its arguments, and the arguments:
--   append   fields and values of the new entry
--   set      fields and values of a hash
--   remove   fields of a hash
--   advance  'version', the event's stream id, then fields and values of a hash
--   expire   milliseconds; of a key of any type
--   publish  channel, payload (the one kind without a key)
-- A write's key is the next of KEYS.

-- Whether stream id a is before b; false if a is none. Compared digit by digit: as text, 9-0 would come after 10-0, and as
-- Lua's numbers, what is above 2^53 would be rounded.
local function is_less(a, b) return #a < #b or (#a == #b and a < b) end
local function is_before(a, b)
  local a_ms, a_seq = a:match('^(%d+)-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)-(%d+)$')
  return a_ms ~= nil and (is_less(a_ms, b_ms) or (a_ms == b_ms and is_less(a_seq, b_seq)))
end

-- Lua's stack holds some thousand arguments of a call.
local MOST_ARGS = 7000

local function in_parts(command, key, first, last)
  for i = first, last, 1000 do redis.call(command, key, unpack(ARGV, i, math.min(i + 999, last))) end
end
local function set_fields(key, first, last) in_parts('HSET', key, first, last) end

local kinds = {
  append = { command = 'XADD', type = 'stream', apply = function(key, first, last)
    redis.call('XADD', key, '*', unpack(ARGV, first, last))
  end },
  set = { command = 'HSET', type = 'hash', apply = set_fields },
  remove = { command = 'HDEL', type = 'hash', apply = function(key, first, last) in_parts('HDEL', key, first, last) end },
  advance = { command = 'HSET', type = 'hash', apply = function(key, first, last)
    local seen = redis.call('HGET', key, 'version')
    if seen and is_before(seen, ARGV[first + 1]) then set_fields(key, first, last) end
  end },
  expire = { command = 'PEXPIRE', apply = function(key, first) redis.call('PEXPIRE', key, ARGV[first]) end },
  publish = { command = 'PUBLISH', keyless = true, apply = function(channel, first, last)
    redis.call('PUBLISH', channel, ARGV[last])
  end },
}

-- Reads the writes that begin at ARGV[position] and take their keys from KEYS[key] on.
-- Returns them, what is wrong with them if anything is, and where the next ones begin.
local function read_writes(position, key)
  local writes, wrong = {}, nil
  local count = tonumber(ARGV[position])
  position = position + 1
  for i = 1, count do
    local kind, first = kinds[ARGV[position]], position + 2
    local last = position + 1 + tonumber(ARGV[position + 1])
    local target = ARGV[first]
    if not kind.keyless then
      target = KEYS[key]
      key = key + 1
    end
    wrong = wrong or problem(kind.command, target, kind.type)
    if kind == kinds.append and last - first >= MOST_ARGS then wrong = wrong or 'ERR too many fields to append to ' .. target end
    writes[i] = { apply = kind.apply, target = target, first = first, last = last }
    position = last + 1
  end
  if wrong then forget_checks() end
  return writes, wrong, position, key
end

local function apply(writes)
  for _, write in ipairs(writes) do write.apply(write.target, write.first, write.last) end
end
