-- KEYS: writer, index. ARGV: number, namespace, item prefix, key, value, and the value expected, if any.
local found = redis.call('GET', ARGV[3] .. ARGV[4])
local won = found == (ARGV[6] or false) and 1 or 0
if won == 1 then
    redis.call('SET', ARGV[3] .. ARGV[4], ARGV[5])
    redis.call('ZADD', KEYS[2], 0, ARGV[4])
    redis.call('ZADD', funnel .. 'namespaces', 0, ARGV[2])
end
redis.call('SET', KEYS[1], won .. ':' .. ARGV[1], 'PX', 3600000)
return won
