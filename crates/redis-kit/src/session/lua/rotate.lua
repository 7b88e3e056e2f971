-- Gives a session a new id: from then on the old one is nobody's. One step, or both ids, or none, would lead to it. Run
-- twice it says the same thing twice. Allowed on a full Redis, since nothing is added.
--
-- KEYS[1] the user's index   KEYS[2] the session by its old id   KEYS[3] by its new id
-- ARGV[1] the old id   ARGV[2] the new id   ARGV[3] idle time in ms
-- Reply: { data, version, created, seen, ends }, or nothing: there is no such session
local index, old, new = KEYS[1], KEYS[2], KEYS[3]
local found = read(index, old, ARGV[1])
if found then
  redis.call('ZREM', index, ARGV[1])
  redis.call('RENAME', old, new)
else
  -- Run already, maybe.
  found = read(index, new, ARGV[2])
  if not found then return false end
end
touch(index, new, ARGV[2], ARGV[3], found[5])
found[4] = text(now)
return found
