-- KEYS: a key that does not exist. Gives the commands that the user may not run, and 'keys' if it may not use
-- the key. Nothing is changed.
local key, other, denied = KEYS[1], KEYS[1] .. ':other', {}
local function try(...)
    local said = redis.pcall(...)
    local text = type(said) == 'table' and said.err or ''
    if string.find(text, 'key', 1, true) and string.find(text, 'access', 1, true) then
        denied['keys'] = true
    elseif string.find(text, 'permission', 1, true) or string.find(text, "can't run this command", 1, true) then
        denied[string.lower((...))] = true
    end
end
try('GET', key)
try('MGET', key)
try('SET', key, '', 'XX')
try('DEL', key)
try('EXISTS', key)
try('RENAME', key, other)
try('PTTL', key)
try('TIME')
try('ZADD', key, 'XX', 0, 'x')
try('ZREM', key, 'x')
try('ZRANGE', key, 0, 0)
try('ZRANGEBYLEX', key, '-', '+')
try('ZRANGEBYSCORE', key, 0, 0)
local names = {}
for name in pairs(denied) do names[#names + 1] = name end
table.sort(names)
return names
