-- Gives each entry, or else its lease to the one who asked: he is to load it. One step, or several who find nothing would
-- all load; and what is found, or not, costs one question. What fails fails for one entry alone.
--
-- The lease is the loader's token, for as long as a load may take. Its end in a `!` says that somebody waits for it. The
-- same token may ask again: it has the lease then.
--
-- KEYS for each question: the entry, its lease
-- ARGV for each: token; the lease's time to live in ms; an entry that has no more than so many ms to live is none, nor is one
--   that never expires; 1 to be told when the lease is given up, or 0
-- Reply: for each { entry, its ms to live }; or 1: the lease is the caller's; or { ms }: it is another's for so long, for ever
--   if -1; or an error's text, and nothing was done
local pcall = redis.pcall

local function lease(key, token, time, waits)
  local held = pcall('SET', key, token, 'NX', 'GET', 'PX', time)
  if not held or held == token or held == token .. '!' then return 1 end
  if type(held) == 'table' then return held.err end
  -- On a full Redis there is no room for the mark, and the caller asks when the lease ends.
  if waits == '1' and held:sub(-1) ~= '!' then pcall('APPEND', key, '!') end
  return { redis.call('PTTL', key) }
end

local answers = {}
for place = 1, #KEYS / 2 do
  local key, arg = KEYS[2 * place - 1], 4 * place - 3
  local entry, answer = pcall('GET', key), nil
  if type(entry) == 'table' then
    answer = entry.err
  elseif entry then
    local left = redis.call('PTTL', key)
    if left > tonumber(ARGV[arg + 2]) then answer = { entry, left } end
  end
  answers[place] = answer or lease(KEYS[2 * place], ARGV[arg], ARGV[arg + 1], ARGV[arg + 3])
end
return answers
