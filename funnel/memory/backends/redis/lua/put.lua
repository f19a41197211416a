-- KEYS: writer, index. ARGV: number, namespace, item prefix, milliseconds to live or '', '1' for staged values
-- or '0', then keys and values. A staged value was set under <writer>:<n>, n from 1, in the same transaction,
-- with its end, and only its key is passed: renaming takes no time, but passing a large value through Lua does.
local index, namespace, prefix, life, staged = KEYS[2], ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local done = redis.call('GET', KEYS[1])
if done and tonumber(string.sub(done, 3)) >= tonumber(ARGV[1]) then
    for i = 1, staged and #ARGV - 5 or 0 do redis.call('DEL', KEYS[1] .. ':' .. i) end
    return 1
end
local n_new = 0
for i = 6, #ARGV, staged and 1 or 2 do
    local item = prefix .. ARGV[i]
    if staged then
        redis.call('RENAME', KEYS[1] .. ':' .. i - 5, item)
    elseif life == '' then
        redis.call('SET', item, ARGV[i + 1])
    else
        redis.call('SET', item, ARGV[i + 1], 'PX', life)
    end
    n_new = n_new + redis.call('ZADD', index, 0, ARGV[i])
end
if n_new > 0 then redis.call('ZADD', funnel .. 'namespaces', 0, namespace) end
if life ~= '' then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local ends = string.format('%.0f', now + life)
    for i = 6, #ARGV, staged and 1 or 2 do
        redis.call('ZADD', funnel .. 'expiring', ends, prefix .. ARGV[i])
    end
    -- A second later than they end, so that none is looked at while it still exists.
    local gone = redis.call('ZRANGEBYSCORE', funnel .. 'expiring', '-inf', now - 1000, 'LIMIT', 0, #ARGV + 16)
    for _, item in ipairs(gone) do
        if redis.call('EXISTS', item) == 0 then
            local rest = string.sub(item, #funnel + #'item:' + 1)
            local length, start = string.match(rest, '^(%d+):()')
            local name = string.sub(rest, start, start + length - 1)
            unlist(funnel .. 'keys:' .. name, name, string.sub(rest, start + length + 1))
        end
        redis.call('ZREM', funnel .. 'expiring', item)
    end
end
redis.call('SET', KEYS[1], '1:' .. ARGV[1], 'PX', 3600000)
return 1
