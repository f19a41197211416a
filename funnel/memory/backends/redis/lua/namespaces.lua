-- ARGV: from, at most so many. Gives a namespace, whether its first key exists, the next namespace, ...
local page = {}
for _, name in ipairs(redis.call('ZRANGEBYLEX', funnel .. 'namespaces', ARGV[1], '+', 'LIMIT', 0, ARGV[2])) do
    local first = redis.call('ZRANGE', funnel .. 'keys:' .. name, 0, 0)[1]
    page[#page + 1] = name
    local item = funnel .. 'item:' .. #name .. ':' .. name .. ':' .. (first or '')
    page[#page + 1] = redis.call('EXISTS', item)
end
return page
