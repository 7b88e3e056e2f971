#!lua
-- Accepts an order: its view, its journal entry and its idempotency record, or nothing. One step, so that whatever
-- dies, an order that exists is in the journal, and a key that was used has its answer. Not allowed on a full Redis: a
-- new order is what can wait.
--
-- KEYS[1] the order's hash   KEYS[2] the journal   KEYS[3] the idempotency record (only for a request with a key)
-- ARGV    n, then n names and values of the order's fields; m, then m names and values of the journal entry; and for a
--         request with a key: digest of its body, location, answer, lifetime in seconds
-- Reply: {} accepted; { location, answer } accepted before; { 'refused' } the key was used for another body
local order_at, order_count = 2, tonumber(ARGV[1])
local entry_at, entry_count = order_at + order_count + 1, tonumber(ARGV[order_at + order_count])
local record_at = entry_at + entry_count

if KEYS[3] then
  local record = redis.call('HMGET', KEYS[3], 'body_digest', 'location', 'answer')
  if record[1] then
    if record[1] ~= ARGV[record_at] then return { 'refused' } end
    return { record[2], record[3] }
  end
end

local id = redis.call('XADD', KEYS[2], '*', unpack(ARGV, entry_at, entry_at + entry_count - 1))
redis.call('HSET', KEYS[1], 'version', id, unpack(ARGV, order_at, order_at + order_count - 1))
if KEYS[3] then
  redis.call('HSET', KEYS[3], 'body_digest', ARGV[record_at], 'location', ARGV[record_at + 1],
    'answer', ARGV[record_at + 2])
  redis.call('EXPIRE', KEYS[3], ARGV[record_at + 3])
end
return {}
