-- The server's time in Unix ms. Within a script it stands still, also for what expires.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Whether there is such a session: if the index says so. That a session's hash is there says nothing.
local function stands(index, id)
  local expires = redis.call('ZSCORE', index, id)
  return expires and now < tonumber(expires)
end

-- What stands in a session, or false if there is none: { data, version, created, seen, ends }.
local function read(index, session, id)
  if not stands(index, id) then return false end
  local found = redis.call('HMGET', session, 'data', 'version', 'created', 'seen', 'ends')
  return found[1] and found
end
