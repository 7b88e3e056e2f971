#!lua flags=allow-oom,no-writes
-- How full the server is that holds a partition. A script, because only a command with a key reaches the right node of a
-- cluster.
--
-- KEYS[1] the journal
-- Reply: { bytes in use, bytes allowed }, 0 for any number of them
local memory = redis.call('INFO', 'memory')
local function bytes(name) return tonumber(memory:match('%f[%w_]' .. name .. ':(%d+)') or 0) end
return { bytes('used_memory'), bytes('maxmemory') }
