-- Begins attempts at exclusive work, each by itself: sees that the delivery is this consumer's and that the work is not done, takes
-- the lock, raises the fence and records the attempt. One step, or of two attempts each could think that it is the only one, and a
-- crash in between would leave an attempt that nobody knows of.
--
-- KEYS[1…2] as in fence.lua   KEYS[3…] for each attempt: the record, a hash, and the lock, a string: who holds it
-- ARGV[1…2] as in fence.lua   ARGV[3…] for each attempt: entry id; how often it had been delivered; the lock's time in ms; how many
--   states, and the values of the record's field `state` in which the work may begin, '' meaning that it has none; how many
--   names and values of fields to set there are, and these
-- Reply: for each attempt { 'begun', its token, which attempt it is, when the first one and this one began in Unix ms, the record as
--   it was before }; { 'busy', ms until the lock is free by itself };
--   { 'state', the record }, whose state is another one; { 'lost' }, because the delivery is not this consumer's any more;
--   or { 'error', its text }, and nothing was written

-- What one attempt is given, and where that of the next begins.
local function read_attempt(position)
  local attempt = { id = ARGV[position], deliveries = ARGV[position + 1], time = ARGV[position + 2], states = {} }
  local fields = position + 4 + tonumber(ARGV[position + 3])
  for i = position + 4, fields - 1 do attempt.states[ARGV[i]] = true end
  attempt.first, attempt.last = fields + 1, fields + tonumber(ARGV[fields])
  return attempt, attempt.last + 1
end

local now
local function begin(attempt, record, lock)
  if not held(attempt.id, attempt.deliveries) then return { 'lost' } end
  local wrong = problem('HSET', record) or problem('SET', lock)
  if wrong then error({ err = wrong }) end

  -- These fail if the keys hold something else, and nothing is written then.
  local flat, known = redis.call('HGETALL', record), {}
  local busy = is_busy(lock, attempt.id)
  for i = 1, #flat, 2 do known[flat[i]] = flat[i + 1] end
  if not attempt.states[known.state or ''] then return { 'state', flat } end
  if busy then return { 'busy', redis.call('PTTL', lock) } end

  now = now or now_ms()
  local token = string.format('%d', (known.fence or 0) + 1)
  local number = (known.attempts or 0) + 1
  local first = known.first_attempt_at or now
  redis.call('SET', lock, owner(attempt.id, token), 'PX', attempt.time)
  redis.call('HSET', record, 'fence', token, 'attempts', number, 'first_attempt_at', first, 'attempt_at', now, 'attempt_by', ARGV[2],
    unpack(ARGV, attempt.first, attempt.last))
  return { 'begun', token, number, tonumber(first), now, flat }
end

local replies, position = {}, 3
for key = 3, #KEYS, 2 do
  local attempt
  attempt, position = read_attempt(position)
  local ran, reply = pcall(begin, attempt, KEYS[key], KEYS[key + 1])
  -- An error is text on some servers and a table on others.
  replies[#replies + 1] = ran and reply or { 'error', type(reply) == 'table' and reply.err or reply }
end
return replies
