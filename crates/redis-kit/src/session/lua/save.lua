-- Replaces a session's data if it is still the version that was read. One step: of several who read the same, one saves.
-- Never makes a session, so that a slow request does not undo a logout. Run twice it says the same thing twice. Does not
-- prolong the session.
--
-- KEYS[1] the user's index   KEYS[2] the session
-- ARGV[1] its id   ARGV[2] the version that was read   ARGV[3] the new version   ARGV[4] data
-- Reply: 1 saved, 0 somebody else saved first, -1 there is no such session
local found = read(KEYS[1], KEYS[2], ARGV[1])
if not found then return -1 end
local version = found[2]
if version ~= ARGV[2] and version ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[2], 'version', ARGV[3], 'data', ARGV[4])
return 1
