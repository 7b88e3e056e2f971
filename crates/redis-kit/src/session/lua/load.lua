-- Reads a session, and notes that it is used if that was last noted long enough ago. One step, or a session that was revoked
-- in between would be made anew by the note. Allowed on a full Redis: whoever is logged in stays so.
--
-- KEYS[1] the user's index   KEYS[2] the session
-- ARGV[1] its id   ARGV[2] idle time in ms   ARGV[3] how long a use need not be noted, in ms
-- Reply: { data, version, created, seen, ends }, or nothing: there is no such session
local found = read(KEYS[1], KEYS[2], ARGV[1])
if found and now - found[4] >= tonumber(ARGV[3]) then
  touch(KEYS[1], KEYS[2], ARGV[1], ARGV[2], found[5])
  found[4] = text(now)
end
return found
