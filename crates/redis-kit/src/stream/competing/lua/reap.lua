-- Ends consumers that are gone: those whose lease has run out, and those that have none and were idle for as long (they were
-- never ours, or were ended while they stalled, and then read once more).
--
-- KEYS[1…4] as in release.lua   ARGV[1] group   ARGV[2] the asking consumer   ARGV[3] who owns what waits
-- ARGV[4] how many entries of one consumer at most   ARGV[5] the lease's time in ms
-- Reply: { names of consumers whose lease was revoked, entries handed back, ids of lost entries }, or nil if the asking
--   consumer's own lease was revoked.
if redis.call('HEXISTS', KEYS[4], ARGV[2]) == 0 then return nil end
local now = redis.call('TIME')
local now_ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
local leases, gone, revoked = redis.call('HGETALL', KEYS[4]), {}, {}
for i = 1, #leases, 2 do
  local alive = tonumber(leases[i + 1]) >= now_ms or leases[i] == ARGV[2]
  gone[leases[i]] = not alive
  if not alive then
    revoked[#revoked + 1] = leases[i]
    -- Also if the group does not know it: it has not read anything yet.
    redis.call('HDEL', KEYS[4], leases[i])
  end
end
local released = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #info, 2 do consumer[info[i]] = info[i + 1] end
  local is_gone = gone[consumer.name]
  if is_gone == nil then is_gone = consumer.name ~= ARGV[3] and consumer.idle >= tonumber(ARGV[5]) end
  if is_gone then released = released + release(ARGV[1], consumer.name, ARGV[3], ARGV[4]) end
end
return { revoked, released, lost }
