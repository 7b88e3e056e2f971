#!lua flags=allow-oom
-- Removes old entries that no group needs any more: one bounded step, to be called until it removes nothing. What
-- the groups need is asked in the same step that trims, because they read and acknowledge meanwhile. Allowed on a full Redis,
-- where it is what helps; what it writes is one short string.
--
-- Whole nodes are removed (`~`), which costs Redis next to nothing for each entry. So up to one node more than the policy
-- allows stays, and never less.
--
-- KEYS[1] the stream   KEYS[2] trimmed: the id below which everything is gone
-- ARGV[1] max age in ms   ARGV[2] max length   ARGV[3] max bytes; each of these may be '' for no limit
-- ARGV[4] how many entries to remove at most   ARGV[5…] groups without which nothing is trimmed
-- Reply: { how many were removed, { group… }, id }. The groups hold the policy up, because one of them needs the entry of
--   that id, which is the oldest that any needs; none and '' if nothing is held up.
local trimmed = redis.call('GET', KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 0 then return { 0, {}, '' } end
-- What was trimmed must be recorded, so it is asked first whether it may be.
if not redis.acl_check_cmd('SET', KEYS[2], '0-0') then
  return redis.error_reply('NOPERM SET on ' .. KEYS[2] .. ' is not permitted')
end

-- Whether stream id a is before b. Compared digit by digit: as text, 9-0 would come after 10-0, and as Lua's numbers, what is
-- above 2^53 would be rounded.
local function is_less(a, b) return #a < #b or (#a == #b and a < b) end
local function is_before(a, b)
  local a_ms, a_seq = a:match('^(%d+)-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)-(%d+)$')
  return is_less(a_ms, b_ms) or (a_ms == b_ms and is_less(a_seq, b_seq))
end
local function earlier(a, b)
  if not a or not b then return a or b end
  return is_before(a, b) and a or b
end

-- A flat list of names and values, as Redis replies, by name.
local function by_name(list)
  local values = {}
  for i = 1, #list, 2 do values[list[i]] = list[i + 1] end
  return values
end

local function first_entry(from)
  local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
  return entry and entry[1]
end

-- The group's last-delivered-id by group; '0-0' for those that ought to be there and are not: they need everything.
local delivered = {}
for i = 5, #ARGV do delivered[ARGV[i]] = '0-0' end
local has_pending = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  group = by_name(group)
  delivered[group.name], has_pending[group.name] = group['last-delivered-id'], group.pending > 0
end

-- The oldest entry that a group needs: the oldest that is pending, or the first that it has not read. Both, because a group
-- may have been set back behind what it has pending.
local needed, needed_by, least_delivered = nil, {}, nil
for group, last in pairs(delivered) do
  least_delivered = earlier(least_delivered, last)
  local oldest = first_entry('(' .. last)
  if has_pending[group] then
    local pending = redis.call('XPENDING', KEYS[1], group, '-', '+', 1)[1]
    oldest = earlier(oldest, pending and pending[1])
  end
  if oldest and oldest == needed then
    needed_by[#needed_by + 1] = group
  elseif oldest and earlier(oldest, needed) == oldest then
    needed, needed_by = oldest, { group }
  end
end

local last_id = by_name(redis.call('XINFO', 'STREAM', KEYS[1]))['last-generated-id']
local length, bytes = redis.call('XLEN', KEYS[1]), redis.call('MEMORY', 'USAGE', KEYS[1])

-- Freeing large entries takes long: no more than about 16 MB a step, though never fewer than a node has by default.
local step = math.min(tonumber(ARGV[4]), math.max(100, math.ceil(length * 16e6 / bytes)))
local function trim(before, limit)
  return redis.call('XTRIM', KEYS[1], 'MINID', '~', before, 'LIMIT', limit)
end

local removed, is_held = 0, false
if ARGV[1] ~= '' then
  local now = redis.call('TIME')
  local limit = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) - tonumber(ARGV[1])
  local too_old = string.format('%.0f-0', math.max(limit, 0))
  removed = trim(earlier(too_old, needed), step)
  is_held = needed ~= nil and is_before(needed, too_old)
end

-- How many entries are too many: counted, or reckoned from the memory that each takes on average (of which nothing is known
-- right after some were removed; the next step asks anew).
length = length - removed
local excess = 0
if ARGV[2] ~= '' then excess = length - tonumber(ARGV[2]) end
if ARGV[3] ~= '' and removed == 0 then
  excess = math.max(excess, math.ceil(length * (1 - tonumber(ARGV[3]) / bytes)))
end
if excess > 0 then
  local dropped = trim(needed or last_id, math.min(excess, step))
  -- Less than a node cannot be removed, and is nobody's fault. 100 is how many entries a node has by default.
  is_held = is_held or (dropped == 0 and needed ~= nil and excess >= 100)
  removed = removed + dropped
end

-- A reader without a group compares its position with this, so it must be no further than a group that has lost nothing:
-- what lies between that group's position and the first entry left had gone unneeded, or was never there.
if removed > 0 then
  local gone = earlier(first_entry('-') or last_id, least_delivered)
  if not trimmed or is_before(trimmed, gone) then redis.call('SET', KEYS[2], gone) end
end
if not is_held then return { removed, {}, '' } end
table.sort(needed_by)
return { removed, needed_by, needed }
