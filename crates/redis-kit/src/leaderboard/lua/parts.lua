#!lua flags=allow-oom
-- Stands in front of scripts that several callers share. Allowed on a full Redis: a stream is trimmed only once its board has
-- taken what it tells, so to refuse that would be to keep the memory.

local last_key, last_arg = 0, 0
local function next_key() last_key = last_key + 1 return KEYS[last_key] end
local function next_arg() last_arg = last_arg + 1 return ARGV[last_arg] end
local function next_number() return tonumber(next_arg()) end

-- Says what is wrong if the key holds anything but that type. An error does not roll back, so whatever can fail is looked
-- at before the first write: by this, or by a read of what is then written.
local function wrong(key, type)
  local found = redis.call('TYPE', key).ok
  if found ~= type and found ~= 'none' then
    return 'WRONGTYPE ' .. key .. ' holds a ' .. found .. ' and not a ' .. type
  end
end

-- How many arguments a command is given at once. Lua cannot unpack more than some thousand.
local AT_ONCE = 4000

-- Calls a command on a key, behind an option if there is one, with all of these arguments, in as many calls as it takes.
local function call_with(command, key, args, option)
  for first = 1, #args, AT_ONCE do
    local last = math.min(#args, first + AT_ONCE - 1)
    if option then
      redis.call(command, key, option, unpack(args, first, last))
    else
      redis.call(command, key, unpack(args, first, last))
    end
  end
end
