-- The fence of ordered delivery: whether this instance holds the partition, by the very lease that it thinks it has.
--
-- KEYS[1] the stream   KEYS[2] leases: a hash with `holder`, `fence` (raised by each new holder, never lowered) and for
--   each instance `member:<name>` (alive until, in Unix ms)   ARGV[1] group   ARGV[2] instance   ARGV[3] its fence
local function is_held()
  local lease = redis.call('HMGET', KEYS[2], 'holder', 'fence')
  return lease[1] == ARGV[2] and lease[2] == ARGV[3]
end

-- Names and values that follow each other, as a table.
local function by_name(flat)
  local values = {}
  for i = 1, #flat, 2 do values[flat[i]] = flat[i + 1] end
  return values
end

-- What Redis knows of the group: its cursor, and how many entries it has passed, if that is known.
local function group_info()
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local info = by_name(flat)
    if info.name == ARGV[1] then return info end
  end
  error(redis.error_reply('NOGROUP no group ' .. ARGV[1] .. ' on ' .. KEYS[1]))
end
