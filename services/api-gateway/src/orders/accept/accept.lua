#!lua
-- Accepts orders: of each its view, its journal entry and its idempotency record, or nothing. One step, so that whatever
-- dies, an order that exists is in the journal, and a key that was used has its answer. Not allowed on a full Redis: a
-- new order is what can wait.
--
-- KEYS for each order: its hash, the journal, and the idempotency record if its request has a key
-- ARGV for each order: type, id, occurred_at, traceparent and data of the journal entry, and the digest of the request's body,
--   or '' if it has no key; and if it has one: location, answer, lifetime of the record in seconds
-- Reply: for each order {} accepted; { location, answer } accepted before; { 'refused' } the key was used for another body;
--   or what is wrong, as text: nothing was written then, if this user may do all of this. One order's error is not
--   another's.
local key, arg = 1, 1

local function accept(has_record)
  local order, journal, record = KEYS[key], KEYS[key + 1], has_record and KEYS[key + 2]
  local digest = ARGV[arg + 5]
  if record then
    local found = redis.call('HMGET', record, 'body_digest', 'location', 'answer')
    if found[1] and found[1] ~= digest then return { 'refused' } end
    if found[1] and not (found[2] and found[3]) then return 'ERR a part is missing of ' .. record end
    if found[1] then return { found[2], found[3] } end
  end
  local placed_at, placed = ARGV[arg + 2], ARGV[arg + 4]
  local id = redis.call('XADD', journal, '*', 'type', ARGV[arg], 'id', ARGV[arg + 1], 'occurred_at', placed_at,
    'traceparent', ARGV[arg + 3], 'data', placed)
  redis.call('HSET', order, 'version', id, 'status', 'accepted', 'placed_at', placed_at, 'placed', placed)
  if record then
    redis.call('HSET', record, 'body_digest', digest, 'location', ARGV[arg + 6], 'answer', ARGV[arg + 7])
    redis.call('EXPIRE', record, ARGV[arg + 8])
  end
  return {}
end

local replies = {}
while arg <= #ARGV do
  local has_record = ARGV[arg + 5] ~= ''
  local ran, reply = pcall(accept, has_record)
  -- An error is text on some servers and a table on others.
  replies[#replies + 1] = not ran and type(reply) == 'table' and reply.err or reply
  key, arg = key + (has_record and 3 or 2), arg + (has_record and 9 or 6)
end
return replies
