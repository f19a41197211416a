-- KEYS: items. Gives value, milliseconds to live (-1: it stays), value, ...
local found = {}
for _, item in ipairs(KEYS) do
    found[#found + 1] = redis.call('GET', item)
    found[#found + 1] = redis.call('PTTL', item)
end
return found
