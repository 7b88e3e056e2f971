-- Applies what handlers returned and acknowledges their entries, each entry by itself in one step: a crash leaves
-- either both or neither.
--
-- KEYS[1…2] as in fence.lua   KEYS[3…] as in writes.lua
-- ARGV[1…2] as in fence.lua   ARGV[3…] for each entry: its id, how often it had been delivered, how many attempts had
--   failed, and its writes as in writes.lua
-- Reply: for each entry 1 (applied and acknowledged), 0 (refused, because the delivery is not this consumer's any more) or
--   an error's text, with nothing of that entry written.
local unsettled = problem('XACK', KEYS[1], 'stream') or problem('HDEL', KEYS[2], 'hash')
local results, position, key = {}, 3, 3
while position <= #ARGV do
  local id, deliveries, failed = ARGV[position], ARGV[position + 1], ARGV[position + 2]
  local result, writes, wrong = 0, nil, nil
  writes, wrong, position, key = read_writes(position + 3, key)
  if held(id, deliveries) then
    result = unsettled or wrong or 1
    if result == 1 then
      apply(writes)
      settle(id, failed ~= '0')
    end
  else
    forget_checks()
  end
  results[#results + 1] = result
end
return results
