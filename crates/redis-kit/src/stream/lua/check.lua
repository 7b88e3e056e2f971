#!lua flags=allow-oom
-- Stands in front of scripts that write what a handler returned. Allowed on a full Redis, because what frees memory must not
-- be refused for want of it.

-- Says what is wrong unless the command may run on the key and will find, or make, a value of that type. What was written
-- before an error stays written, so whatever can fail is looked at before the first write. A channel has no type.
local checked, types = {}, {}
-- How many arguments a command needs behind its key, unless it is two: Redis 8 refuses to be asked about any other number.
local ARGUMENTS = { XADD = 3, XCLAIM = 4, PEXPIRE = 1, PUBLISH = 1, SET = 1, DEL = 0 }
local function problem(command, key, type)
  if checked[key] == command then return nil end
  if not redis.acl_check_cmd(command, key, unpack({ '', '', '', '' }, 1, ARGUMENTS[command] or 2)) then
    return 'NOPERM ' .. command .. ' on ' .. key .. ' is not permitted'
  end
  if type then
    local found = types[key] or redis.call('TYPE', key).ok
    if found ~= type and found ~= 'none' then
      return 'WRONGTYPE ' .. key .. ' holds a ' .. found .. ' and not a ' .. type
    end
    -- What is not there yet will be of this type for all writes that follow.
    types[key] = type
  end
  checked[key] = command
end

-- After writes that were looked at and then not made.
local function forget_checks() checked, types = {}, {} end

local function now_ms()
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
end
