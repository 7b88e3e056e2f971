#!lua flags=no-writes
-- Looks at a stream and at its groups: one step, so that the figures belong together, and by Redis's clock.
--
-- KEYS[1] the stream   KEYS[2] delayed   KEYS[3…] retry and dead letters of each group, in order
-- ARGV[1…] groups
-- Reply: { Unix time in ms, length, appended, bytes, first id, last id, delayed, { every group there is… }, { report… } }
--   A report for each group of ARGV that is there: { group, last-delivered-id, lag, pending, oldest pending id, consumers,
--   waiting, dead letters }. The lag is nil where it is not known. An id is '' where there is none. So a first call without
--   groups tells which there are, and so which keys a second one touches.
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local delayed = redis.call('ZCARD', KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 0 then return { now_ms, 0, 0, 0, '', '', delayed, {}, {} } end

-- A flat list of names and values, as Redis replies, by name.
local function by_name(list)
  local values = {}
  for i = 1, #list, 2 do values[list[i]] = list[i + 1] end
  return values
end

local function first_entry(from)
  local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
  return entry and entry[1] or ''
end

local length = redis.call('XLEN', KEYS[1])
local first_id = first_entry('-')

-- How many entries the group has not read. Redis counts on, so after XDEL or XTRIM it does not know (nil), or says more than
-- there are (redis#13957); and after a restart from an append-only file that had been rewritten, Redis 7.0 forgets what was
-- read since, and says too much for ever. What can be seen is exact: a few unread, or nothing but unread.
local A_FEW = 100
local function lag_of(group)
  local unread = redis.call('XRANGE', KEYS[1], '(' .. group['last-delivered-id'], '+', 'COUNT', A_FEW + 1)
  if #unread <= A_FEW then return #unread end
  if unread[1][1] == first_id then return length end
  local lag = group.lag
  return lag and lag > 0 and lag <= length and lag or false
end

-- The consumer `waiting` is nobody: entries that wait for a retry are put under its name.
local function consumers_of(name)
  local count = 0
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], name)) do
    if by_name(consumer).name ~= 'waiting' then count = count + 1 end
  end
  return count
end

local groups, names = {}, {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  group = by_name(group)
  groups[group.name] = group
  names[#names + 1] = group.name
end

local reports = {}
for i, name in ipairs(ARGV) do
  local group = groups[name]
  if group then
    local oldest = redis.call('XPENDING', KEYS[1], name, '-', '+', 1)[1]
    reports[#reports + 1] = {
      name, group['last-delivered-id'], lag_of(group), group.pending, oldest and oldest[1] or '',
      consumers_of(name), redis.call('ZCARD', KEYS[1 + 2 * i]), redis.call('XLEN', KEYS[2 + 2 * i]),
    }
  end
end
local stream = by_name(redis.call('XINFO', 'STREAM', KEYS[1]))
return {
  now_ms, length, stream['entries-added'], redis.call('MEMORY', 'USAGE', KEYS[1]), first_id, stream['last-generated-id'],
  delayed, names, reports,
}
