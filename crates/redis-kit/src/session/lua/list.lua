-- Reads several sessions of one user at the same moment.
--
-- KEYS[1] the user's index   KEYS[2…] the sessions   ARGV their ids
-- Reply: for each { data, version, created, seen, ends }, or nothing: there is no such session
local answers = {}
for place, id in ipairs(ARGV) do answers[place] = read(KEYS[1], KEYS[place + 1], id) end
return answers
