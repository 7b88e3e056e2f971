#!lua
-- What time it is where the letters are: a cluster's nodes have a clock each, and letters get their ids by their own.
--
-- KEYS[1] dead letters
-- Reply: Unix milliseconds.
local now = redis.call('TIME')
return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
