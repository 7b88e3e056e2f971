#!lua flags=allow-oom
-- The fence: stands in front of commit.lua, postpone.lua and reject.lua, which end or postpone a delivery. A consumer
-- that stalled while its entry was taken over must change nothing any more. Allowed on a full Redis, because
-- what frees memory must not be refused for want of it.
--
-- KEYS[1] the stream   KEYS[2] attempts   KEYS[3] retry
-- ARGV[1] group   ARGV[2] consumer   ARGV[3] entry id   ARGV[4] how often the entry had been delivered
local function is_held()
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
  return pending[1] ~= nil and pending[1][4] == tonumber(ARGV[4])
end

-- Fails unless the command may run on the key and will find, or make, a value of that type. What was written before an
-- error stays written, so whatever can fail is checked before the first write. A channel has no type.
local types = {}
local function check(command, key, type)
  if not redis.acl_check_cmd(command, key, '', '') then
    error(redis.error_reply('NOPERM ' .. command .. ' on ' .. key .. ' is not permitted'))
  end
  if not type then return end
  types[key] = types[key] or redis.call('TYPE', key).ok
  if types[key] == 'none' then types[key] = type end
  if types[key] ~= type then
    error(redis.error_reply('WRONGTYPE ' .. key .. ' holds a ' .. types[key] .. ' and not a ' .. type))
  end
end

local function check_settle()
  check('XACK', KEYS[1], 'stream')
  check('HDEL', KEYS[2], 'hash')
  check('ZREM', KEYS[3], 'zset')
end

-- Forgets the entry: it is neither pending nor waiting, and has no history of failures.
local function settle()
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
  redis.call('HDEL', KEYS[2], ARGV[3])
  redis.call('ZREM', KEYS[3], ARGV[3])
end
