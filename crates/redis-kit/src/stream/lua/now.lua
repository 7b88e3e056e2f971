#!lua
-- What time it is where a stream is: a cluster's nodes have a clock each, and entries get their ids by their own.
--
-- KEYS[1] the stream
-- Reply: Unix milliseconds.
local now = redis.call('TIME')
return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
