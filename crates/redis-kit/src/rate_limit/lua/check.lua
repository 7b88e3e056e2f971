-- Checks subjects, each by itself.
--
-- KEYS for each policy: its TAT, all of one hash tag on a cluster; those of a subject follow each other
-- ARGV for each subject: its policies, as gcra.take has them
-- Reply: for each policy what gcra.take says of it.
local answers, arg = {}, 1
gcra.read(1, #KEYS)
while #answers < #KEYS do
  local policies = tonumber(ARGV[arg])
  gcra.take(#answers + 1, arg, answers)
  arg = arg + 3 * policies + 1
end
gcra.write()
return answers
