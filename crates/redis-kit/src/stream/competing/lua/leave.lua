-- Leaves a group: hands back what is pending on the consumer, and removes it.
--
-- KEYS[1…4] as in release.lua   ARGV[1] group   ARGV[2] consumer   ARGV[3] who owns what waits   ARGV[4] how many entries
--   at most
-- Reply: { entries handed back, ids of lost entries }. As many as were asked for: there may be more, call again.
local released = release(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return { released, lost }
