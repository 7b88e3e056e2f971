-- Takes each lock unless somebody has it, and numbers the acquisition. One step, because a holder without a token, or a
-- token without its holder, would let a stalled holder before it pass for the later one. What fails fails for one lock
-- alone.
--
-- The token is the clock in microseconds, or the last token and one if the clock is not beyond that. So it grows by
-- the counter when the clock was set back, and by the clock when the counter is gone or an old one: after it expired,
-- or was lost with Redis's data or in a failover. It stays below 2^53, up to which Lua counts exactly, until the year
-- 2255.
--
-- KEYS for each lock: itself, its fence: the last token, and if the callers will wait: waiters, there while somebody does
-- ARGV[1] the fences' time to live in ms   ARGV[2] how many keys each lock has: 3 if the callers will wait, or 2
-- ARGV[3…] for each lock: owner, its time to live in ms
-- Reply: for each lock the token if it was taken; or { ms }: it is another's, and expires in so long unless it is renewed;
--   never, if -1; or an error's text, and it was not taken
local kept, each, pcall = ARGV[1], tonumber(ARGV[2]), redis.pcall
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- As text: Redis is slower to write the number out, and newer servers may write 1.8e+15.
local function text(token) return string.format('%d', token) end
local now_text = text(now)

-- What follows on the last token, if the clock does not. Nothing if that was none: then a text that is not ours is gone, and
-- the next acquisition succeeds.
local function after(last, fence)
  local token = tonumber(last)
  if not token then return nil end
  pcall('SET', fence, text(token + 1), 'PX', kept)
  return token + 1
end

-- For how long it is another's; leaves a mark for as long as who waits will not ask again by itself.
local function busy(lock, waiters, ttl)
  local left = pcall('PTTL', lock)
  if type(left) == 'table' then return left.err end
  if waiters then
    -- What is left is 0 in the last millisecond, which SET refuses.
    pcall('SET', waiters, 1, 'PX', left < 1 and ttl or left)
  end
  return { left }
end

local answers = {}
for place = 1, #KEYS / each do
  local key, ttl = (place - 1) * each, ARGV[2 * place + 2]
  local lock, fence, waiters = KEYS[key + 1], KEYS[key + 2], each > 2 and KEYS[key + 3]
  local taken, answer = pcall('SET', lock, ARGV[2 * place + 1], 'NX', 'PX', ttl), now
  if not taken then
    answer = busy(lock, waiters, ttl)
  elseif taken.err then
    answer = taken.err
  else
    -- Mostly the clock is beyond the last token, so that one command reads that and sets the next.
    local last = pcall('SET', fence, now_text, 'PX', kept, 'GET')
    if last and (last.err or (tonumber(last) or now) >= now) then
      answer = last.err or after(last, fence) or 'ERR the fence held no token'
      -- An error does not roll back, and a lock without a token would be in everybody's way.
      if type(answer) == 'string' then pcall('DEL', lock) end
    end
  end
  answers[place] = answer
end
return answers
