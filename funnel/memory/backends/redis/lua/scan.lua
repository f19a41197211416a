-- KEYS: index. ARGV: namespace, item prefix, from, to, at most so many. Gives how many entries were looked at,
-- the last of them, and those that exist.
local entries = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[3], ARGV[4], 'LIMIT', 0, ARGV[5])
local live = {}
for _, key in ipairs(entries) do
    if redis.call('EXISTS', ARGV[2] .. key) == 1 then
        live[#live + 1] = key
    else
        unlist(KEYS[1], ARGV[1], key)
    end
end
return {#entries, entries[#entries] or '', live}
