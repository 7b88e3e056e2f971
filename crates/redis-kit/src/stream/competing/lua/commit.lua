-- Applies what handlers returned and acknowledges their entries, each entry by itself in one step: a crash leaves
-- either both or neither.
--
-- KEYS[1…2] as in fence.lua   KEYS[3] retry   KEYS[4…] for each entry: record and lock of its attempt at exclusive work, if it made
--   one, and those of its writes as in writes.lua
-- ARGV[1…2] as in fence.lua   ARGV[3…] for each entry: its id, how often it had been delivered, how many attempts had
--   failed, the token of its attempt at exclusive work or '', and its writes as in writes.lua
-- Reply: for each entry 1 (applied and acknowledged), 0 (refused, because the delivery is not this consumer's any more) or
--   an error's text, with nothing of that entry written.
local unsettled = problem('XACK', KEYS[1], 'stream') or problem('HDEL', KEYS[2], 'hash')
local results, position, key = {}, 3, 4
while position <= #ARGV do
  local id, deliveries, failed, token = unpack(ARGV, position, position + 3)
  local record, lock
  if token ~= '' then
    record, lock, key = KEYS[key], KEYS[key + 1], key + 2
  end
  local latest, result, writes, wrong = token ~= '' and is_latest(record, token), 0, nil, nil
  if latest then types[record] = 'hash' end
  writes, wrong, position, key = read_writes(position + 4, key)
  if latest then
    -- The fence alone decides: the outcome is known, whoever the entry has been moved to meanwhile, or if it waits.
    local holder = redis.pcall('GET', lock)
    result = unsettled or problem('ZREM', KEYS[3], 'zset') or problem('HINCRBY', record) or problem('DEL', lock)
      or (type(holder) == 'table' and holder.err) or wrong or 1
    if result == 1 then
      apply(writes)
      close(record, lock, holder == owner(id, token))
      settle(id, true)
      redis.call('ZREM', KEYS[3], id)
    end
  elseif held(id, deliveries) then
    result = token ~= '' and 'FENCED another attempt began after this one' or unsettled or wrong or 1
    if result == 1 then
      apply(writes)
      settle(id, failed ~= '0')
    end
  end
  if result ~= 1 then forget_checks() end
  results[#results + 1] = result
end
return results
