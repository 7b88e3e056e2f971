-- Applies what became of entries, in their order, and moves the group's cursor behind them, in one step: a crash leaves
-- either both or neither, and whoever holds the partition next goes on exactly there. Ends at the first entry that cannot
-- be applied. What is only published leaves nothing, and its cursor may be lost with it.
--
-- KEYS[1…2] as in held.lua   KEYS[3] attempts   KEYS[4] dead letters   KEYS[5…] as in writes.lua
-- ARGV[1…3] as in held.lua   ARGV[4] where the cursor should stand   ARGV[5] the last entry, or '' if there is none
-- ARGV[6] 'kept', or '' if the cursor need not outlive the server yet: it then moves in this server's memory alone, and nobody
--   waits for the disk. Only where all that is written for the entries is published, and none of them had failed.
-- ARGV[7…] for each entry: its id, 1 (or how many were passed, of several for which nothing is written; it is the last of them),
--   how many attempts had failed, and either '' and its writes as in writes.lua, or the reason why it is rejected
-- Reply: { where the cursor stands now, what is wrong with the first entry behind it, or '', whether this call has kept it (1 or 0) },
--   and nothing applied if it did not stand where it should, or the last entry is not there; nil if the partition is another's.

-- How many entries the group has read once it has passed so many more and stands at `cursor`, where Redis does not know its lag:
-- some were deleted, or the group is new or was moved by hand.
local function count_read(info, cursor, passed)
  local stream = by_name(redis.call('XINFO', 'STREAM', KEYS[1]))
  if cursor == stream['last-generated-id'] then return stream['entries-added'] end
  -- A group without a count may have a lag all the same.
  local read = info['entries-read'] or (info.lag and stream['entries-added'] - info.lag)
  return read and read + passed
end

if not is_held() then return nil end
local info = group_info()
local cursor = info['last-delivered-id']
if cursor ~= ARGV[4] then return { cursor, '', 0 } end
-- A Redis that lost its latest writes, by a failover or a damaged file, has lost entries that were read before. What followed from
-- them must not come to be. It loses the end of what was written, so if the last one is there, all are; else they are read again.
if ARGV[5] ~= '' and #redis.call('XRANGE', KEYS[1], ARGV[5], ARGV[5]) == 0 then return { cursor, '', 0 } end

local wrong = problem('HDEL', KEYS[3], 'hash')
local may_move = redis.acl_check_cmd('XGROUP', 'SETID', KEYS[1], ARGV[1], cursor)
if not may_move then
  wrong = 'NOPERM XGROUP SETID on ' .. KEYS[1] .. ' is not permitted'
end
local position, key, passed = 7, 5, 0
while position <= #ARGV and not wrong do
  local id, entries, failed, reason = unpack(ARGV, position, position + 3)
  local writes
  if reason ~= '' then
    position = position + 4
    wrong = problem('XADD', KEYS[4], 'stream')
    if not wrong then bury(KEYS[4], KEYS[1], id, one_more_failure(KEYS[3], id, ARGV[2], reason)) end
  else
    writes, wrong, position, key = read_writes(position + 4, key)
    if not wrong then apply(writes) end
  end
  if not wrong then
    if failed ~= '0' then redis.call('HDEL', KEYS[3], id) end
    cursor, passed = id, passed + tonumber(entries)
  end
end

local is_kept = ARGV[6] == 'kept' and may_move
if passed > 0 or is_kept then
  if not is_kept then redis.set_repl(redis.REPL_NONE) end
  -- Redis counts what a group has read only for XREADGROUP. Told here, it knows the group's lag.
  -- Where there is nothing new to count, it is counted anew: what was trimmed before a crash may have been counted as lag.
  local read = passed > 0 and info['entries-read'] and info.lag and info.lag >= passed and info['entries-read'] + passed
  read = read or count_read(info, cursor, passed)
  if read then
    redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], cursor, 'ENTRIESREAD', read)
  else
    redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], cursor)
  end
end
return { cursor, wrong or '', is_kept and 1 or 0 }
