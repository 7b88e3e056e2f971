-- Says that an instance is alive, and settles who holds the partition. Whose it should be follows from who is alive: the
-- instances in the order of their names take turns over the partitions. So all agree, and each has as many as the next, give
-- or take one. An instance takes what is its own only when nobody alive holds it, and gives away what is another's.
--
-- Creates the group at the start of its stream, and the stream, unless they are there.
--
-- KEYS[1] the stream   KEYS[2] leases, as in held.lua
-- ARGV[1] group   ARGV[2] instance   ARGV[3] the fence it holds the partition by, or ''
-- ARGV[4] the lease's time in ms   ARGV[5] the partition's number
-- Reply: { 'held', fence } it goes on holding   { 'wanted', fence } the same, but should give it away
--   { 'taken', fence, cursor } it holds from now on   { 'other' } it does not
local now = now_ms()
redis.call('HSET', KEYS[2], 'member:' .. ARGV[2], now + tonumber(ARGV[4]))

local lease, alive, names = {}, {}, {}
local flat = redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do
  local name = flat[i]:match('^member:(.*)$')
  if not name then
    lease[flat[i]] = flat[i + 1]
  elseif tonumber(flat[i + 1]) >= now then
    alive[name] = true
    names[#names + 1] = name
  else
    redis.call('HDEL', KEYS[2], flat[i])
  end
end
table.sort(names)
local is_mine = names[tonumber(ARGV[5]) % #names + 1] == ARGV[2]

if lease.holder == ARGV[2] then
  if lease.fence == ARGV[3] then return { is_mine and 'held' or 'wanted', ARGV[3] } end
  -- A reply was lost, or what should have given the partition away. It works by no such lease, and being alive would keep
  -- everybody else from it.
  redis.call('HDEL', KEYS[2], 'holder')
  lease.holder = nil
end
local created = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
if created.err and not created.err:match('^BUSYGROUP') then return created end
if not is_mine or (lease.holder and alive[lease.holder]) then return { 'other' } end

local info = group_info()
if info.pending > 0 then
  return redis.error_reply('PENDING ' .. info.pending .. ' entries of group ' .. ARGV[1] .. ' on ' .. KEYS[1]
    .. ' were given to competing consumers, and nobody would look at them in ordered mode: let competing ones finish them')
end
local fence = tostring(tonumber(lease.fence or 0) + 1)
redis.call('HSET', KEYS[2], 'holder', ARGV[2], 'fence', fence)
return { 'taken', fence, info['last-delivered-id'] }
