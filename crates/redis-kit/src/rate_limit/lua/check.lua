-- Checks all policies of each subject, and then takes the cost from all of them or from none. One step, or two callers
-- could take the same last unit, or a subject could pay for a call that another of its policies denies.
--
-- GCRA: a policy's key holds its theoretical arrival time (TAT), in microseconds of Redis's clock. By how much that
-- is ahead of now is what has been taken and has not flowed back: each unit takes it one interval further, and it
-- may be ahead by the tolerance, which is the interval times the limit. A key that is not there is not ahead.
--
-- What no policy of this name can have written is put right: text that is no number, or another type, counts as not ahead; what
-- is ahead by more than the tolerance, as after the clock was set back, is cut down to it, so that units flow back at once.
--
-- KEYS for each policy: its TAT, all of one hash tag on a cluster; those of a subject follow each other
-- ARGV for each subject: how many policies it has, and for each of them: the cost and the tolerance in microseconds, and 1 if it
--   is a shadow, which takes what fits and denies nothing, or 0
-- Reply: for each policy a number of microseconds: by how much it is ahead now; or less than 0: the cost exceeded it, and
--   will fit in so long, if nothing is taken meanwhile.

-- For this server's memory alone: under `appendfsync always` every check would wait for the disk. (What goes to replicas goes
-- into the file too, if a call writes more than one key.)
redis.set_repl(redis.REPL_NONE)

-- That a key has expired is written into the file all the same. So it lives a while longer than it says anything: a subject
-- that comes again finds it still there.
local LEAST = 10000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- Never an error: what is no string is not found.
local found = redis.call('MGET', unpack(KEYS))
-- By key, because it may be there several times, for calls that came together.
local ahead, changed = {}, {}
local answers, place, arg = {}, 0, 1

while place < #KEYS do
  local policies, denied = tonumber(ARGV[arg]), false
  for n = 1, policies do
    local key, cost, tolerance = KEYS[place + n], tonumber(ARGV[arg + 3 * n - 2]), tonumber(ARGV[arg + 3 * n - 1])
    local taken = ahead[key] or (tonumber(found[place + n]) or 0) - now
    -- So, because it may be NaN.
    if not (taken > 0) then taken = 0 end
    if taken > tolerance then
      taken = tolerance
      changed[key] = true
    end
    ahead[key] = taken
    local fits = taken + cost <= tolerance
    answers[place + n] = not fits and tolerance - taken - cost or false
    denied = denied or not fits and ARGV[arg + 3 * n] == '0'
  end
  for n = 1, policies do
    if not answers[place + n] then
      local key, cost = KEYS[place + n], tonumber(ARGV[arg + 3 * n - 2])
      if not denied and cost > 0 then
        ahead[key] = ahead[key] + cost
        changed[key] = true
      end
      answers[place + n] = ahead[key]
    end
  end
  place, arg = place + policies, arg + 3 * policies + 1
end

for key in pairs(changed) do
  -- The number as text: Redis is slower to write it out.
  redis.call('SET', key, string.format('%d', now + ahead[key]), 'PX', math.max(LEAST, math.ceil(ahead[key] / 1000) + 1))
end
return answers
