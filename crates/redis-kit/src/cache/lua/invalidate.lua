-- Removes the entry, and the lease of whoever is loading it now, who thereby may not store what he read before. One step,
-- or he could store it between the two. It tells all instances, who have copies, or wait.
--
-- KEYS[1] the entry   KEYS[2] the lease   ARGV[1] the channel on which invalidated keys are told
-- Reply: 1. The same again does the same again.
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('PUBLISH', ARGV[1], KEYS[1])
return 1
