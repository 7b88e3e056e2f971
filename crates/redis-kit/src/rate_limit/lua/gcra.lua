-- The generic cell rate algorithm, for every script that checks limits: check.lua, and scripts of others that do so as one
-- of their steps. A script reads what it needs, takes, and writes; one step, or two callers could take the same last unit, or a
-- subject could pay for a call that another of its policies denies.
--
-- A policy's key holds its theoretical arrival time (TAT), in microseconds of Redis's clock. By how much that is ahead
-- of now is what has been taken and has not flowed back: each unit takes it one interval further, and it may be ahead by
-- the tolerance, which is the interval times the limit. A key that is not there is not ahead.
--
-- What no policy of this name can have written is put right: text that is no number, or another type, counts as not ahead; what
-- is ahead by more than the tolerance, as after the clock was set back, is cut down to it, so that units flow back at once.
local gcra = {}

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
-- By key, because it may be there several times, for calls that came together.
local ahead, changed = {}, {}

-- Reads the TATs that are KEYS[first] to KEYS[last].
function gcra.read(first, last)
  -- Never an error: what is no string is not found.
  local found = redis.call('MGET', unpack(KEYS, first, last))
  for place = first, last do
    ahead[KEYS[place]] = (tonumber(found[place - first + 1]) or 0) - now
  end
end

-- Checks all policies of a subject, which have been read, and takes the cost from all of them or from none.
--
-- KEYS from first: their TATs   ARGV from arg: how many policies, and for each of them: the cost and the tolerance in
--   microseconds, and 1 if it is a shadow, which takes what fits and denies nothing, or 0
-- Appends to answers for each policy a number of microseconds: by how much it is ahead now; or less than 0: the cost exceeded it,
-- and will fit in so long, if nothing is taken meanwhile. Returns whether one denied.
function gcra.take(first, arg, answers)
  local policies, before, denied = tonumber(ARGV[arg]), #answers, false
  for n = 1, policies do
    local key, cost, tolerance = KEYS[first + n - 1], tonumber(ARGV[arg + 3 * n - 2]), tonumber(ARGV[arg + 3 * n - 1])
    local taken = ahead[key]
    -- So, because it may be NaN.
    if not (taken > 0) then taken = 0 end
    if taken > tolerance then
      taken = tolerance
      changed[key] = true
    end
    ahead[key] = taken
    local fits = taken + cost <= tolerance
    answers[before + n] = not fits and tolerance - taken - cost or false
    denied = denied or not fits and ARGV[arg + 3 * n] == '0'
  end
  for n = 1, policies do
    if not answers[before + n] then
      local key, cost = KEYS[first + n - 1], tonumber(ARGV[arg + 3 * n - 2])
      if not denied and cost > 0 then
        ahead[key] = ahead[key] + cost
        changed[key] = true
      end
      answers[before + n] = ahead[key]
    end
  end
  return denied
end

-- That a key has expired is written into the append-only file. So it lives a while longer than it says anything: a
-- subject that comes again finds it still there.
local LEAST = 10000

-- Writes what has changed, for this server's memory alone: under `appendfsync always` every check would wait for the disk.
-- (What goes to replicas goes into the file too, if a call writes more than one key.)
function gcra.write()
  redis.set_repl(redis.REPL_NONE)
  for key in pairs(changed) do
    -- The number as text: Redis is slower to write it out.
    redis.call('SET', key, string.format('%d', now + ahead[key]), 'PX', math.max(LEAST, math.ceil(ahead[key] / 1000) + 1))
    changed[key] = nil
  end
  redis.set_repl(redis.REPL_ALL)
end
