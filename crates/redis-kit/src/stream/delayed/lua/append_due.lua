#!lua flags=allow-oom
-- Appends the messages whose time has come, earliest first. One step, so that each is appended once: whoever else asks, or
-- asks again because a reply was lost, finds them gone. Allowed on a full Redis: a message takes less memory in the stream
-- than it took here, and holding it back would free nothing.
--
-- KEYS[1] the stream   KEYS[2] delayed   KEYS[3] delayed fields   KEYS[4] delayed past
-- ARGV[1] how many at most   ARGV[2] for how long to remember what was appended, in ms
-- Reply: how many were appended.
local limit = tonumber(ARGV[1])
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)

local function up_to(key, ms)
  return redis.call('ZRANGE', key, '-inf', ms, 'BYSCORE', 'LIMIT', 0, limit)
end

-- What was written before an error stays written, so whatever can fail is checked first: a message would be appended again
-- and again if it could not be removed.
local types = { 'stream', 'zset', 'hash', 'zset' }
for i, type in ipairs(types) do
  local found = redis.call('TYPE', KEYS[i]).ok
  if found ~= 'none' and found ~= type then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. found .. ' and not a ' .. type)
  end
end
local needed = {
  { 'XADD', KEYS[1], '*', '', '' }, { 'ZREM', KEYS[2], '' }, { 'HDEL', KEYS[3], '' }, { 'ZADD', KEYS[4], 0, '' },
}
for _, command in ipairs(needed) do
  if not redis.acl_check_cmd(unpack(command)) then
    return redis.error_reply('NOPERM ' .. command[1] .. ' on ' .. command[2] .. ' is not permitted')
  end
end

-- Twice as many as are appended, so that it never becomes more and more.
for _ = 1, 2 do
  local forgotten = up_to(KEYS[4], now_ms - tonumber(ARGV[2]))
  if #forgotten > 0 then redis.call('ZREM', KEYS[4], unpack(forgotten)) end
end

local due = up_to(KEYS[2], now_ms)
for _, id in ipairs(due) do
  local json = redis.call('HGET', KEYS[3], id)
  local is_json, fields = pcall(cjson.decode, json)
  if not is_json or type(fields) ~= 'table' or #fields == 0 or #fields % 2 == 1 then
    -- Somebody has been at it. It goes to the dead letters of those who read it, where it is seen, and holds up nothing.
    fields = { 'id', id, 'fields', json or '' }
  end
  redis.call('XADD', KEYS[1], '*', unpack(fields))
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
  redis.call('ZADD', KEYS[4], now_ms, id)
end
return #due
