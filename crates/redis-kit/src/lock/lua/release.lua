-- Gives each lock back if it is still its owner's, and wakes those who wait for it. One step, or it could expire and be
-- another's between the look and the deletion. Allowed on a full Redis. What is no string is nobody's lock.
--
-- Who waits has left a mark, so that a release for which nobody waits publishes nothing: on a cluster a message goes
-- to every node. The mark goes with the lock; whoever does not get it leaves a new one.
--
-- KEYS for each lock: itself, and waiters   ARGV[1] the channel on which released locks are told, by their keys   ARGV[2…] for each
--   lock: owner
-- Reply: for each lock 1 released, 0 it was not the owner's.
local found, gone, told, answers = redis.call('MGET', unpack(KEYS)), {}, {}, {}
for place = 1, #ARGV - 1 do
  local lock, waiters = 2 * place - 1, 2 * place
  answers[place] = 0
  if found[lock] == ARGV[place + 1] then
    answers[place] = 1
    gone[#gone + 1] = KEYS[lock]
    if found[waiters] then
      gone[#gone + 1] = KEYS[waiters]
      told[#told + 1] = KEYS[lock]
    end
  end
end
if #gone > 0 then redis.call('DEL', unpack(gone)) end
-- Who may not publish has released it all the same, and those who wait will ask when it would have expired.
for _, lock in ipairs(told) do redis.pcall('PUBLISH', ARGV[1], lock) end
return answers
