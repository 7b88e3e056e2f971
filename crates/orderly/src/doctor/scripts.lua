#!lua flags=allow-oom
-- Finds out whether this server has what Orderly's scripts are made of, and whether this user may do what they do. It carries out
-- nothing, and so names no key: it may be asked of every node.
--
-- ARGV[1…] commands, their words separated by spaces
-- Reply: { names of those that the server does not know, names of those that this user may not do }
redis.set_repl(redis.REPL_NONE)
local missing, forbidden = {}, {}
for _, command in ipairs(ARGV) do
  local words = {}
  for word in command:gmatch('%S+') do words[#words + 1] = word end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if not known then
    missing[#missing + 1] = words[1]
  elseif not allowed then
    forbidden[#forbidden + 1] = words[1]
  end
end
return { missing, forbidden }
