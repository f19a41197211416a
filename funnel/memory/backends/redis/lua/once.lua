-- Before a write: one with a number that its writer has used already returns the result it had then.
-- KEYS[1] is the writer, ARGV[1] the number of the write.
local done = redis.call('GET', KEYS[1])
if done and tonumber(string.sub(done, 3)) >= tonumber(ARGV[1]) then
    return tonumber(string.sub(done, 1, 1))
end
