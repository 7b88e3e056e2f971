-- What is known of an entry's failed attempts: {"failed":2,"history":[{"at":<unix ms>,"consumer":"…","reason":"…"},…]}, the
-- history being that of the last ten. In ordered mode also "first_delivered", in Unix ms.
local MOST_HISTORY = 10

-- The failures on record at `attempts`, a hash, and one more, which is not written yet.
local function one_more_failure(attempts, id, consumer, reason)
  local known = redis.call('HGET', attempts, id)
  local failures = known and cjson.decode(known) or { failed = 0, history = {} }
  failures.failed = failures.failed + 1
  local history = failures.history
  history[#history + 1] = { at = now_ms(), consumer = consumer, reason = reason }
  if #history > MOST_HISTORY then table.remove(history, 1) end
  return failures
end

-- Appends an entry to the dead letters with all its fields and why it is there.
local function bury(dead, stream, id, failures)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  -- The entry itself may have been deleted; that it was there, and why it failed, is kept all the same.
  local fields, origin, kept = entry and entry[2] or {}, id, {}
  for i = 1, #fields, 2 do
    -- A letter that was replayed and died again comes from where it came from at first.
    if fields[i] == 'origin' then origin = fields[i + 1] end
    if fields[i] ~= 'origin' and fields[i] ~= 'replay_for' then
      kept[#kept + 1] = fields[i]
      kept[#kept + 1] = fields[i + 1]
    end
  end
  -- Lua's stack holds some thousand arguments of a call. An entry with more is none of ours, and is kept as JSON.
  if #kept > 5000 then kept = { 'fields', cjson.encode(kept) } end
  local history = failures.history
  redis.call('XADD', dead, '*', 'origin', origin, 'reason', history[#history].reason, 'attempts', failures.failed,
    'history', cjson.encode(history), unpack(kept))
end
