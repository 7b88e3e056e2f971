-- Accepts orders: of each its view, its journal entry and its idempotency record or its place in its customer's limits, or
-- nothing. One step, so that whatever dies, an order that exists is in the journal, a key that was used has its answer, and what
-- was counted was written. Not allowed on a full Redis: a new order is what can wait.
--
-- KEYS: the TATs of the limits of those orders that have limits; then for each order: its hash, the journal, and the
--   idempotency record if its request has a key
-- ARGV: how many TATs; then for each order: type, id, occurred_at, traceparent and data of the journal entry; the digest
--   of the request's body, or '' if it has no key; and if it has one: location, answer, lifetime of the record in seconds;
--   if it has none: its limits as gcra.take has them, or '0'
-- Reply: for each order { 'accepted', what gcra.take appends … }; { 'too many', the same … }; { 'before', location, answer }
--   accepted before; { 'refused' } the key was used for another body; or what is wrong, as text: nothing was written then but
--   the limits, if this user may do all of this. One order's error is not another's.
local tats, orders, replies = tonumber(ARGV[1]), {}, {}

-- All limits first, because what goes wrong with them is not about one order.
local function look_at_limits()
  if tats > 0 then gcra.read(1, tats) end
  local arg, tat = 2, 1
  while arg <= #ARGV do
    local reply, first = { 'accepted' }, arg
    if ARGV[arg + 5] ~= '' then
      arg = arg + 9
    else
      local limits = tonumber(ARGV[arg + 6])
      if limits > 0 and gcra.take(tat, arg + 6, reply) then reply[1] = 'too many' end
      arg, tat = arg + 7 + 3 * limits, tat + limits
    end
    orders[#orders + 1], replies[#replies + 1] = first, reply
  end
  gcra.write()
end

local function answered_before(record, digest)
  local found = redis.call('HMGET', record, 'body_digest', 'location', 'answer')
  if found[1] and found[1] ~= digest then return { 'refused' } end
  if found[1] and not (found[2] and found[3]) then return 'ERR a part is missing of ' .. record end
  return found[1] and { 'before', found[2], found[3] }
end

local function accept(key, arg, reply)
  local digest = ARGV[arg + 5]
  local order, journal, record = KEYS[key], KEYS[key + 1], digest ~= '' and KEYS[key + 2]
  local before = record and answered_before(record, digest)
  if before then return before end
  local placed_at, placed = ARGV[arg + 2], ARGV[arg + 4]
  local id = redis.call('XADD', journal, '*', 'type', ARGV[arg], 'id', ARGV[arg + 1], 'occurred_at', placed_at,
    'traceparent', ARGV[arg + 3], 'data', placed)
  redis.call('HSET', order, 'version', id, 'status', 'accepted', 'placed_at', placed_at, 'placed', placed)
  if record then
    redis.call('HSET', record, 'body_digest', digest, 'location', ARGV[arg + 6], 'answer', ARGV[arg + 7])
    redis.call('EXPIRE', record, ARGV[arg + 8])
  end
  return reply
end

look_at_limits()
local key = tats + 1
for n, arg in ipairs(orders) do
  if replies[n][1] == 'accepted' then
    local ran, reply = pcall(accept, key, arg, replies[n])
    -- An error is text on some servers and a table on others.
    replies[n] = not ran and type(reply) == 'table' and reply.err or reply
  end
  key = key + (ARGV[arg + 5] ~= '' and 3 or 2)
end
return replies
